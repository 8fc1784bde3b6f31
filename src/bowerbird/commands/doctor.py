"""bowerbird stats, doctor"""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json
from bowerbird.errors import BowerbirdError

if TYPE_CHECKING:
    from bowerbird.collection import Collection

STATS_EXAMPLES = examples("bowerbird stats", "bowerbird stats --json")
DOCTOR_EXAMPLES = examples(
    "bowerbird doctor                      what is installed, what is missing",
    "bowerbird doctor --verify --repair    check every checksum; add damaged files again",
)

EXTRAS = {
    "ocr": ("rapidocr", "text in scans and pictures"),
    "speech": ("faster_whisper", "what is said in recordings and films"),
    "heif": ("pillow_heif", "HEIC photos"),
    "clip": ("transformers", "CLIP and SigLIP: far better search of photos"),
    "sentence-transformers": ("sentence_transformers", "any text model of your choice"),
}
PACKAGES = ("bowerbird", "pylance", "onnxruntime", "pypdfium2", "av", "pillow", "numpy")
BASIC = (
    "the embedded image encoder is basic: it finds things, not people, actions or counts; for more: "
    "pip install 'bowerbird[clip]' and bowerbird reembed --encoder image=clip:NAME (docs/encoders.md)"
)


def stats(library: LibraryOption = HERE, as_json: JsonOption = False) -> None:
    """Count what is in the library, how it is searched, and what it takes on disk."""
    collection = open_library(library).collection
    indexes = collection.indexes()
    found = collection.stats()
    if as_json:
        print_json(asdict(found) | {"indexes": [asdict(index) for index in indexes]})
        return
    from bowerbird.show.terminal import print_stats

    print_stats(found, indexes)


def doctor(
    context: typer.Context,
    library: LibraryOption = HERE,
    verify: Annotated[bool, typer.Option("--verify", help="Check every checksum.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Verify, and read damaged files again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what is installed, what is missing for the files in the library, and whether anything is damaged."""
    from bowerbird.index import kernels

    report: dict[str, Any] = {
        "python": platform.python_version(),
        "kernels": kernels.name(),
        "packages": {name: _version(name) for name in PACKAGES},
        "extras": {name: find_spec(module) is not None for name, (module, _) in EXTRAS.items()},
        "advice": [],
        "problems": [],
        "repaired": [],
        "lost": [],
    }
    asked = verify or repair or _is_given(context, "library")
    if asked or (library / "library.json").exists():
        report |= _of_library(library, verify or repair, repair)
    missing = [f"[{name}] {EXTRAS[name][1]}" for name, there in report["extras"].items() if not there]
    report["advice"] += [f"not installed: {line}" for line in missing]
    if not report["kernels"].startswith("C,"):
        report["advice"].append("searches are slow without compiled kernels; install again where there is a C compiler")
    if as_json:
        print_json(report)
    else:
        from bowerbird.show.terminal import print_doctor

        print_doctor(report)
    if report["lost"] or (report["problems"] and not repair):
        raise typer.Exit(1)


def _of_library(path: Path, verify: bool, repair: bool) -> dict[str, Any]:
    from bowerbird.storage.lock import holder

    collection = open_library(path).collection
    checked = collection.verify(repair=repair) if verify else None
    found: dict[str, Any] = {
        "library": str(path),
        "encoders": {},
        "writer": holder(path),
        "bytes": {},
        "advice": [f"{failure.source} was left out: {failure.reason}" for failure in collection.failures()],
        "problems": list(checked.problems) if checked else [],
        "repaired": list(checked.repaired) if checked else [],
        "lost": list(checked.lost) if checked else [],
        "verified": verify,
    }
    try:
        counts, scanned = collection.stats(), _without_text(collection)
    except (BowerbirdError, OSError, ValueError):  # pyarrow's are ValueErrors
        if not found["problems"]:
            raise
        return found
    basic = [BASIC] if counts.fields.get("image", "").startswith("lite") else []
    advice = [*basic, *found["advice"], *scanned]
    return found | {"encoders": dict(counts.fields), "bytes": dict(counts.bytes), "advice": advice}


def _without_text(collection: Collection) -> list[str]:
    """Advice on files that wait for text recognition."""
    scanned = [file.source for file, item in collection.roots() if item.metadata.get("needs_ocr")]
    todo = f"pip install 'bowerbird[ocr]', then: bowerbird add {scanned[0]}" if scanned else ""
    return [f"{len(scanned)} files have pages without text, such as {scanned[0]}: {todo}"] if scanned else []


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option was given, on the command line or in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"

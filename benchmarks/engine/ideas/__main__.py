"""Ideas of the newest literature, beside what the late-interaction index does.

    python -m benchmarks.engine.ideas --write docs/benchmarks.md

Token-aware centroid budgets (budgets.py) and a learned reduction to one vector (lemur.py) find candidates, and are
compared with the index's own centroids, fixed dimensional encodings and mean pooling. Early exit (early_exit.py) scores
fewer of them. What few bits can keep at most is in bit_limit.py. What was measured stays in
build/bench/results/ideas-*.json; delete a file to measure it again.
Needs torch and the lists of packages that the texts were made from. One thread.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.engine.threads import limit

limit(1)

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402

from benchmarks.engine.build import Failed, ensure_built, index_folder  # noqa: E402
from benchmarks.engine.ideas import bit_limit, budgets, early_exit, lemur  # noqa: E402
from benchmarks.engine.ideas.candidates import DEPTHS, Finder, by_vectors, measure, pooled  # noqa: E402
from benchmarks.engine.sets import FOLDER, SOURCES, load, load_queries  # noqa: E402
from benchmarks.engine.table import table  # noqa: E402
from benchmarks.report import machine, write_section  # noqa: E402
from bowerbird.embeddings import MultiVector  # noqa: E402
from bowerbird.index.fde import FDEConfig  # noqa: E402
from bowerbird.index.multivector import MultiVectorIndex  # noqa: E402
from bowerbird.index.two_stage import Encoding  # noqa: E402

SET = "s20"
SHORT, LONGEST = "s20, first 12 tokens", 12
EXITS = ("s20", SHORT, "pages")
COUNTS = (8192, 32_768)
"""Centroids: what the index takes for so many tokens, and as many as TACHIOM's rule needs."""
WIDTHS = (512, 2048)
MINUTES = 30
"""That building an index may take."""

Json = dict[str, Any]


def candidates(folder: Path, seconds: float, say: Callable[[str], None]) -> Json:
    """seconds: that a network may learn."""
    given = load(SET, folder)
    documents = MultiVector(np.asarray(given.vectors), np.asarray(given.offsets, np.int64))
    entries, agree = budgets.vocabulary_entries(given)
    say(f"vocabulary entries of tokens: {agree:.2%} of the documents have as many as the set")
    finders = budgets.finders(given, entries, COUNTS)
    say("centroids are learned")
    finders.append(by_vectors("mean pooling", f"{documents.dim}", *_timed(lambda: pooled(documents)), pooled))
    finders += [_fde(documents, config) for config in (FDEConfig(128), FDEConfig(128, simhash=5, projection=16))]
    sizes = lemur.Sizes(seconds=seconds)
    finders += lemur.finders(documents, documents.vectors, WIDTHS, sizes, source="tokens of documents", untrained=True)
    say("LEMUR has learned from documents")
    others = np.concatenate(load_queries(SOURCES[SET].base, folder)[len(given.queries) :])
    finders += lemur.finders(documents, others, WIDTHS[:1], sizes, source="tokens of other queries")
    rows = [
        {
            "idea": found.finder.idea,
            "setting": found.finder.setting,
            "recalls": found.recalls,
            "ms": found.ms,
            "build_s": found.finder.build_s,
        }
        for found in measure(finders, given)
    ]
    return {"items": given.items, "queries": len(given.queries), "agree": agree, "rows": rows}


def _fde(documents: MultiVector, config: FDEConfig) -> Finder:
    """Without fill and about the middle of all tokens, which finds more here."""
    middle = documents.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    encoding = Encoding(
        FDEConfig(config.dim, config.repetitions, config.simhash, config.projection, fill=False), middle
    )
    built = _timed(lambda: np.asarray(encoding.documents(documents).vectors, np.float32))
    return by_vectors("FDE", f"{config.width:,}", *built, lambda query: encoding.queries(query).vectors)


def _timed(make: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    made = make()
    return time.process_time() - started, made


def bits(folder: Path) -> Json:
    given = load(SET, folder)
    return {"rows": [asdict(row) for row in bit_limit.compare(given, _index(SET, folder)._model.centroids)]}


def exits(folder: Path, name: str) -> Json:
    if name == SHORT:
        given = early_exit.shortened(load(SET, folder), LONGEST)
        tokens = MultiVector(given.vectors, given.offsets)
        index = MultiVectorIndex.build(np.arange(given.items), tokens, strategy="pass", threads=1)
    else:
        given = load(name, folder)
        index = _index(name, folder)
    return {"rows": [asdict(row) for row in early_exit.compare(index, given)]}


def _index(name: str, folder: Path) -> MultiVectorIndex:
    built = ensure_built(name, "bowerbird", folder, MINUTES)
    if isinstance(built, Failed):
        raise SystemExit(built.reason)
    return MultiVectorIndex.open(index_folder(name, "bowerbird", folder))


def markdown(found: Json, exited: dict[str, Json], limits: Json) -> str:
    head = ["candidates by", "", *(f"{depth:,}" for depth in DEPTHS), "ms", "build s"]
    rows = [_candidate(one) for one in found["rows"]]
    text = (
        f"{machine()}. Share of the ten best documents by exact MaxSim among the first 50 … 1,600 of "
        f"{found['items']:,} (set {SET}, {found['queries']} queries); processor milliseconds to score every document, "
        "which is a full pass over centroids' codes or int8 vectors, on one thread; processor seconds to learn and "
        f"encode. The vocabulary entries of tokens agree with the set for {found['agree']:.2%} of the documents.\n\n"
    )
    return "\n".join((text + table(head, rows), _exits(exited), _limits(limits)))


def _candidate(one: Json) -> list[str]:
    shares = [f"{share:.3f}" for share in one["recalls"]]
    return [one["idea"], one["setting"], *shares, f"{one['ms']:.2f}", f"{one['build_s']:,.0f}"]


def _exits(exited: dict[str, Json]) -> str:
    head = ["set", "candidates", "recall", "how many", "ms", "×", "calibrated: recall", "how many", "ms", "×"]
    rows = []
    for name, found in exited.items():
        fixed = {row["level"]: row for row in found["rows"] if row["rule"] == "fixed"}
        for row in found["rows"]:
            base = fixed[row["level"]]
            cells = [cell for kind in ("equal", "calibrated") for cell in _point(row[kind], base[kind])]
            cells[0] = str(row["level"])
            rows.append([name, row["rule"], *cells])
    return (
        "Early exit: how many candidates are scored, and milliseconds of a search, where true hits are among the "
        "candidates at that recall; then with the setting that questions made of documents call for at that recall, "
        "on real queries. × is the time beside a fixed number. Cells are empty where no setting reaches the recall, or "
        f"all exceed it.\n\n{table(head, rows)}"
    )


def _limits(found: Json) -> str:
    rows = [[one["code"], f"{one['bits']:g}", f"{one['error']:.3f}", f"{one['recall']:.3f}"] for one in found["rows"]]
    return (
        "What bits can keep: the hundred best of a query ordered by tokens as a code gives them back, a code at the "
        "rate–distortion bound of Gaussian residuals, which none surpasses for such, and ours; bits per dimension of "
        "the residual with its scale, share of its energy that is lost, recall of the ten best by exact MaxSim.\n\n"
        + table(["code", "bits", "lost", "recall"], rows)
    )


def _point(point: Json | None, base: Json | None) -> list[str]:
    if point is None:
        return ["", "", "", ""]
    times = f"{point['ms'] / base['ms']:.2f}" if base else ""
    return [f"{point['recall']:.3f}", f"{point['candidates']:,.0f}", f"{point['ms']:.2f}", times]


def _kept(path: Path, make: Callable[[], Json]) -> Json:
    """What was measured before, or now."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(make(), indent=1))
    found: Json = json.loads(path.read_text())
    return found


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seconds", type=float, default=60, help="processor time that a network may learn")
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="replace the section of ideas there")
    wanted = parser.parse_args()
    results, console = wanted.folder / "results", Console(stderr=True, highlight=False)
    exited = {}
    for name in EXITS:
        console.print(f"early exit on {name}")
        exited[name] = _kept(results / f"ideas-exit-{_slug(name)}.json", lambda name=name: exits(wanted.folder, name))
    console.print("candidates")
    found = _kept(results / "ideas-candidates.json", lambda: candidates(wanted.folder, wanted.seconds, console.print))
    console.print("what few bits can keep")
    limits = _kept(results / "ideas-bits.json", lambda: bits(wanted.folder))
    text = markdown(found, exited, limits)
    print(text)
    if wanted.write:
        write_section(wanted.write, "ideas", text)


if __name__ == "__main__":
    main()

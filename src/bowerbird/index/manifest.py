"""The manifest of an index: which files it is made of. Replacing it is what makes a change."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from bowerbird.errors import CollectionError
from bowerbird.storage.files import write_atomically

MANIFEST = "manifest.json"
FORMAT = 2
PACK = r"[0-9a-f]{32}\.pack"
"""Names of packs, as a regular expression."""

Head = Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """segments: per segment its file and that of its mask. head: what the kind of index keeps about itself."""

    kind: str
    head: Head = field(default_factory=dict)
    segments: tuple[tuple[str, str], ...] = ()
    version: int = 0

    @staticmethod
    def read(folder: Path, kind: str) -> Manifest:
        """Raises CollectionError if it is missing, damaged, or of another kind or format."""
        try:
            found = json.loads((folder / MANIFEST).read_text("utf8"))
            digest, known = found.pop("digest"), (found["format"], found["kind"])
            segments = tuple((str(name), str(mask)) for name, mask in found["segments"])
            manifest = Manifest(str(found["kind"]), dict(found["head"]), segments, int(found["version"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CollectionError(f"{folder / MANIFEST} cannot be read ({error}); build the index again") from error
        named = [name for files in segments for name in files if name]
        if digest != _digest(found) or not all(re.fullmatch(PACK, name) for name in named):
            raise CollectionError(f"{folder / MANIFEST} is damaged; build the index again")
        if known != (FORMAT, kind):
            raise CollectionError(
                f"{folder} has a {known[1]} index of format {known[0]}, not a {kind} index of format {FORMAT}; "
                f"build the index again"
            )
        return manifest

    def write(self, folder: Path) -> None:
        write_atomically(folder / MANIFEST, json.dumps({**self._whole, "digest": self.digest}).encode())

    def file(self, part: str) -> str:
        """What a part of the head names. Raises ValueError unless it is a pack in the folder of the index."""
        name = self.head[part]
        if not re.fullmatch(PACK, name):
            raise ValueError(f"{part} names no pack of the index: {name!r}")
        return str(name)

    @property
    def files(self) -> set[str]:
        """All packs that it names."""
        named = (*self.head.values(), *(name for files in self.segments for name in files))
        return {name for name in named if isinstance(name, str) and re.fullmatch(PACK, name)}

    @property
    def digest(self) -> str:
        return _digest(self._whole)

    @property
    def _whole(self) -> dict[str, Any]:
        # not asdict, which copies the long lists of a calibration with every change
        kept = {"kind": self.kind, "head": self.head, "segments": self.segments, "version": self.version}
        return {"format": FORMAT, **kept}


def named_in(folder: Path) -> set[str]:
    """The packs that a manifest names, whatever kind of index it is of or how damaged; none without a manifest."""
    try:
        return set(re.findall(PACK, (folder / MANIFEST).read_text("utf8", errors="replace")))
    except FileNotFoundError:
        return set()


def _digest(whole: Mapping[str, Any]) -> str:
    return blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=16).hexdigest()

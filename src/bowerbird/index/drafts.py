"""Files that no manifest names: those of a change that is not done yet, and what failures and crashes leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bowerbird.index.manifest import MANIFEST, PACK, named_in
from bowerbird.storage.packs import write_pack

OURS = re.compile(rf"{PACK}|({PACK}|{re.escape(MANIFEST)})(\.[\d-]+)?\.partial")
"""Names that an index gives to files which it may delete; others in its folder are the user's."""


@dataclass(frozen=True)
class Draft:
    """The packs that one change has added to a folder, None for an index in memory, which writes none."""

    folder: Path | None
    names: set[str] = field(default_factory=set)

    def write(self, arrays: Mapping[str, NDArray[Any]]) -> str:
        """The name of a new pack."""
        assert self.folder is not None, "only indexes with a folder have files"
        before = {path.name for path in self.folder.glob("*.pack")}
        name = write_pack(self.folder, arrays)
        self.names.update({name} - before)  # the same arrays may have been there, as of an index that can be repaired
        return name


@contextmanager
def draft(folder: Path | None) -> Iterator[Draft]:
    """The files of a change that the manifest names at its end; gone if it fails: on a full disk they would keep the
    room that others need."""
    new = Draft(folder)
    try:
        yield new
    except BaseException:
        if folder is not None:
            with suppress(OSError):
                for name in new.names - named_in(folder):
                    (folder / name).unlink(missing_ok=True)
        raise


def tidy(folder: Path | None) -> None:
    """Delete files that crashes left, or an index before this one. Searches keep what they have mapped (POSIX)."""
    if folder is not None:
        named = named_in(folder)
        for path in folder.iterdir():
            if OURS.fullmatch(path.name) and path.name not in named:
                path.unlink(missing_ok=True)

"""Packs that a process has mapped, and what it has read of them: shared by all views of one collection."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.batch import Tokens
from bowerbird.index.kernels import Blocks
from bowerbird.storage.files import stamp
from bowerbird.storage.packs import Pack

Places = list[tuple[str, int]]
"""Packs and places in them."""
TokenSample = tuple[Blocks, NDArray[np.int64]]


class OpenPack:
    """A pack, and the tokens of its fields; what was checked once stays checked."""

    def __init__(self, path: Path) -> None:
        self.pack = Pack(path)
        self.file = stamp(path)
        self._tokens: dict[str, Tokens] = {}

    def tokens(self, field: str) -> Tokens:
        if field not in self._tokens:
            self._tokens[field] = Tokens(self.pack, field)
        return self._tokens[field]


class OpenPacks:
    """Raises CollectionError for packs that are missing or damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, OpenPack] = {}
        self.samples: dict[tuple[str, int], tuple[Places, TokenSample]] = {}
        """Per field and size: where the sample lies, and the sample."""

    def __getitem__(self, name: str) -> OpenPack:
        path, found = self._folder / name, self._open.get(name)
        if found is None or found.file != stamp(path):  # a repair puts a whole file in a damaged one's place
            found = self._open[name] = OpenPack(path)
        return found

    def keep(self, names: Iterable[str]) -> None:
        """Close all others."""
        kept = set(names)
        self._open = {name: pack for name, pack in list(self._open.items()) if name in kept}

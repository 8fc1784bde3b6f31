"""Token vectors where they are stored: in the packs of some rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.batch import Tokens
from bowerbird.collection.open_packs import OpenPack
from bowerbird.index import kernels
from bowerbird.index.kernels import Query

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class StoredTokens:
    """n rows. names: of packs; pack: per row the number of its pack; place: where in it, -1 for rows without tokens.

    Everything raises CollectionError if what it reads is damaged.
    """

    field: str
    open_pack: Callable[[str], OpenPack]
    names: Sequence[str]
    pack: NDArray[np.integer]
    place: NDArray[np.int32]

    @cached_property
    def _open(self) -> dict[int, Tokens]:
        return {}

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every row."""
        found = np.zeros(len(self.place), np.int64)
        for held, rows, places in self._packs(None):
            found[rows] = np.diff(held.offsets)[places]
        return found

    def vectors(self, row: int) -> NDArray[np.float32]:
        """Of one row that has tokens, m × dim, filled up with zeros to a multiple of 4."""
        held = self._held(int(self.pack[row]))
        return held.read(int(self.place[row]), held.blocks.dim)

    def values(self, start: int, end: int) -> NDArray[np.int8]:
        """Of rows start … end - 1, which have tokens, one after the other."""
        return np.concatenate([self._values(row) for row in range(start, end)])

    def _values(self, row: int) -> NDArray[np.int8]:
        held, place = self._held(int(self.pack[row])), int(self.place[row])
        held.check(np.array([place], np.int32))
        return held.blocks.rows(int(held.offsets[place]), int(held.offsets[place + 1]))

    def maxsim(self, query: Query, rows: NDArray[np.int32] | None = None) -> NDArray[np.float32]:
        """Sum over the query's tokens of the best token of a row; -inf for rows without tokens."""
        scores = np.full(len(self.place) if rows is None else len(rows), -np.inf, np.float32)
        for held, mine, places in self._packs(rows):
            held.check(places)
            scores[mine] = kernels.use().maxsim(query, held.blocks, held.offsets, places)
        return scores

    def _packs(self, rows: NDArray[np.int32] | None) -> Iterator[tuple[Tokens, Rows, NDArray[np.int32]]]:
        """Per pack its tokens, which of the rows lie in it, and where."""
        place = self.place if rows is None else self.place[rows]
        pack = np.where(place >= 0, self.pack if rows is None else self.pack[rows], -1)
        order = np.argsort(pack, kind="stable")
        for mine in np.split(order, np.flatnonzero(np.diff(pack[order])) + 1):
            if len(mine) and pack[mine[0]] >= 0:
                yield self._held(int(pack[mine[0]])), mine, np.ascontiguousarray(place[mine])

    def _held(self, pack: int) -> Tokens:
        if pack not in self._open:
            self._open[pack] = self.open_pack(self.names[pack]).tokens(self.field)
        return self._open[pack]

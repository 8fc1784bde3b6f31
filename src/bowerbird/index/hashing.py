"""Multi-index hashing: exact nearest codes without looking at all of them (Norouzi, Punjani, Fleet 2012).

A code is cut into m chunks of 16 bits, each with a table of the codes by that chunk. Codes that differ from a query in
fewer than m (r + 1) bits have a chunk that differs in at most r bits, so looking up all such chunks finds all of them.
The radius grows until the k-th best is within what is known to be complete; where that would touch too many codes, as
it does when neighbours are far, the answer is left to the scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.index.kernels import BitGroups

CHUNKS = 1 << 16
"""Values of a chunk."""
RADIUS = 2
"""The most bits of a chunk that are turned: 1 + 16 + 120 look-ups per chunk."""
SHARE, LEAST = 1024, 1000
"""Look-ups may touch one code in so many, or so many codes: reading them here and there then takes less than a scan."""

Rows = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class HashTables:
    """rows: m × n int32, rows by the value of a chunk. bounds: m × 65537 int64, where the rows of a value begin."""

    rows: NDArray[np.int32]
    bounds: NDArray[np.int64]

    @staticmethod
    def of(codes: NDArray[np.uint8]) -> HashTables:
        """n × bytes codes, an even number of bytes."""
        chunks = np.ascontiguousarray(codes).view(np.uint16).T
        rows = np.stack([np.argsort(chunk, kind="stable").astype(np.int32) for chunk in chunks])
        counts = np.stack([np.bincount(chunk, minlength=CHUNKS) for chunk in chunks])
        return HashTables(rows, np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0))))

    def arrays(self) -> Arrays:
        return {"hash_rows": self.rows, "hash_bounds": self.bounds}

    @staticmethod
    def among(arrays: Mapping[str, NDArray[Any]]) -> HashTables | None:
        return HashTables(arrays["hash_rows"], arrays["hash_bounds"]) if "hash_rows" in arrays else None

    def nearest(
        self, query: NDArray[np.uint8], codes: BitGroups, k: int, usable: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int32], Rows] | None:
        """Distances and rows of the k nearest usable codes, lower rows first among equals; None: scan instead."""
        found, distances = np.zeros(0, np.int64), np.zeros(0, np.int32)
        chunks = np.ascontiguousarray(query).view(np.uint16).astype(np.int64)
        most = max(codes.count // SHARE, LEAST)
        for radius in range(RADIUS + 1):
            fresh = self._with_chunks(chunks, radius, most - len(found))
            if fresh is None:
                return None
            found = np.union1d(found, fresh if usable is None else fresh[usable[fresh]])
            distances = self._distances(query, codes, found)
            complete = len(chunks) * (radius + 1)
            if (distances < complete).sum() >= k:
                best = np.argsort(distances, kind="stable")[:k]
                return distances[best], found[best]
        return None

    def _with_chunks(self, chunks: Rows, radius: int, most: int) -> Rows | None:
        """Rows with a chunk that differs in `radius` bits from the query's; None if there are more than `most`."""
        values = chunks[:, None] ^ TURNS[radius]
        table = np.arange(len(chunks))[:, None]
        starts, ends = self.bounds[table, values], self.bounds[table, values + 1]
        if (ends - starts).sum() > most:
            return None
        spans = [
            self.rows[chunk, start:end]
            for chunk, number in np.argwhere(ends > starts)
            for start, end in [(starts[chunk, number], ends[chunk, number])]
        ]
        return np.concatenate([np.zeros(0, np.int64), *spans])

    @staticmethod
    def _distances(query: NDArray[np.uint8], codes: BitGroups, rows: Rows) -> NDArray[np.int32]:
        asked = BitGroups.of(query[None]).rows(np.zeros(1, np.int64))
        apart: NDArray[np.int32] = np.bitwise_count(codes.rows(rows) ^ asked).sum(axis=1, dtype=np.int32)
        return apart


def _turns(radius: int) -> Rows:
    """All 16-bit numbers with that many ones."""
    return np.array([sum(1 << bit for bit in bits) for bits in combinations(range(16), radius)], np.int64)


TURNS = [_turns(radius) for radius in range(RADIUS + 1)]

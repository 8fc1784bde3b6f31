"""Exact nearest neighbours by inner product over a memory-mapped matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats
from bowerbird.index.top import top_k

BLOCK_ROWS = 65_536
"""Rows whose scores are ranked at a time."""
TILE_ROWS = 2048
"""Rows that are widened to float32 at a time: 3 MB at 384 dimensions stay in the processor's cache."""

BATCH = 256
"""Queries that are scored at a time: their scores for a block take 64 MB."""


@dataclass(frozen=True)
class FlatIndex:
    """vectors: n × dim float16 or float32, may be a memory map. rows: the collection's row of every vector."""

    vectors: Floats
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def search(
        self, queries: Dense, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """n queries → n × k rows of the collection (-1 pads) and inner products, best first.

        allowed: a mask over the collection's rows.
        """
        if len(queries) > BATCH:
            parts = [
                self.search(Dense(queries.vectors[at : at + BATCH]), k, allowed) for at in range(0, len(queries), BATCH)
            ]
            return np.concatenate([rows for rows, _ in parts]), np.concatenate([scores for _, scores in parts])
        usable = np.arange(len(self.rows)) if allowed is None else np.flatnonzero(allowed[self.rows])
        wanted = min(k, len(usable))
        best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
        for start in range(0, len(usable), BLOCK_ROWS):
            block = usable[start : start + BLOCK_ROWS]
            scores = self._score(queries.vectors, block)
            for number, reached in enumerate(scores):
                top = top_k(reached, wanted)
                best[number] = merge(best[number], (block[top], reached[top]), wanted)
        rows = np.full((len(queries), k), -1, np.int64)
        found = np.zeros((len(queries), k), np.float32)
        for number, (places, reached) in enumerate(best):
            rows[number, : len(places)] = self.rows[places]
            found[number, : len(places)] = reached
        return rows, found

    def _score(self, queries: Floats, block: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inner products of all queries with the vectors at some ascending places, a tile at a time."""
        queries = queries.astype(np.float32, copy=False)
        scores = np.empty((len(queries), len(block)), np.float32)
        for start in range(0, len(block), TILE_ROWS):
            tile = block[start : start + TILE_ROWS]
            contiguous = len(tile) == tile[-1] - tile[0] + 1
            part = self.vectors[tile[0] : tile[-1] + 1] if contiguous else self.vectors[tile]
            np.matmul(queries, part.astype(np.float32, copy=False).T, out=scores[:, start : start + len(tile)])
        return scores


Hits = tuple[NDArray[np.int64], NDArray[np.float32]]


def merge(first: Hits, second: Hits, k: int) -> Hits:
    """The best k of two lists of hits; the first list wins ties."""
    places, scores = np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
    top = top_k(scores, k)
    return places[top], scores[top]

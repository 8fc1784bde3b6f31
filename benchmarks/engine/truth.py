"""The true best hundred items of a set for its first queries, by an exact pass in float32."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from benchmarks.engine.arrays import Floats, Offsets, best, offsets_of
from benchmarks.engine.sets import SOURCES, load_items, load_queries

QUERIES = 200
DEPTH = 100
BLOCK = 20_000
"""Vectors per product of matrices."""


def make_truth(folder: Path, base: str) -> None:
    """For the whole set and for the parts of it that are sets themselves."""
    parts = [source for source in SOURCES.values() if source.base == base]
    if all(source.truth(folder).exists() for source in parts):
        return
    vectors, offsets = load_items(base, folder)
    scores = maxsim(vectors, offsets, load_queries(base, folder)[:QUERIES])
    for source in parts:
        found = [best(row[: source.items], DEPTH) for row in scores]
        np.save(source.truth(folder), np.stack(found).astype(np.int32))


def maxsim(vectors: Floats, offsets: Offsets, queries: Sequence[Floats]) -> NDArray[np.float32]:
    """Queries × items: the sum over query vectors of the greatest inner product with an item's vectors."""
    tokens = np.concatenate(queries).T.copy()
    starts = offsets_of([len(query) for query in queries])[:-1]
    scores = np.empty((len(queries), len(offsets) - 1), np.float32)
    firsts = np.unique(np.searchsorted(offsets, np.arange(0, offsets[-1], BLOCK), "right") - 1)
    for first, last in track(list(pairwise([*firsts, len(offsets) - 1])), description="exact scores"):
        bounds = offsets[first : last + 1]
        similar = vectors[bounds[0] : bounds[-1]].astype(np.float32) @ tokens
        greatest = np.maximum.reduceat(similar, bounds[:-1] - bounds[0], axis=0)
        scores[:, first:last] = np.add.reduceat(greatest, starts, axis=1).T
    return scores

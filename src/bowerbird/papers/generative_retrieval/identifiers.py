"""Names that a model can write for documents: short strings of digits, all of one length (arXiv 2305.11841, 3.2).

    atomic     a symbol of its own for every document: one step, as many symbols as documents
    naive      an arbitrary number in decimal digits
    semantic   the path through a hierarchical k-means of the documents' vectors, then a place in the leaf; documents
               with a common beginning are alike

Strings that are shorter than others end in END.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BASE = 10
"""Children of a cluster, documents of a leaf, and digits."""
END = BASE
TURNS = 10
"""Of k-means."""

Digits = NDArray[np.int64]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Identifiers:
    """digits: n × length, each below `symbols`; no row comes twice."""

    digits: Digits
    symbols: int

    def __len__(self) -> int:
        return len(self.digits)

    @property
    def length(self) -> int:
        return int(self.digits.shape[1])


def atomic(vectors: Singles, rng: np.random.Generator) -> Identifiers:
    return Identifiers(np.arange(len(vectors))[:, None], len(vectors))


def naive(vectors: Singles, rng: np.random.Generator) -> Identifiers:
    numbers = rng.permutation(len(vectors))
    length = len(str(max(len(vectors) - 1, 0)))
    return Identifiers(numbers[:, None] // BASE ** np.arange(length)[::-1] % BASE, BASE)


def semantic(vectors: Singles, rng: np.random.Generator) -> Identifiers:
    """Vectors n × dim, compared by direction."""
    scaled = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    paths: list[tuple[int, ...]] = [()] * len(vectors)
    waiting = [((), np.arange(len(vectors)))]  # type: list[tuple[tuple[int, ...], Digits]]
    while waiting:
        path, rows = waiting.pop()
        if len(rows) <= BASE:
            for place, row in enumerate(rows):
                paths[row] = (*path, place)
            continue
        labels = _clusters(scaled[rows], rng)
        waiting += [((*path, label), rows[labels == label]) for label in range(BASE) if (labels == label).any()]
    length = max(map(len, paths), default=1)
    digits = np.full((len(paths), length), END, np.int64)
    for row, path in enumerate(paths):
        digits[row, : len(path)] = path
    return Identifiers(digits, BASE + 1)


SCHEMES: Mapping[str, Callable[[Singles, np.random.Generator], Identifiers]] = {
    "atomic": atomic,
    "naive": naive,
    "semantic": semantic,
}


def _clusters(vectors: Singles, rng: np.random.Generator) -> Digits:
    """BASE labels by k-means; equal vectors, which it cannot part, are dealt out in turn."""
    centres = vectors[rng.permutation(len(vectors))[:BASE]]
    labels = np.zeros(len(vectors), np.int64)
    for _ in range(TURNS):
        labels = (vectors @ centres.T - (centres * centres).sum(axis=1) / 2).argmax(axis=1)
        sizes = np.bincount(labels, minlength=BASE)
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, vectors)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres).astype(np.float32)
    return np.arange(len(vectors)) % BASE if labels.min() == labels.max() else labels

"""Small operations on vectors that several parts of the benchmark need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Offsets: TypeAlias = NDArray[np.int64]
Ids: TypeAlias = NDArray[np.integer[Any]]


def unit(vectors: Floats) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return scaled


def offsets_of(lengths: Sequence[int] | NDArray[np.int64]) -> Offsets:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def best(scores: Floats, k: int) -> Ids:
    """Positions of the k greatest, best first."""
    k = min(k, len(scores))
    found = np.argpartition(-scores, k - 1)[:k]
    return found[np.argsort(-scores[found], kind="stable")]

"""What every index can do: `bowerbird.index` has one per kind of embedding, all of this shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Binary, Dense, MultiVector

Vectors = TypeVar("Vectors", Dense, MultiVector, Binary, contravariant=True)


@dataclass(frozen=True, slots=True)
class Found:
    """keys: q × k int64, -1 where there are fewer hits. scores: q × k float32, higher is better. Best first."""

    keys: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IndexStats:
    """bytes: of everything that a search may touch. detail: what the kind of index has to say about itself."""

    kind: str
    count: int
    dim: int
    bytes: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class Index(Protocol[Vectors]):
    """Keys are whole numbers from 0 that the caller chooses; adding a key that is there replaces it."""

    def __len__(self) -> int: ...

    def add(self, keys: NDArray[np.int64], vectors: Vectors) -> None:
        """Durable, and found by searches that begin later, when this returns."""

    def remove(self, keys: NDArray[np.int64]) -> int:
        """How many of the keys there were."""

    def search(
        self, queries: Vectors, k: int, *, allowed: NDArray[np.bool_] | None = None, recall: float = 0.95
    ) -> Found:
        """allowed: a mask over keys. There are k hits wherever k keys are allowed. recall: what to aim at."""

    def stats(self) -> IndexStats: ...

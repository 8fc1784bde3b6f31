"""Vectors as encoders give them and indexes take them: dense, one set per item, sparse, binary.

Row i of every container belongs to item or query i of the batch it was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Dense:
    """One vector per row: n × dim, float32 or float16."""

    vectors: Floats

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2:
            raise ValueError(f"Dense takes an n × dim array, got shape {self.vectors.shape}")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    def normalized(self) -> Dense:
        """Rows scaled to unit length; zero rows stay zero."""
        norms = np.linalg.norm(self.vectors.astype(np.float32), axis=1, keepdims=True)
        return Dense(self.vectors / np.maximum(norms, 1e-12))

    @staticmethod
    def concat(batches: Sequence[Dense]) -> Dense:
        return Dense(np.concatenate([batch.vectors for batch in batches]))


@dataclass(frozen=True, slots=True)
class MultiVector:
    """A ragged batch of vector sets: set i is `vectors[offsets[i]:offsets[i + 1]]`, m_i × dim."""

    vectors: Floats
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.offsets.ndim != 1 or self.offsets[-1] != len(self.vectors):
            raise ValueError(
                f"MultiVector takes sum(m) × dim vectors and n + 1 offsets that end at sum(m), "
                f"got {self.vectors.shape} and {self.offsets.shape}"
            )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Floats:
        return self.vectors[self.offsets[row] : self.offsets[row + 1]]

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    @staticmethod
    def of(sets: Sequence[Floats]) -> MultiVector:
        """From a list of m_i × dim arrays; at least one set is needed to know dim."""
        lengths = [len(vectors) for vectors in sets]
        return MultiVector(np.concatenate(list(sets)), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @staticmethod
    def concat(batches: Sequence[MultiVector]) -> MultiVector:
        lengths = np.concatenate([batch.lengths for batch in batches])
        vectors = np.concatenate([batch.vectors for batch in batches])
        return MultiVector(vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Sparse:
    """Weighted terms per row in CSR form: row i has terms[offsets[i]:offsets[i + 1]]. A term is a 64-bit hash."""

    terms: NDArray[np.uint64]
    weights: NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Binary:
    """One packed bit code per row: n × bytes, uint8, most significant bit first."""

    codes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def bits(self) -> int:
        return int(self.codes.shape[1]) * 8


@dataclass(frozen=True, slots=True)
class Embedding:
    """What one pass of an encoder gives for a batch: a vector per row, a set of vectors per row, or both."""

    dense: Dense | None = None
    tokens: MultiVector | None = None

    def __len__(self) -> int:
        present = self.dense if self.dense is not None else self.tokens
        return 0 if present is None else len(present)

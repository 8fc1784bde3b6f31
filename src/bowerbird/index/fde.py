"""Fixed dimensional encodings: one vector per set of token vectors (MUVERA, arXiv 2405.19504, section 2).

Space is cut into cells by hyperplanes, several times over. A query's encoding holds the sum of its tokens in every
cell, a document's the mean, so that their inner product approximates the Chamfer similarity Σ_q max_p <q, p>, times
the number of repetitions. Ordinary indexes then find candidates for late interaction.

Random numbers are made here from a generator's raw bits: numpy keeps those the same in all versions, but not how it
draws normal numbers from them (NEP 19). An encoding can differ between machines where a token lies on a hyperplane to
within rounding, as matrix products round differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.random import Philox, SeedSequence
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats, MultiVector
from bowerbird.index import kernels

TOKENS = 1024
"""Tokens that are encoded at a time: their projections stay in the processor's cache."""
NUMBERS = 1 << 24
"""Numbers of encodings that are made at a time: 64 MB."""

Singles = NDArray[np.float32]
Cells = NDArray[np.int32]


@dataclass(frozen=True)
class FDEConfig:
    """What has to be kept with an index, as queries and documents must be encoded alike.

    dim: of a token. simhash: hyperplanes per repetition, for 2 ** simhash cells (k_sim). projection: dimensions of a
    token in a cell, all if None (d_proj). fill: empty cells of a document take its nearest token, as in the paper;
    on the tokens of a contextual text encoder this costs recall (python -m benchmarks.fde). final_dim: of the encoding,
    after a count sketch; all if None.
    """

    dim: int
    repetitions: int = 20
    simhash: int = 4
    projection: int | None = 8
    fill: bool = True
    final_dim: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        sizes = (self.dim, self.repetitions, self.projection or 1, self.final_dim or 1)
        if min(sizes) < 1 or not 0 <= self.simhash <= 16:
            raise ValueError(f"encodings have positive sizes and at most 16 hyperplanes, got {self}")

    @property
    def cell_shape(self) -> tuple[int, int, int]:
        """Repetitions × cells × numbers in a cell."""
        return self.repetitions, 1 << self.simhash, self.projection or self.dim

    @property
    def width(self) -> int:
        """Numbers in an encoding (d_FDE)."""
        return self.final_dim or prod(self.cell_shape)


@dataclass(frozen=True)
class FDE:
    """The encoder that a configuration stands for."""

    config: FDEConfig

    def encode_documents(self, tokens: MultiVector) -> Dense:
        """n ragged sets (m_i × dim) → n × width float32: means, empty cells as the configuration says."""
        means, fill = kernels.use().cell_means, self.config.fill
        return self._encode(tokens, lambda cells, vectors, offsets, out: means(cells, vectors, offsets, fill, out))

    def encode_queries(self, tokens: MultiVector) -> Dense:
        """n ragged sets (m_i × dim) → n × width float32: sums, empty cells stay zero."""
        return self._encode(tokens, kernels.use().cell_sums)

    def _encode(
        self, tokens: MultiVector, aggregate: Callable[[Cells, Singles, NDArray[np.int64], Singles], None]
    ) -> Dense:
        if tokens.dim != self.config.dim:
            raise ValueError(f"token vectors have {tokens.dim} dimensions, the encoding takes {self.config.dim}")
        encoded = np.empty((len(tokens), self.config.width), np.float32)
        for start, end in self._runs(tokens.offsets):
            offsets = tokens.offsets[start : end + 1]
            some = np.ascontiguousarray(tokens.vectors[offsets[0] : offsets[-1]], np.float32)
            cells = np.empty((end - start, *self.config.cell_shape), np.float32)
            aggregate(self._cells(some), self._projected(some), offsets - offsets[0], cells)
            encoded[start:end] = self._final(cells.reshape(end - start, -1))
        return Dense(encoded)

    def _runs(self, offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Sets start … end - 1 that are encoded together; at least one."""
        start, most = 0, max(NUMBERS // prod(self.config.cell_shape), 1)
        while start < len(offsets) - 1:
            end = int(np.searchsorted(offsets, offsets[start] + TOKENS, "right")) - 1
            end = min(max(end, start + 1), start + most)
            yield start, end
            start = end

    def _cells(self, tokens: Singles) -> Cells:
        """The cell of every token (t × dim) in every repetition, t × R: bit j says on which side of hyperplane j."""
        sides = (tokens @ self._hyperplanes > 0).reshape(len(tokens), self.config.simhash, self.config.repetitions)
        cells = np.zeros((len(tokens), self.config.repetitions), np.int32)
        for j in range(self.config.simhash):
            cells |= sides[:, j].astype(np.int32) << j
        return cells

    def _projected(self, tokens: Singles) -> Singles:
        """t × dim → t × R × projection, or t × 1 × dim without one."""
        if self.config.projection is None:
            return tokens[:, None, :]
        return (tokens @ self._projections).reshape(len(tokens), self.config.repetitions, self.config.projection)

    def _final(self, whole: Singles) -> Singles:
        """Count sketch: every number is added, with its sign, to one of final_dim. As it is without final_dim."""
        if self.config.final_dim is None:
            return whole
        order, starts, buckets, turned = self._buckets
        sketched = np.zeros((len(whole), self.config.final_dim), np.float32)
        sketched[:, buckets] = np.add.reduceat(whole[:, order] * turned, starts, axis=1)
        return sketched

    @cached_property
    def _hyperplanes(self) -> Singles:
        """Their normals, dim × simhash R: first the first of every repetition."""
        drawn = normals(self._stream(0), self.config.repetitions * self.config.simhash * self.config.dim)
        by_repetition = drawn.reshape(self.config.repetitions, self.config.simhash, self.config.dim)
        return _columns(by_repetition.transpose(1, 0, 2))

    @cached_property
    def _projections(self) -> Singles:
        """±1 / √projection, dim × R projection; no matrix where tokens stay as they are."""
        size = self.config.projection or 1
        drawn = signs(self._stream(1), self.config.repetitions * size * self.config.dim)
        return _columns(drawn.reshape(self.config.repetitions, size, self.config.dim)) / np.float32(np.sqrt(size))

    @cached_property
    def _buckets(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Singles]:
        """Numbers by bucket, where every bucket begins, which buckets those are, and the sign of every number."""
        count = prod(self.config.cell_shape)
        bucket = (self._stream(2).random_raw(count) % np.uint64(self.config.width)).astype(np.int64)
        order = np.argsort(bucket, kind="stable")
        buckets, starts = np.unique(bucket[order], return_index=True)
        return order, starts, buckets, signs(self._stream(3), count)[order]

    def _stream(self, number: int) -> Philox:
        return Philox(SeedSequence(self.config.seed).spawn(4)[number])


def _columns(rows: Singles) -> Singles:
    """a × b × dim → dim × a b."""
    return np.ascontiguousarray(rows.reshape(rows.shape[0] * rows.shape[1], rows.shape[2]).T)


def normals(stream: Philox, count: int) -> Singles:
    """Normal numbers from raw bits (Box and Muller 1958); a longer draw begins with the shorter one."""
    raw = np.asarray(stream.random_raw(2 * count)).reshape(count, 2)
    first, second = ((raw >> np.uint64(11)).astype(np.float64).T + 0.5) / 2**53
    drawn: Singles = (np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second)).astype(np.float32)
    return drawn


def signs(stream: Philox, count: int) -> Singles:
    """±1 from raw bits, the lowest of every number."""
    drawn = (np.asarray(stream.random_raw(count)) & np.uint64(1)).astype(np.float32)
    return 2 * drawn - 1


def carve(tokens: Floats, tau: float = 0.7) -> Singles:
    """Fewer tokens for a query that is scored exactly (m × dim → m' × dim), by MUVERA's ball carving.

    The first token that is left becomes a centre; it and all others left with an inner product of at least tau are
    replaced by their sum.
    """
    left = np.asarray(tokens, np.float32)
    sums = [np.zeros((0, left.shape[1]), np.float32)]
    while len(left):
        inside = left @ left[0] >= tau
        inside[0] = True
        sums.append(left[inside].sum(axis=0, keepdims=True))
        left = left[~inside]
    return np.concatenate(sums)

"""Quantised tokens as the kernels take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats

LANES = 16
"""Tokens in a block."""
SLOTS = 32
"""Query tokens in a row of the centroid table."""
WIDEST = 65_536
"""Dimensions whose products of bytes add up within 32 bits."""
CACHED = 1024
"""Vectors that are quantised at a time, so that they stay in the processor's cache."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Query:
    """Tokens of one query: value ≈ scale × number. values: m × dim int8; scales: m float32."""

    values: NDArray[np.int8]
    scales: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.values)

    @staticmethod
    def of(tokens: Floats) -> Query:
        """m × dim vectors; every token has its own scale. Raises ValueError for more than WIDEST dimensions."""
        _check_widest(tokens.shape[1])
        values, scales = quantize(tokens, np.float32)
        return Query(filled_up(values), scales.astype(np.float32))

    def ordered(self, order: NDArray[np.int64] | None) -> Query:
        """With the dimensions in another order."""
        return self if order is None else Query(np.ascontiguousarray(self.values[:, order]), self.scales)

    def part(self, start: int, end: int) -> Query:
        return Query(self.values[start:end], self.scales[start:end])


@dataclass(frozen=True, slots=True)
class Blocks:
    """Tokens 16 at a time: b × dim / 4 × 16 × 4 bytes, each value + 128. scales: float16, 16 b."""

    values: Bytes
    scales: NDArray[np.float16]

    @property
    def dim(self) -> int:
        return int(self.values.shape[1]) * 4

    @staticmethod
    def of(values: NDArray[np.int8], scales: NDArray[np.float16] | None = None) -> Blocks:
        """n × dim int8 values, filled up with zeros to a multiple of 4. Without scales all are 1.

        Raises ValueError for more than WIDEST dimensions.
        """
        count, given = values.shape
        _check_widest(given)
        room, dim = -(-count // LANES) * LANES, -(-given // 4) * 4
        rows = np.full((room, dim), 128, np.uint8)
        rows[:count, :given] = values.view(np.uint8) ^ 128  # x + 128
        padded = np.zeros(room, np.float16)
        padded[:count] = 1 if scales is None else scales
        blocks = rows.reshape(-1, LANES, dim // 4, 4).transpose(0, 2, 1, 3)
        return Blocks(np.ascontiguousarray(blocks), padded)

    def rows(self, start: int, end: int) -> NDArray[np.int8]:
        """Values of tokens start … end - 1, n × dim."""
        first, last = start // LANES, -(-end // LANES)
        flat = self.values[first:last].transpose(0, 2, 1, 3).reshape(-1, self.dim)
        biased = np.ascontiguousarray(flat[start - first * LANES : end - first * LANES])
        values: NDArray[np.int8] = (biased ^ 128).view(np.int8)
        return values


@dataclass(frozen=True, slots=True)
class Codes:
    """Tokens as a centroid and a few bits per dimension.

    codes: n uint16, number of the centroid
    residuals: n × dim × bits / 8 bytes
    centroids: K × dim bytes
    levels: dim × bits / 8 × 256 × 8 / bits bytes, for every byte of a residual what is added to the centroid's
    scales: n float16
    """

    codes: NDArray[np.uint16]
    residuals: Bytes
    centroids: Bytes
    levels: Bytes
    bits: int
    scales: NDArray[np.float16]

    @property
    def dim(self) -> int:
        return int(self.centroids.shape[1])

    def rows(self, start: int, end: int) -> NDArray[np.int16]:
        """Values of tokens start … end - 1, n × dim."""
        steps = self.levels[np.arange(len(self.levels)), self.residuals[start:end]].reshape(end - start, -1)
        values: NDArray[np.int16] = self.centroids[self.codes[start:end]].astype(np.int16) + steps - 128
        return values


def filled_up(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """n × dim, with zeros up to a multiple of 4 dimensions, as blocks have."""
    short = -values.shape[1] % 4
    return np.pad(values, ((0, 0), (0, short))) if short else values


def quantize(
    vectors: Floats, dtype: type[np.float16] | type[np.float32] = np.float16
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    """n × dim vectors of numbers → int8 values in -127 … 127 and a scale per row, in the given precision.

    The form that is read; kernels.quantize gives the same, faster.
    """
    values, scales = np.empty(vectors.shape, np.int8), np.empty(len(vectors), dtype)
    for start in range(0, len(vectors), CACHED):
        rows = slice(start, start + CACHED)
        wide = vectors[rows].astype(np.float32)
        peak = np.maximum(wide.max(axis=1, initial=0), -wide.min(axis=1, initial=0))
        scales[rows] = scales_of(peak, dtype)
        wide /= scales[rows].astype(np.float32)[:, None]
        np.rint(wide, out=wide)
        np.minimum(np.maximum(wide, -127, out=wide), 127, out=wide)
        values[rows] = wide
    return values, scales


def check_width(given: int, dim: int) -> None:
    """Raises ValueError where two differ: compiled loops read as many numbers as they are told."""
    if given != dim:
        raise ValueError(f"{given} dimensions where the vectors have {dim}")


def check_slots(query: Query) -> None:
    """Raises ValueError for more query tokens than the centroid table has slots."""
    if len(query) > SLOTS:
        raise ValueError(f"{len(query)} query tokens; a centroid table has room for {SLOTS}")


def _check_widest(dim: int) -> None:
    if dim > WIDEST:
        raise ValueError(f"vectors of {dim:,} dimensions; at most {WIDEST:,} can be searched as bytes")


def scales_of(peaks: NDArray[np.float32], dtype: type[np.float16] | type[np.float32]) -> NDArray[np.floating]:
    """What a step stands for in vectors whose largest numbers are `peaks`; never nothing."""
    steps: NDArray[np.floating] = (np.maximum(peaks, np.float32(1e-4)) / np.float32(127)).astype(dtype)
    return steps

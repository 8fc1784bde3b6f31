"""How token vectors are stored: as int8 values, or as a centroid and 4 or 2 bits per dimension.

    int8   1 byte per dimension and 2 per token: the values with a scale of their own (error of a dot product ≈ 0.1 %)
    4 bit  half a byte per dimension and 4 per token, after a centroid (as PLAID's residuals, arXiv 2205.09707, 3.2)
    2 bit  a quarter of a byte per dimension and 4 per token

The levels of the residual's bits are fitted to every dimension on its own (Lloyd-Max), as principal components have
very different spreads. A token's scale is chosen so that its product with the true vector is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.kernels import Blocks, Bytes, Codes, quantize

Bits = Literal[8, 4, 2]
Arrays = dict[str, NDArray[Any]]
CHUNK = 1 << 16
LLOYD_TURNS = 12


@dataclass(frozen=True)
class Levels:
    """The whole-number steps that a residual's bits stand for. steps: dim × 2^bits, ascending; unit: value of a step.

    centroids: K × dim bytes, each value + 128 - the lowest step of its dimension, so that sums stay within a byte.
    """

    bits: int
    unit: float
    steps: NDArray[np.int16]
    centroids: Bytes

    @staticmethod
    def fit(sample: Floats, nearest: NDArray[np.int32], centroids: NDArray[np.float32], bits: int) -> Levels:
        """sample: n × dim tokens with the numbers of their centroids."""
        residuals = sample.astype(np.float32) - centroids[nearest]
        levels = lloyd_max(residuals, 2**bits)
        room = np.abs(centroids).max(axis=0) + np.abs(levels).max(axis=1)
        unit = float(room.max()) / 126
        steps = np.rint(levels / unit).astype(np.int16)
        values = np.rint(centroids / unit).astype(np.int16)
        return Levels(bits, unit, steps, (values + 128 + steps.min(axis=1)).astype(np.uint8))

    @property
    def table(self) -> Bytes:
        """For every byte of a residual, what is added to the centroid's bytes: dim × bits / 8 × 256 × 8 / bits."""
        per_byte = 8 // self.bits
        raised = (self.steps - self.steps.min(axis=1, keepdims=True)).astype(np.uint8)
        byte = np.arange(256)
        digits = np.stack([byte >> (self.bits * place) & (2**self.bits - 1) for place in range(per_byte)], axis=1)
        grouped = raised.reshape(-1, per_byte, 2**self.bits)
        return np.ascontiguousarray(grouped[:, np.arange(per_byte), digits])

    def encode(self, vectors: Floats, nearest: NDArray[np.int32]) -> tuple[Bytes, NDArray[np.float16]]:
        """n × dim tokens → n × dim × bits / 8 bytes and n scales."""
        per_byte = 8 // self.bits
        base = self.centroids.astype(np.int16) - 128 - self.steps.min(axis=1)
        out = np.empty((len(vectors), vectors.shape[1] // per_byte), np.uint8)
        scales = np.empty(len(vectors), np.float16)
        limits = (self.steps[:, 1:] + self.steps[:, :-1]) / 2
        for start in range(0, len(vectors), CHUNK):
            some = vectors[start : start + CHUNK].astype(np.float32)
            middle = base[nearest[start : start + CHUNK]]
            wanted = some / np.float32(self.unit) - middle
            digit = np.zeros(some.shape, np.uint8)
            for limit in limits.T:
                digit += wanted > limit
            made = (middle + self.steps[np.arange(some.shape[1]), digit]).astype(np.float32)
            scales[start : start + CHUNK] = (some * some).sum(axis=1) / np.maximum((some * made).sum(axis=1), 1e-6)
            places = digit.reshape(len(some), -1, per_byte) << (np.arange(per_byte, dtype=np.uint8) * self.bits)
            out[start : start + CHUNK] = places.sum(axis=2, dtype=np.uint8)
        return out, scales

    def arrays(self) -> Arrays:
        return {
            "levels.bits": np.array([self.bits]),
            "levels.unit": np.array([self.unit]),
            "levels.steps": self.steps,
            "levels.centroids": self.centroids,
        }

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> Levels:
        return Levels(
            int(arrays["levels.bits"][0]),
            float(arrays["levels.unit"][0]),
            arrays["levels.steps"],
            np.ascontiguousarray(arrays["levels.centroids"]),
        )


def lloyd_max(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """n × dim → the `count` levels per dimension with the least squared error (Lloyd 1982), dim × count, ascending."""
    ordered = np.sort(values, axis=0)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(ordered, axis=0, dtype=np.float64)])
    levels = np.quantile(ordered, (np.arange(count) + 0.5) / count, axis=0).T
    for _ in range(LLOYD_TURNS):
        limits = (levels[:, 1:] + levels[:, :-1]) / 2
        bounds = np.stack([np.searchsorted(ordered[:, j], limits[j]) for j in range(len(limits))])
        edges = np.pad(bounds, ((0, 0), (1, 1)), constant_values=((0, 0), (0, len(values))))
        found = np.diff(sums[edges, np.arange(len(levels))[:, None]], axis=1)
        sizes = np.diff(edges, axis=1)
        levels = np.where(sizes > 0, found / np.maximum(sizes, 1), levels)
    return levels.astype(np.float32)


def int8_arrays(vectors: Floats) -> Arrays:
    """n × dim tokens → arrays of a segment."""
    parts = [quantize(vectors[start : start + CHUNK]) for start in range(0, len(vectors), CHUNK)]
    dim = vectors.shape[1]
    values = np.concatenate([part for part, _ in parts]) if parts else np.zeros((0, dim), np.int8)
    scales = np.concatenate([part for _, part in parts]) if parts else np.zeros(0, np.float16)
    blocks = Blocks.of(values, scales.astype(np.float16))
    return {"blocks": blocks.values, "scales": blocks.scales}


def tokens_of(arrays: Mapping[str, NDArray[Any]], levels: Levels | None, table: Bytes | None) -> Blocks | Codes:
    """What the kernels take, from the arrays of a segment."""
    if levels is None or table is None:
        return Blocks(arrays["blocks"], arrays["scales"])
    return Codes(arrays["codes"], arrays["residuals"], levels.centroids, table, levels.bits, arrays["scales"])

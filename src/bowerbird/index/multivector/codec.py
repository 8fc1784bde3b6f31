"""How token vectors are stored: as int8 values, or as a centroid and 4 or 2 bits per dimension.

    int8   1 byte per dimension and 2 per token: the values with a scale of their own (error of a dot product ≈ 0.1 %)
    4 bit  half a byte per dimension and 4 per token, after a centroid (as PLAID's residuals, arXiv 2205.09707, 3.2)
    2 bit  a quarter of a byte per dimension and 4 per token

The bytes of a residual are codewords of a few dimensions each (product quantisation, Jégou et al. 2011). They are
learned from the tokens, with errors weighed by how much a dimension counts in dot products.
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
class Codebooks:
    """What the bytes of a residual stand for: product quantisation of what the centroid leaves over.

    order: permutation of the dimensions; a byte stands for 8 / bits of them in a row
    words: dim × bits / 8 × 256 × 8 / bits, whole-number steps that a byte adds to a centroid
    unit: value of a step
    centroids: K × dim bytes in that order, each value + 128 less the lowest step, so that sums stay within a byte
    """

    bits: int
    order: NDArray[np.int64]
    words: NDArray[np.int16]
    unit: float
    centroids: Bytes

    @staticmethod
    def fit(sample: Floats, nearest: NDArray[np.int32], centroids: NDArray[np.float32], bits: int) -> Codebooks:
        """sample: n × dim tokens with the numbers of their centroids.

        An error counts more in a dimension where tokens are long, as queries are long there, too; strong and weak
        dimensions share a byte, so that every byte has as much to say.
        """
        wide = sample.astype(np.float32)
        residuals = wide - centroids[nearest]
        importance = np.sqrt(np.sqrt((wide * wide).mean(axis=0)))
        order = balanced(residuals.var(axis=0) * importance**2, 8 // bits)
        weights = importance[order]
        parts = np.split((residuals[:, order] * weights), sample.shape[1] * bits // 8, axis=1)
        words = np.stack([_kmeans(part) for part in parts]) / weights.reshape(len(parts), 1, -1)
        room = np.abs(centroids).max(axis=0)[order].reshape(len(parts), -1) + np.abs(words).max(axis=1)
        unit = float(room.max()) / 126
        return Codebooks._around(centroids, bits, order, np.rint(words / unit).astype(np.int16), unit)

    @staticmethod
    def _around(
        centroids: NDArray[np.float32], bits: int, order: NDArray[np.int64], words: NDArray[np.int16], unit: float
    ) -> Codebooks:
        values = np.rint(centroids[:, order] / unit).astype(np.int16)
        bytes_ = (values + 128 + words.min(axis=1).ravel()).astype(np.uint8)
        return Codebooks(bits, order, words, unit, np.ascontiguousarray(bytes_))

    @property
    def table(self) -> Bytes:
        """For every byte of a residual, what is added to the centroid's bytes (see kernels.Codes)."""
        return np.ascontiguousarray((self.words - self.words.min(axis=1, keepdims=True)).astype(np.uint8))

    def encode(self, vectors: Floats, nearest: NDArray[np.int32]) -> tuple[Bytes, NDArray[np.float16]]:
        """n × dim tokens → n × dim × bits / 8 bytes and n scales, each with the least error for its token."""
        groups = len(self.words)
        base = self.centroids.astype(np.int16) - 128 - self.words.min(axis=1).ravel()
        words = self.words.astype(np.float32)
        half = (words * words).sum(axis=2) / 2
        out = np.empty((len(vectors), groups), np.uint8)
        scales = np.empty(len(vectors), np.float16)
        for start in range(0, len(vectors), CHUNK):
            some = vectors[start : start + CHUNK].astype(np.float32)[:, self.order]
            middle = base[nearest[start : start + CHUNK]].astype(np.float32)
            wanted = (some / np.float32(self.unit) - middle).reshape(len(some), groups, -1)
            found = np.stack(
                [(wanted[:, g] @ words[g].T - half[g]).argmax(axis=1) for g in range(groups)], axis=1
            ).astype(np.uint8)
            made = middle + words[np.arange(groups), found].reshape(len(some), -1)
            scales[start : start + CHUNK] = (some * made).sum(axis=1) / np.maximum((made * made).sum(axis=1), 1e-6)
            out[start : start + CHUNK] = found
        return out, scales

    def arrays(self) -> Arrays:
        return {
            "codebooks.bits": np.array([self.bits]),
            "codebooks.order": self.order,
            "codebooks.words": self.words,
            "codebooks.unit": np.array([self.unit]),
        }

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]], centroids: NDArray[np.float32]) -> Codebooks:
        return Codebooks._around(
            centroids,
            int(arrays["codebooks.bits"][0]),
            np.ascontiguousarray(arrays["codebooks.order"]),
            np.ascontiguousarray(arrays["codebooks.words"]),
            float(arrays["codebooks.unit"][0]),
        )


def balanced(weights: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    """A permutation in which every run of `size` has about the same product of weights (the strongest go first)."""
    groups: list[list[int]] = [[] for _ in range(len(weights) // size)]
    logs = np.log(np.maximum(weights, 1e-12))
    filled = np.zeros(len(groups))
    for dimension in np.argsort(-weights, kind="stable"):
        open_groups = [group for group in range(len(groups)) if len(groups[group]) < size]
        chosen = min(open_groups, key=lambda group: (filled[group], group))
        groups[chosen].append(int(dimension))
        filled[chosen] += logs[dimension] - logs.min() + 1e-3
    return np.array([dimension for group in groups for dimension in group], np.int64)


def _kmeans(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """256 codewords for n × few numbers (Lloyd's algorithm from evenly spread rows)."""
    words = vectors[np.linspace(0, len(vectors) - 1, 256).astype(np.int64)].copy()
    for _ in range(LLOYD_TURNS):
        nearest = (vectors @ words.T - (words * words).sum(axis=1) / 2).argmax(axis=1)
        sizes = np.bincount(nearest, minlength=256)
        for j in range(vectors.shape[1]):
            sums = np.bincount(nearest, vectors[:, j], 256)
            words[:, j] = np.where(sizes > 0, sums / np.maximum(sizes, 1), words[:, j])
    return words


def int8_arrays(vectors: Floats) -> Arrays:
    """n × dim tokens → arrays of a segment."""
    return quantized_arrays(*quantize(vectors))


def quantized_arrays(values: NDArray[np.int8], scales: NDArray[np.floating]) -> Arrays:
    """What `quantize` made of tokens → arrays of a segment."""
    blocks = Blocks.of(values, scales.astype(np.float16))
    return {"blocks": blocks.values, "scales": blocks.scales}


def tokens_of(arrays: Mapping[str, NDArray[Any]], codebooks: Codebooks | None, table: Bytes | None) -> Blocks | Codes:
    """What the kernels take, from the arrays of a segment."""
    if codebooks is None or table is None:
        return Blocks(arrays["blocks"], arrays["scales"])
    return Codes(arrays["codes"], arrays["residuals"], codebooks.centroids, table, codebooks.bits, arrays["scales"])

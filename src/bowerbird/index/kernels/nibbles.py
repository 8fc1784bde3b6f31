"""Product codes of 4 bits as the kernels take them, and the tables that score them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.index.kernels.blocks import LANES, Bytes

PAIRS = 4
"""Pairs of subspaces come in multiples of this: 64 bytes."""
WORDS = 16
"""Codewords of a subspace."""
HIGHEST = 127
"""Of the entries of a table: two add up within a byte."""
TOTAL = 65535
"""Of the highest entries of all tables: sums fit into 16 bits."""


@dataclass(frozen=True, slots=True)
class Nibbles:
    """Vectors 16 at a time: b × pairs × 16 bytes, the code of an even subspace in the low half of a byte."""

    values: Bytes

    @property
    def pairs(self) -> int:
        return int(self.values.shape[1])

    @staticmethod
    def of(codes: Bytes) -> Nibbles:
        """n × m codes below 16; vectors and subspaces are filled up with zeros."""
        count, given = codes.shape
        width = -(-given // (2 * PAIRS)) * 2 * PAIRS
        room = np.zeros((-(-count // LANES) * LANES, width), np.uint8)
        room[:count, :given] = codes
        packed = room[:, 0::2] | room[:, 1::2] << 4
        return Nibbles(np.ascontiguousarray(packed.reshape(-1, LANES, width // 2).transpose(0, 2, 1)))


@dataclass(frozen=True, slots=True)
class Near:
    """Hits that score at least the k-th best score - slack, but no more than the best `most`.

    1 ≤ k ≤ most, 0 ≤ slack < 2 ** 30.
    """

    k: int
    slack: int
    most: int

    @staticmethod
    def best(k: int) -> Near:
        return Near(k, 0, k)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the codes of one query's subspaces add to a score, in whole steps. entries: 2 × pairs × 16. step: of one."""

    entries: Bytes
    step: np.float32

    @staticmethod
    def of(scores: NDArray[np.float32], least: float = 0.0) -> Tables:
        """m × 16 inner products of codewords with a query's parts; the lowest of a subspace becomes 0.

        least: what a step is at least.
        """
        raised = scores - scores.min(axis=1, keepdims=True)
        peaks = raised.max(axis=1)
        step = max(float(peaks.max(initial=0)) / HIGHEST, float(peaks.sum()) / (TOTAL - len(scores)), least, 1e-12)
        room = np.zeros((-(-len(scores) // (2 * PAIRS)) * 2 * PAIRS, WORDS), np.uint8)
        room[: len(scores)] = np.rint(raised / np.float32(step))
        return Tables(np.ascontiguousarray(room.reshape(-1, 2, WORDS).transpose(1, 0, 2)), np.float32(step))

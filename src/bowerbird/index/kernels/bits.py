"""Binary codes as the kernels take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP = 8
"""Codes that lie side by side."""

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class BitGroups:
    """Codes eight at a time: g × words of 64 bits × 8. count: of the codes, the last group is filled up with zeros."""

    words: Words
    count: int

    @staticmethod
    def of(codes: NDArray[np.uint8]) -> BitGroups:
        """n × bytes codes; bytes are filled up to words."""
        rows = words_of(codes)
        room = np.zeros((-(-len(rows) // GROUP) * GROUP, rows.shape[1]), np.uint64)
        room[: len(rows)] = rows
        groups = room.reshape(-1, GROUP, rows.shape[1]).transpose(0, 2, 1)
        return BitGroups(np.ascontiguousarray(groups), len(rows))

    def rows(self, rows: NDArray[np.int64]) -> Words:
        """Some codes, m × words."""
        chosen: Words = self.words[rows // GROUP, :, rows % GROUP]
        return chosen


def words_of(codes: NDArray[np.uint8]) -> Words:
    """n × bytes → n × words of 64 bits, filled up with zeros."""
    words = -(-codes.shape[1] // 8)
    room = np.zeros((len(codes), words * 8), np.uint8)
    room[:, : codes.shape[1]] = codes
    return room.view(np.uint64)

"""What a search for words reads: where terms stand in the postings of a segment, and how long rows are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranges:
    """Term t is in rows[starts[t]:ends[t]], that often. first: the position of row 0 among those of all segments.

    No row may be twice in one range.
    """

    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    first: int


@dataclass(frozen=True, slots=True)
class Norms:
    """added: what is added to a count, per position; infinity where no hit may be. once: 1 / (1 + added)."""

    added: NDArray[np.float32]
    once: NDArray[np.float32]

    @staticmethod
    def of(added: NDArray[np.float32]) -> Norms:
        return Norms(added, np.float32(1) / (np.float32(1) + added))

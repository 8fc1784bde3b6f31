"""What the bits of a code stand for, so that real-valued queries can score codes.

Comparing a query that is not cut to bits with codes that are loses much less than comparing bits with bits (asymmetric
distances: Gordo et al. 2014, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Binary, Dense


@dataclass(frozen=True)
class BitMeans:
    """values: dim × 2 float32, the mean of a dimension where its bit is 0 and where it is 1."""

    values: NDArray[np.float32]

    @staticmethod
    def fit(sample: Dense, codes: Binary) -> BitMeans:
        """From vectors and their codes; zero for a bit that never has a value."""
        vectors = sample.vectors.astype(np.float32, copy=False)
        bits = np.unpackbits(codes.codes, axis=1, count=sample.dim).astype(np.float32)
        ones = bits.sum(axis=0)
        sums = np.stack([(vectors * (1 - bits)).sum(axis=0), (vectors * bits).sum(axis=0)], axis=1)
        counts = np.stack([len(bits) - ones, ones], axis=1)
        return BitMeans((sums / np.maximum(counts, 1)).astype(np.float32))

    def scores(self, query: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Inner products of a query (dim) with the vectors that n × bytes codes stand for."""
        bits = np.unpackbits(codes, axis=1, count=len(self.values)).astype(np.float32)
        low, high = self.values.T
        scores: NDArray[np.float32] = bits @ (query * (high - low)) + query @ low
        return scores

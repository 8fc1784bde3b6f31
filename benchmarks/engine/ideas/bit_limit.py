"""How far tokens of few bits can be from the best that bits can do.

No code errs less, at so many bits a dimension, than the rate–distortion bound says: with Gaussian residuals that is
reverse water-filling over their principal directions (Cover and Thomas, Elements of Information Theory, 10.3). Here
tokens are their centroid and their residual as a code at the bound would give it back, which is that residual shrunk
and with noise (the bound's forward channel); beside it, what our codebooks give back. Ours have a scale of 16 bits per
token, which is counted, and a code at the bound has the very same rate. The number of the centroid comes on top of
either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.arrays import Floats, offsets_of, unit
from benchmarks.engine.sets import BenchSet
from bowerbird.index.multivector.centroids import Centroids
from bowerbird.index.multivector.codec import Codebooks

CANDIDATES, TEN = 100, 10
SAMPLE = 65_536
"""Tokens that codes are fitted to."""
OURS = (2, 4)
"""Bits a dimension, without the scale."""
WHOLE = (2.0, 3.0, 4.0)
"""Bits a dimension of codes at the bound, beside those with a rate of ours."""
SCALE = 16
"""Bits of a token's scale."""
SEED = 0


@dataclass(frozen=True)
class Reached:
    """recall: of the ten best by exact MaxSim among the first hundred, ordered by the tokens as a code gives them back.

    bits: of a dimension, the token's scale shared out. error: share of the residuals' energy that is lost.
    """

    code: str
    bits: float
    error: float
    recall: float


@dataclass(frozen=True)
class Tokens:
    """Those of some documents of a set, with their nearest centroids. places: of documents in offsets, or -1."""

    vectors: Floats
    offsets: NDArray[np.int64]
    middles: Floats
    residuals: Floats
    nearest: NDArray[np.int32]
    places: NDArray[np.int64]


@dataclass(frozen=True)
class Bound:
    """Codes at the bound for Gaussian residuals. directions: in columns, each with its variance."""

    middle: Floats
    variances: NDArray[np.floating]
    directions: Floats

    @staticmethod
    def of(sample: Floats) -> Bound:
        """sample: n × dim residuals."""
        variances, directions = np.linalg.eigh(np.cov(sample.T))
        return Bound(sample.mean(axis=0), np.maximum(variances, 0), directions)

    def give_back(self, residuals: Floats, bits: float) -> Floats:
        """n × dim residuals as a code of so many bits a dimension gives them back."""
        lost = distortions(self.variances, bits * len(self.variances))
        kept = 1 - np.divide(lost, self.variances, out=np.ones_like(lost), where=self.variances > 0)
        noise = np.random.default_rng(SEED).standard_normal(residuals.shape) * np.sqrt(lost * kept)
        back = ((residuals - self.middle) @ self.directions * kept + noise) @ self.directions.T + self.middle
        return back.astype(np.float32)


def rates(dim: int) -> tuple[float, ...]:
    """Bits a dimension of the codes at the bound; among them those of ours."""
    return tuple(sorted({*WHOLE, *(rate(bits, dim) for bits in OURS)}))


def rate(bits: int, dim: int) -> float:
    """Bits a dimension of one of ours, with its scale."""
    return bits + SCALE / dim


def compare(given: BenchSet, centroids: Centroids) -> list[Reached]:
    """Codes at the bound, and ours."""
    some = _candidates(given, centroids)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(given.vectors))[:SAMPLE])
    sample = np.asarray(given.vectors[chosen], np.float32)
    near, dim = centroids.nearest(sample), sample.shape[1]
    bound = Bound.of(sample - centroids.points[near])
    rows = [_reached("bound", bits, some, bound.give_back(some.residuals, bits), given) for bits in rates(dim)]
    for bits in OURS:
        books = Codebooks.fit(sample, near, centroids.points, bits)
        rows.append(_reached("ours", rate(bits, dim), some, _given_back(books, some) - some.middles, given))
    return sorted(rows, key=lambda row: (row.bits, row.code))


def distortions(variances: NDArray[np.floating], bits: float) -> NDArray[np.floating]:
    """What every direction loses where the loss is least: all the same, or all that it has."""
    low, high = 0.0, float(variances.max())
    for _ in range(100):
        level = (low + high) / 2
        spent = np.log2(np.maximum(variances / max(level, 1e-300), 1)).sum() / 2
        low, high = (level, high) if spent > bits else (low, level)
    return np.minimum(variances, high)


def _candidates(given: BenchSet, centroids: Centroids) -> Tokens:
    documents = np.unique(given.truth[:, :CANDIDATES])
    parts = [np.asarray(given.vectors[given.offsets[one] : given.offsets[one + 1]], np.float32) for one in documents]
    vectors = np.concatenate(parts)
    nearest = centroids.nearest(vectors)
    middles = centroids.points[nearest]
    places = np.full(given.items, -1)
    places[documents] = np.arange(len(documents))
    return Tokens(vectors, offsets_of([len(part) for part in parts]), middles, vectors - middles, nearest, places)


def _given_back(books: Codebooks, some: Tokens) -> Floats:
    codes, scales = books.encode(some.vectors, some.nearest)
    steps = books.table[np.arange(len(books.table)), codes].reshape(len(codes), -1)
    values = books.centroids[some.nearest].astype(np.float32) + steps - 128
    vectors: Floats = (values * scales.astype(np.float32)[:, None])[:, np.argsort(books.order)]
    return vectors


def _reached(code: str, bits: float, some: Tokens, residuals: Floats, given: BenchSet) -> Reached:
    lost = float(((residuals - some.residuals) ** 2).sum() / (some.residuals**2).sum())
    vectors, shares = unit(some.middles + residuals), []
    for query, truth in zip(given.queries, given.truth, strict=True):
        places = some.places[truth[:CANDIDATES]]
        scores = [
            (vectors[some.offsets[one] : some.offsets[one + 1]] @ query.T).max(axis=0).sum() for one in places.tolist()
        ]
        shares.append((np.argsort(-np.array(scores), kind="stable")[:TEN] < TEN).mean())
    return Reached(code, bits, lost, float(np.mean(shares)))

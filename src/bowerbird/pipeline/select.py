"""How many hits to keep: fixed, or by what the scores of each query look like.

A policy sees the sorted scores of all queries at once, n × m, best first, NaN behind the last hit of a query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import PipelineError
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking, Scores

Counts: TypeAlias = NDArray[np.int64]


class SelectionPolicy(Protocol):
    """Sorted scores → how many of the first hits to keep."""

    def keep(self, scores: Scores) -> Counts:
        """n × m scores, high first, NaN behind the last → n counts."""
        ...


@dataclass(frozen=True)
class Select(Stage):
    """The first hits of every query, as many as the policy says."""

    policy: SelectionPolicy

    def run(self, ranking: Ranking) -> Ranking:
        counts = self.policy.keep(padded(ranking))
        return ranking.take(ranking.ranks <= counts[ranking.query_of_hit])

    @property
    def needs(self) -> Names:
        return frozenset({"hits"})

    def __repr__(self) -> str:
        return f"Select({self.policy!r})"


@dataclass(frozen=True)
class FixedK:
    """The first k."""

    k: int

    def keep(self, scores: Scores) -> Counts:
        return np.minimum(known(scores), self.k)


@dataclass(frozen=True)
class Threshold:
    """All that score at least so much; none if none does."""

    least: float

    def keep(self, scores: Scores) -> Counts:
        return _count(scores >= self.least)


@dataclass(frozen=True)
class UpToK:
    """Those among the first k that score at least so much, which may be none.

    Needs scores that mean the same for every query, such as those of a calibrated PairScorer
    ("Reranking the context", arXiv 2501.04695, adaptive up-to-k).
    """

    k: int
    least: float

    def keep(self, scores: Scores) -> Counts:
        return _count(scores[:, : self.k] >= self.least)


@dataclass(frozen=True)
class LargestGap:
    """Up to the largest drop between neighbours, which lies behind hit `least` at the earliest, `most` at the latest.

    A query with no more than `least` hits keeps them all; the first of equal drops counts.
    """

    least: int = 1
    most: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise PipelineError(f"LargestGap takes 1 <= least <= most, got {self.least} and {self.most}")

    def keep(self, scores: Scores) -> Counts:
        drops = (scores[:, :-1] - scores[:, 1:])[:, self.least - 1 : self.most]
        if not drops.shape[1]:
            return known(scores)
        cut = self.least + np.argmax(np.nan_to_num(drops, nan=-1.0), axis=1)
        has_drop = ~np.isnan(drops[:, 0])
        return np.where(has_drop, cut, known(scores))


def padded(ranking: Ranking) -> Scores:
    """n × m scores, m the most hits of a query, NaN behind the last."""
    lengths = np.diff(ranking.offsets)
    scores = np.full((len(ranking), int(lengths.max(initial=0))), np.nan, np.float32)
    scores[ranking.query_of_hit, ranking.ranks - 1] = ranking.scores
    return scores


def known(scores: Scores) -> Counts:
    """Hits per query."""
    return _count(~np.isnan(scores))


def _count(kept: NDArray[np.bool_]) -> Counts:
    counts: Counts = np.sum(kept, axis=1, dtype=np.int64)
    return counts

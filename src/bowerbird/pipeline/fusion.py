"""Several rankings of the same queries into one: weighted sums and reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bowerbird.ranking import Ranking, Scores


def combine(rankings: Sequence[Ranking], weights: Sequence[float], *, need_all: bool = False) -> Ranking:
    """Weighted sum of scores per (query, item); an item that a ranking lacks counts 0 there.

    `need_all` keeps only items that every ranking holds. Evidence columns are carried over.
    """
    first = rankings[0]
    query = np.concatenate([ranking.query_of_hit for ranking in rankings])
    names = np.concatenate([ranking.ids.astype(str) for ranking in rankings])
    scores = np.concatenate(
        [ranking.scores * np.float32(weight) for ranking, weight in zip(rankings, weights, strict=True)]
    )
    unique_ids, number = np.unique(names, return_inverse=True)
    key = query * max(len(unique_ids), 1) + number
    pairs, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
    pair_of_hit = inverse.astype(np.int64)
    total = np.bincount(pair_of_hit, weights=scores, minlength=len(pairs)).astype(np.float32)
    keep = times == len(rankings) if need_all else np.ones(len(pairs), bool)
    matched = {
        name: _spread([ranking.matched.get(name) for ranking in rankings], rankings, pair_of_hit, len(pairs))[keep]
        for name in dict.fromkeys(name for ranking in rankings for name in ranking.matched)
    }
    if not len(pairs):
        return Ranking.empty(first.queries)
    return Ranking.from_hits(
        first.queries,
        (pairs // len(unique_ids))[keep],
        unique_ids[pairs % len(unique_ids)][keep].astype(object),
        total[keep],
        matched,
    )


def _spread(
    columns: Sequence[Scores | None], rankings: Sequence[Ranking], pair: NDArray[np.int64], count: int
) -> Scores:
    """One evidence column over all pairs: the value of the first ranking that has it, else NaN."""
    flat = np.concatenate(
        [
            np.full(len(ranking.ids), np.nan, np.float32) if column is None else column
            for column, ranking in zip(columns, rankings, strict=True)
        ]
    )
    out = np.full(count, np.nan, np.float32)
    known = ~np.isnan(flat)
    out[pair[known][::-1]] = flat[known][::-1]
    return out


def reciprocal_ranks(ranking: Ranking, k: int = 60) -> Ranking:
    """Scores replaced by 1 / (k + rank) (Cormack, Clarke and Büttcher, SIGIR 2009)."""
    rank = np.arange(len(ranking.ids)) - np.repeat(ranking.offsets[:-1], np.diff(ranking.offsets)) + 1
    return replace(ranking, scores=(1.0 / (k + rank)).astype(np.float32))

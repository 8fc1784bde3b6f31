"""Several rankings of the same queries into one: the arithmetic of fusion.

Hits are laid out as a table, a row per (query, item) and a column per ranking, NaN where a ranking lacks the item.
A fusion is then one reduction over the columns (Fox and Shaw, "Combination of Multiple Searches", TREC-2, 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import RankingError
from bowerbird.items import Query
from bowerbird.ranking import Ranking, Scores, Store

Table: TypeAlias = NDArray[np.float64]
Sums: TypeAlias = NDArray[np.float64]
Reduction: TypeAlias = Callable[[Table], Sums]
"""n × r scores, NaN where missing, at least one known per row → n scores."""


@dataclass(frozen=True)
class Merged:
    """query, ids: n (query, item) pairs that some ranking holds. scores: n × r, NaN where a ranking lacks the pair."""

    queries: Sequence[Query]
    query: NDArray[np.int64]
    ids: NDArray[Any]
    scores: Table
    matched: Mapping[str, Scores]
    places: NDArray[Any] | None
    store: Store | None

    def ranking(self, scores: NDArray[np.float64], keep: NDArray[np.bool_] | None = None) -> Ranking:
        """The pairs, or some of them, with these scores."""
        chosen = np.arange(len(self.ids)) if keep is None else np.flatnonzero(keep)
        return Ranking.from_hits(
            self.queries,
            self.query[chosen],
            self.ids[chosen],
            scores[chosen].astype(np.float32),
            {name: column[chosen] for name, column in self.matched.items()},
            None if self.places is None else self.places[chosen],
            self.store,
        )


def merge(rankings: Sequence[Ranking], queries: Sequence[Query] | None = None) -> Merged:
    """r rankings as one table. Evidence and places come from the first ranking that has them.

    queries: those of the result; by default the first ranking's.
    Raises RankingError if the rankings have different numbers of queries, or one holds a hit twice.
    """
    asked = rankings[0].queries if queries is None else queries
    for ranking in rankings:
        if len(ranking) != len(asked):
            raise RankingError(f"cannot fuse rankings of {len(asked)} and of {len(ranking)} queries; ask all the same")
    query = np.concatenate([ranking.query_of_hit for ranking in rankings])
    names, number = np.unique(np.concatenate([ranking.ids.astype(str) for ranking in rankings]), return_inverse=True)
    pairs, pair = np.unique(query * max(len(names), 1) + number, return_inverse=True)
    column = np.repeat(np.arange(len(rankings)), [len(ranking.ids) for ranking in rankings])
    ids = names[pairs % max(len(names), 1)].astype(object)
    times = np.bincount(pair * len(rankings) + column, minlength=len(pairs) * len(rankings))
    twice = np.flatnonzero(times > 1) // len(rankings)
    if len(twice):
        raise RankingError(
            f"{ids[twice[0]]!r} is a hit of query {pairs[twice[0]] // len(names) + 1} twice in one ranking; "
            f"a stage must give every item once"
        )
    scores = np.full((len(pairs), len(rankings)), np.nan)
    scores[pair, column] = np.concatenate([ranking.scores for ranking in rankings])
    matched = {
        name: _first_known([ranking.matched.get(name) for ranking in rankings], rankings, pair, len(pairs))
        for name in dict.fromkeys(name for ranking in rankings for name in ranking.matched)
    }
    places = _first_places(rankings, pair, len(pairs))
    store = next((ranking.store for ranking in rankings if ranking.store is not None), None)
    return Merged(asked, pairs // max(len(names), 1), ids, scores, matched, places, store)


def _first_known(
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


def _first_places(rankings: Sequence[Ranking], pair: NDArray[np.int64], count: int) -> NDArray[Any] | None:
    """The place inside every hit, from the first ranking that holds it; a hit that was not grouped is its own place."""
    if all(ranking.places is None for ranking in rankings):
        return None
    flat = np.concatenate([ranking.ids if ranking.places is None else ranking.places for ranking in rankings])
    out = np.empty(count, object)
    out[pair[::-1]] = flat[::-1]
    return out


def total(table: Table) -> Sums:
    """CombSUM."""
    sums: Sums = np.nansum(table, axis=1)
    return sums


def mnz(table: Table) -> Sums:
    """CombMNZ: the sum, times the number of rankings that hold the item."""
    return total(table) * held(table)


def anz(table: Table) -> Sums:
    """CombANZ: the mean over the rankings that hold the item."""
    return total(table) / held(table)


def highest(table: Table) -> Sums:
    """CombMAX."""
    best: Sums = np.fmax.reduce(table, axis=1)
    return best


def lowest(table: Table) -> Sums:
    """CombMIN, over the rankings that hold the item."""
    worst: Sums = np.fmin.reduce(table, axis=1)
    return worst


def median(table: Table) -> Sums:
    """CombMED, over the rankings that hold the item."""
    middle: Sums = np.nanmedian(table, axis=1) if len(table) else total(table)
    return middle


def held(table: Table) -> NDArray[np.int64]:
    """How many rankings hold each item."""
    counts: NDArray[np.int64] = np.sum(~np.isnan(table), axis=1)
    return counts


def reciprocal_ranks(ranking: Ranking, k: int = 60) -> Ranking:
    """Scores replaced by 1 / (k + rank) (Cormack, Clarke and Büttcher, SIGIR 2009)."""
    return replace(ranking, scores=(1.0 / (k + ranking.ranks)).astype(np.float32))

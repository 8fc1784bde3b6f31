"""A ranking joined with its judgements, as flat columns that every measure reads.

Order is that of trec_eval: by score, high first; equal scores by item id as text, high first. The order of a
ranking's rows counts for nothing, so that its TREC run gets the same figures from every other tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmark import Benchmark, Qrels
from bowerbird.items import Kind, Locator
from bowerbird.ranking import Ranking

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """What measures ask about items; the corpus is read once, when a measure asks first."""

    benchmark: Benchmark

    @cached_property
    def known(self) -> Mapping[str, tuple[Kind, Locator]]:
        """Kind and place of every item."""
        return {item.id: (item.kind, item.locator) for item in self.benchmark.items()}

    def of(self, name: str) -> tuple[Kind, Locator]:
        """Of an item that was found. Raises EvaluationError if the corpus has no such item."""
        return self._of(name, "was found", "search a library that holds this benchmark alone")

    def of_judged(self, name: str) -> tuple[Kind, Locator]:
        """Of an item that the qrels name. Raises EvaluationError if the corpus has no such item."""
        return self._of(name, "is judged", "complete the corpus, or take the item out of the qrels")

    def _of(self, name: str, what: str, remedy: str) -> tuple[Kind, Locator]:
        try:
            return self.known[name]
        except KeyError:
            raise EvaluationError(
                f"item {name!r} {what} but is not in the corpus of {self.benchmark.name}; {remedy}"
            ) from None


@dataclass(frozen=True)
class Judged:
    """q judged queries and the hits of one ranking for them.

    ranking: hits of these queries alone, in the order above.
    query, rank, gain: one entry per hit that is judged, by query, then rank; ranks count from 1.
    gains: all judged gains of query i in gains[bounds[i]:bounds[i + 1]], found or not, high first.
    """

    query_ids: tuple[str, ...]
    qrels: Qrels
    ranking: Ranking
    query: Ints
    rank: Ints
    gain: Floats
    gains: Floats
    bounds: Ints
    catalogue: Catalogue | None = None

    def __len__(self) -> int:
        return len(self.query_ids)

    def total(self, values: Floats, hits: NDArray[np.bool_]) -> Floats:
        """Sum per query of values at those judged hits that the mask keeps: q."""
        return np.bincount(self.query[hits], weights=values[hits], minlength=len(self)).astype(np.float64)

    def relevant(self, rel: float = 1) -> Floats:
        """Items per query with a gain of at least `rel`, found or not: q."""
        owner = np.repeat(np.arange(len(self)), np.diff(self.bounds))
        return np.bincount(owner[self.gains >= rel], minlength=len(self)).astype(np.float64)

    def hits(self, cutoff: int | None = None) -> Iterator[list[str]]:
        """The ids of the first hits of every query, best first."""
        for start, end in zip(self.ranking.offsets[:-1], self.ranking.offsets[1:], strict=True):
            stop = end if cutoff is None else min(end, start + cutoff)
            yield [str(name) for name in self.ranking.ids[start:stop]]

    def asked(self) -> tuple[Benchmark, Catalogue]:
        """The benchmark, for measures that judgements alone do not suffice. Raises EvaluationError without one."""
        if self.catalogue is None:
            raise EvaluationError(
                "this measure asks what items are and where: evaluate against a Benchmark, not against qrels"
            )
        return self.catalogue.benchmark, self.catalogue


def judge(ranking: Ranking, query_ids: Sequence[str], qrels: Qrels, catalogue: Catalogue | None = None) -> Judged:
    """Join a ranking with qrels; queries without judgements are left out, judged ones without hits stay.

    query_ids: the id of every query of the ranking, in its order.
    Queries that the catalogue's benchmark gives places are judged too: regions and moments are met, not named.
    Raises EvaluationError for duplicate hits, scores that are no numbers, unknown queries and unequal lengths.
    """
    check_queries(ranking, query_ids, qrels)
    places = catalogue.benchmark.places if catalogue else {}
    rows = [row for row, name in enumerate(query_ids) if qrels.get(name) or places.get(name)]
    ranking = select(ranking, rows)
    names = tuple(query_ids[row] for row in rows)
    qrels = {name: qrels.get(name, {}) for name in names}
    encoded = _encoded(ranking.ids)
    ranking, codes = _trec_order(ranking, encoded)
    key = ranking.query_of_hit * max(len(encoded.dictionary), 1) + codes
    check_duplicates(ranking, key, names)
    owner, items, gains = _flat(names, qrels)
    query, rank, gain = _match(ranking, key, codes, encoded.dictionary, owner, items, gains)
    order = np.lexsort((-gains, owner))
    bounds = _offsets(np.bincount(owner, minlength=len(names)))
    return Judged(names, qrels, ranking, query, rank, gain, gains[order], bounds, catalogue)


def select(ranking: Ranking, rows: Sequence[int]) -> Ranking:
    """Only some queries of a ranking with their hits, in their present order."""
    if len(rows) == len(ranking):
        return ranking
    keep = np.zeros(len(ranking), bool)
    keep[list(rows)] = True
    kept = ranking.take(keep[ranking.query_of_hit])
    counts = np.diff(ranking.offsets)[keep]
    return replace(kept, queries=tuple(ranking.queries[row] for row in rows), offsets=_offsets(counts))


def check_queries(ranking: Ranking, query_ids: Sequence[str], qrels: Qrels) -> None:
    """Every query has one id, and judgements are for these queries. Raises EvaluationError."""
    if len(query_ids) != len(ranking):
        raise EvaluationError(
            f"the ranking has {len(ranking)} queries, but there are {len(query_ids)} query ids; "
            f"a pipeline must return every query that it was given, in the same order"
        )
    unknown = set(qrels) - set(query_ids)
    if unknown:
        raise EvaluationError(
            f"{len(unknown)} of {len(qrels)} judged queries are not among the queries, such as {min(unknown)!r}; "
            f"take queries and qrels of the same split"
        )


def check_duplicates(ranking: Ranking, key: Ints, query_ids: Sequence[str]) -> None:
    """An item is found once per query; key: one number per (query, item). Raises EvaluationError."""
    ordered = np.sort(key)
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        row = int(np.flatnonzero(key == ordered[twice[0]])[0])
        name = query_ids[int(ranking.query_of_hit[row])]
        raise EvaluationError(
            f"query {name!r} has item {str(ranking.ids[row])!r} twice among its hits, "
            f"and {len(twice)} hits in all are repeated; keep the best of each"
        )


def _encoded(ids: NDArray[Any]) -> Any:
    """Item ids as an arrow array of numbers into a dictionary of texts."""
    try:
        texts = pa.array(ids, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = pa.array(ids.astype(str), pa.string())
    return texts.dictionary_encode()


def _trec_order(ranking: Ranking, encoded: Any) -> tuple[Ranking, Ints]:
    """The ranking by score, equal scores by id, both downwards; and the dictionary number of every hit."""
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    query = ranking.query_of_hit
    order = np.arange(len(codes))
    inside = query[1:] == query[:-1]
    if np.any(inside & (ranking.scores[1:] > ranking.scores[:-1])):
        order = np.lexsort((-ranking.scores, query))
    scores = ranking.scores[order]
    tied = inside & (scores[1:] == scores[:-1])
    if tied.any():
        group = np.concatenate([[0], np.cumsum(~tied)])
        rows = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        height = np.empty(len(encoded.dictionary), np.int64)
        height[pc.sort_indices(encoded.dictionary).to_numpy()] = np.arange(len(height))
        order[rows] = order[rows[np.lexsort((-height[codes[order[rows]]], group[rows]))]]
    if np.array_equal(order, np.arange(len(order))):
        return ranking, codes
    return ranking.take(order), codes[order]


def _flat(query_ids: Sequence[str], qrels: Qrels) -> tuple[Ints, list[str], Floats]:
    """Judgements as columns: number of the query, item id, gain."""
    counts = [len(qrels[name]) for name in query_ids]
    items = [item for name in query_ids for item in qrels[name]]
    gains = np.fromiter((gain for name in query_ids for gain in qrels[name].values()), np.float64, len(items))
    return np.repeat(np.arange(len(query_ids)), counts), items, gains


def _match(
    ranking: Ranking, key: Ints, codes: Ints, dictionary: Any, owner: Ints, items: Sequence[str], gains: Floats
) -> tuple[Ints, Ints, Floats]:
    """Query, rank and gain of the hits that are judged."""
    found = pc.index_in(pa.array(items, pa.string()), dictionary).fill_null(-1).to_numpy().astype(np.int64)
    known = np.flatnonzero(found >= 0)
    if not len(known):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    judged_key = owner[known] * len(dictionary) + found[known]
    order = np.argsort(judged_key)
    judged_key, judged_gain = judged_key[order], gains[known][order]
    judged_code = np.zeros(len(dictionary), bool)
    judged_code[found[known]] = True
    rows = np.flatnonzero(judged_code[codes])
    at = np.minimum(np.searchsorted(judged_key, key[rows]), len(judged_key) - 1)
    same = judged_key[at] == key[rows]
    rows, at = rows[same], at[same]
    query = ranking.query_of_hit[rows]
    return query, rows - ranking.offsets[query] + 1, judged_gain[at]


def _offsets(counts: NDArray[Any]) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

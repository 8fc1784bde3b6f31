"""Queries with their hits, for a whole batch at once: the one thing that flows through pipelines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import RankingError
from bowerbird.items import Item, Query, QueryLike

if TYPE_CHECKING:
    import pyarrow as pa

Scores = NDArray[np.float32]


class Store(Protocol):
    """Where the ids of hits are looked up: a collection at one version."""

    def rows_of(self, ids: Sequence[str] | NDArray[Any]) -> NDArray[np.int64]:
        """Rows of items by id; -1 where there is no such item."""
        ...

    def items(self, rows: NDArray[np.int64]) -> list[Item]: ...

    def where(self, expression: str) -> NDArray[np.bool_]:
        """The rows that a filter expression selects."""
        ...


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hits of query i are rows offsets[i]:offsets[i + 1], best first.

    ids: item ids (numpy strings or objects), total hits.
    scores: float32, total hits.
    matched: per source of evidence ("lexical", "text", "image", "tokens", …) its own score, NaN where it has none.
    places: item ids of the best place inside each hit (a passage on a page), after grouping; None before.
    store: where the ids are looked up; None for runs that come from elsewhere.

    Raises RankingError if the columns do not fit together or a score is not a number.
    """

    queries: tuple[Query, ...]
    offsets: NDArray[np.int64]
    ids: NDArray[Any]
    scores: Scores
    matched: Mapping[str, Scores] = field(default_factory=dict)
    places: NDArray[Any] | None = None
    store: Store | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.queries) + 1:
            raise RankingError(
                f"{len(self.queries)} queries need {len(self.queries) + 1} offsets, got {len(self.offsets)}"
            )
        if self.offsets[0] != 0 or (np.diff(self.offsets) < 0).any():
            raise RankingError(f"offsets start at 0 and never fall, got {self.offsets[:5].tolist()}…")
        if self.offsets[-1] != len(self.ids):
            raise RankingError(f"offsets end at {self.offsets[-1]}, but there are {len(self.ids)} ids")
        _require_columns(self.ids, self.scores, self.matched, self.places)
        unknown = np.flatnonzero(np.isnan(self.scores))
        if len(unknown):
            query = int(np.searchsorted(self.offsets, unknown[0], side="right")) - 1
            raise RankingError(
                f"hit {str(self.ids[unknown[0]])!r} of query {query + 1} has no number as its score (NaN); "
                f"leave such hits out or score them ({len(unknown)} in all)"
            )

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def query_of_hit(self) -> NDArray[np.int64]:
        """The query's number for every hit."""
        return np.repeat(np.arange(len(self.queries)), np.diff(self.offsets))

    @property
    def ranks(self) -> NDArray[np.int64]:
        """The rank within its query for every hit, from 1."""
        return np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], np.diff(self.offsets)) + 1

    def hits(self, query: int) -> list[tuple[str, float]]:
        """(item id, score) of one query, best first."""
        rows = slice(self.offsets[query], self.offsets[query + 1])
        return [(str(name), float(score)) for name, score in zip(self.ids[rows], self.scores[rows], strict=True)]

    @classmethod
    def empty(cls, queries: Sequence[Query]) -> Ranking:
        """The queries without hits: what a pipeline starts from."""
        return cls(tuple(queries), np.zeros(len(queries) + 1, np.int64), np.empty(0, object), np.empty(0, np.float32))

    @classmethod
    def from_scores(cls, queries: Sequence[QueryLike], scores: Sequence[Mapping[str, float]]) -> Ranking:
        """From one {item id: score} per query, in any order. Raises RankingError if there is not one for each."""
        if len(queries) != len(scores):
            raise RankingError(f"{len(queries)} queries, but hits of {len(scores)}: give one mapping per query")
        counts = [len(found) for found in scores]
        names = [name for found in scores for name in found]
        values = [value for found in scores for value in found.values()]
        return cls.from_hits(
            [Query.of(query) for query in queries],
            np.repeat(np.arange(len(queries)), counts),
            np.array(names, object),
            np.array(values, np.float32),
        )

    @classmethod
    def from_hits(
        cls,
        queries: Sequence[Query],
        query: NDArray[np.int64],
        ids: NDArray[Any],
        scores: Scores,
        matched: Mapping[str, Scores] | None = None,
        places: NDArray[Any] | None = None,
        store: Store | None = None,
    ) -> Ranking:
        """From flat columns in any order: sorted by query, then score (high first), then id, so ties are stable.

        query: the query's number for every hit. Raises RankingError if the columns do not fit together.
        """
        _require_columns(ids, scores, {"query": query, **(matched or {})}, places)
        if len(query) and not 0 <= query.min() <= query.max() < len(queries):
            raise RankingError(
                f"a hit belongs to query number {query.max() if query.min() >= 0 else query.min()}, "
                f"but there are {len(queries)} queries, numbered from 0"
            )
        order = np.lexsort((ids.astype(str), -scores, query))
        counts = np.bincount(query, minlength=len(queries))
        return cls(
            tuple(queries),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ids[order],
            scores[order].astype(np.float32),
            {name: column[order] for name, column in (matched or {}).items()},
            None if places is None else places[order],
            store,
        )

    def rescored(self, scores: Scores, **matched: Scores) -> Ranking:
        """The same hits with other scores, sorted by them, and with further columns of evidence."""
        columns = {**self.matched, **matched}
        return Ranking.from_hits(
            self.queries, self.query_of_hit, self.ids, scores, columns, self.places, store=self.store
        )

    def take(self, hits: NDArray[Any]) -> Ranking:
        """Only the hits that a boolean mask or sorted index array names, in their present order."""
        query = self.query_of_hit[hits]
        counts = np.bincount(query, minlength=len(self.queries))
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ids=self.ids[hits],
            scores=self.scores[hits],
            matched={name: column[hits] for name, column in self.matched.items()},
            places=None if self.places is None else self.places[hits],
        )

    def top(self, k: int) -> Ranking:
        """The first k hits of every query."""
        return self.take(self.ranks <= k)

    def of_queries(self, numbers: Sequence[int]) -> Ranking:
        """Some of the queries with their hits, in the order of the numbers."""
        chosen = np.asarray(numbers, np.int64)
        lengths = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        hits = np.arange(offsets[-1]) + np.repeat(self.offsets[chosen] - offsets[:-1], lengths)
        return Ranking(
            tuple(self.queries[number] for number in numbers),
            offsets,
            self.ids[hits],
            self.scores[hits],
            {name: column[hits] for name, column in self.matched.items()},
            None if self.places is None else self.places[hits],
            self.store,
        )

    @classmethod
    def concat(cls, rankings: Sequence[Ranking], store: Store | None = None) -> Ranking:
        """The queries of several rankings, one batch after the other. store: where the hits of all are looked up."""
        if not rankings:
            return cls.empty([])
        lengths = np.concatenate([np.diff(ranking.offsets) for ranking in rankings])
        names = dict.fromkeys(name for ranking in rankings for name in ranking.matched)
        unknown = [np.full(len(ranking.ids), np.nan, np.float32) for ranking in rankings]
        grouped = any(ranking.places is not None for ranking in rankings)
        places = [ranking.ids if ranking.places is None else ranking.places for ranking in rankings]
        return cls(
            tuple(query for ranking in rankings for query in ranking.queries),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.concatenate([ranking.ids for ranking in rankings]),
            np.concatenate([ranking.scores for ranking in rankings]),
            {
                name: np.concatenate(
                    [ranking.matched.get(name, nothing) for ranking, nothing in zip(rankings, unknown, strict=True)]
                )
                for name in names
            },
            np.concatenate(places) if grouped else None,
            store,
        )

    def to_arrow(self) -> pa.Table:
        """Columns query (number), rank (from 1), id, score and one per source of evidence."""
        import pyarrow as pa

        columns = {"query": self.query_of_hit, "rank": self.ranks, "id": self.ids.astype(str), "score": self.scores}
        return pa.table({**columns, **self.matched})

    def to_trec(self, query_ids: Sequence[str], tag: str = "bowerbird") -> str:
        """A TREC run: one line 'qid Q0 docid rank score tag' per hit. Blanks in ids are written as %20, as columns end
        at blanks."""
        return "".join(
            f"{trec_word(name)} Q0 {trec_word(hit)} {rank} {score:.9g} {trec_word(tag)}\n"
            for number, name in enumerate(query_ids)
            for rank, (hit, score) in enumerate(self.hits(number), 1)
        )

    @classmethod
    def from_trec(cls, lines: Iterable[str], queries: Mapping[str, Query]) -> Ranking:
        """Read a TREC run; hits of queries that are not named are left out.

        Raises RankingError with the number of a line that is malformed, or names a hit of its query again.
        """
        number = {name: row for row, name in enumerate(queries)}
        found: list[dict[str, float]] = [{} for _ in queries]
        for count, line in enumerate(lines, 1):
            name, hit, score = _trec_line(line, count)
            if name in number:
                hits = found[number[name]]
                if hit in hits:
                    raise RankingError(f"line {count} of the run: {hit!r} is a hit of query {name!r} already")
                hits[hit] = score
        return cls.from_scores(list(queries.values()), found)


def trec_word(text: str) -> str:
    """A text as one column of a TREC file."""
    return re.sub(r"[\s%]", lambda found: quote(found.group()), text)


def _trec_line(line: str, count: int) -> tuple[str, str, float]:
    """Query id, item id and score."""
    fields = line.split()
    if len(fields) != 6:
        raise RankingError(
            f"line {count} of the run: expected 6 columns (qid Q0 docid rank score tag), got {len(fields)}"
        )
    try:
        score = float(fields[4])
    except ValueError:
        score = float("nan")
    if score != score:
        raise RankingError(f"line {count} of the run: column 5 (score) must be a number, got {fields[4]!r}")
    return fields[0], fields[2], score


def _require_columns(
    ids: NDArray[Any], scores: Scores, columns: Mapping[str, NDArray[Any]], places: NDArray[Any] | None
) -> None:
    """All columns have one entry per hit."""
    lengths = {"scores": len(scores), **{name: len(column) for name, column in columns.items()}}
    if places is not None:
        lengths["places"] = len(places)
    for name, length in lengths.items():
        if length != len(ids):
            raise RankingError(f"there are {len(ids)} ids, but {name!r} has {length} entries; give one per hit")

"""Queries with their hits, for a whole batch at once: the one thing that flows through pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Query

if TYPE_CHECKING:
    import pyarrow as pa

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Hits of query i are rows offsets[i]:offsets[i + 1], best first.

    ids: item ids (numpy strings or objects), total hits.
    scores: float32, total hits.
    matched: per source of evidence ("lexical", "text", "image", "tokens", …) its own score, NaN where it has none.
    places: item ids of the best place inside each hit (a passage on a page), after grouping; None before.
    """

    queries: tuple[Query, ...]
    offsets: NDArray[np.int64]
    ids: NDArray[Any]
    scores: Scores
    matched: Mapping[str, Scores] = field(default_factory=dict)
    places: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if len(self.offsets) != len(self.queries) + 1:
            raise ValueError(
                f"{len(self.queries)} queries need {len(self.queries) + 1} offsets, got {len(self.offsets)}"
            )
        if len(self.ids) != len(self.scores) or self.offsets[-1] != len(self.ids):
            raise ValueError(
                f"offsets end at {self.offsets[-1]}, but there are {len(self.ids)} ids and {len(self.scores)} scores"
            )

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def query_of_hit(self) -> NDArray[np.int64]:
        """The query's number for every hit."""
        return np.repeat(np.arange(len(self.queries)), np.diff(self.offsets))

    def hits(self, query: int) -> list[tuple[str, float]]:
        """(item id, score) of one query, best first."""
        rows = slice(self.offsets[query], self.offsets[query + 1])
        return [(str(name), float(score)) for name, score in zip(self.ids[rows], self.scores[rows], strict=True)]

    @classmethod
    def empty(cls, queries: Sequence[Query]) -> Ranking:
        """The queries without hits: what a pipeline starts from."""
        return cls(tuple(queries), np.zeros(len(queries) + 1, np.int64), np.empty(0, object), np.empty(0, np.float32))

    @classmethod
    def from_hits(
        cls,
        queries: Sequence[Query],
        query: NDArray[np.int64],
        ids: NDArray[Any],
        scores: Scores,
        matched: Mapping[str, Scores] | None = None,
        places: NDArray[Any] | None = None,
    ) -> Ranking:
        """From flat columns in any order: sorted by query, then score (high first), then id, so ties are stable."""
        order = np.lexsort((ids.astype(str), -scores, query))
        counts = np.bincount(query, minlength=len(queries))
        return cls(
            tuple(queries),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            ids[order],
            scores[order].astype(np.float32),
            {name: column[order] for name, column in (matched or {}).items()},
            None if places is None else places[order],
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
        rank = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        return self.take(rank < k)

    def to_arrow(self) -> pa.Table:
        """Columns query (number), rank (from 1), id, score and one per source of evidence."""
        import pyarrow as pa

        rank = np.arange(len(self.ids)) - np.repeat(self.offsets[:-1], np.diff(self.offsets)) + 1
        columns = {"query": self.query_of_hit, "rank": rank, "id": self.ids.astype(str), "score": self.scores}
        return pa.table({**columns, **self.matched})

    def to_trec(self, query_ids: Sequence[str], tag: str = "bowerbird") -> str:
        """A TREC run: one line 'qid Q0 docid rank score tag' per hit."""
        lines = []
        for number, name in enumerate(query_ids):
            for rank, (hit, score) in enumerate(self.hits(number), 1):
                lines.append(f"{name} Q0 {hit} {rank} {score:.6f} {tag}\n")
        return "".join(lines)

    @classmethod
    def from_trec(cls, lines: Iterable[str], queries: Mapping[str, Query]) -> Ranking:
        """Read a TREC run; hits of queries that are not named are left out.

        Raises ValueError with the number of a malformed line.
        """
        number = {name: row for row, name in enumerate(queries)}
        query, ids, scores = [], [], []
        for count, line in enumerate(lines, 1):
            fields = line.split()
            if len(fields) != 6:
                raise ValueError(
                    f"line {count} of the run: expected 6 columns (qid Q0 docid rank score tag), got {len(fields)}"
                )
            if fields[0] in number:
                query.append(number[fields[0]])
                ids.append(fields[2])
                scores.append(float(fields[4]))
        return cls.from_hits(
            list(queries.values()), np.array(query, np.int64), np.array(ids, object), np.array(scores, np.float32)
        )

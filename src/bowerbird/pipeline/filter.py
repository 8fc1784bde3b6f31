"""Only hits that a condition allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bowerbird.collection.filters import parse
from bowerbird.items import Query
from bowerbird.pipeline.check import require
from bowerbird.pipeline.source import rows_of
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking


@dataclass(frozen=True)
class Filter(Stage):
    """Drops the hits so far that do not pass, and makes every later stage find only what does.

    Before a first stage it is exact: `Filter("page <= 3") >> Lexical(library) % 10` gives ten hits if there are ten.
    where: an expression such as "source ~ '*.pdf' and page < 10" (see docs/queries.md). Raises FilterError.
    """

    where: str

    def __post_init__(self) -> None:
        parse(self.where)

    def run(self, ranking: Ranking) -> Ranking:
        if ranking.store is not None and len(ranking.ids):
            ranking = ranking.take(ranking.store.where(self.where)[rows_of(ranking.store, ranking.ids, self)])
        return replace(ranking, queries=tuple(self.narrowed(query) for query in ranking.queries))

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        if "hits" in offered and "items" not in offered:
            require(self, frozenset({"items"}), offered, queries)
        return offered

    def narrowed(self, query: Query) -> Query:
        return replace(query, where=f"({query.where}) and ({self.where})" if query.where else self.where)

    def __repr__(self) -> str:
        return f"Filter({self.where!r})"

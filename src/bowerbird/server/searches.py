"""Searches of all clients, those that wait answered together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bowerbird.errors import BowerbirdError
from bowerbird.items import Query
from bowerbird.pipeline.group import Level
from bowerbird.pipeline.results import Results
from bowerbird.server.limits import Limits
from bowerbird.server.problems import Refused
from bowerbird.server.served import Served
from bowerbird.server.together import Together

Found: TypeAlias = tuple[int, Results]
"""The version of the collection that was searched, and what was found."""


@dataclass(frozen=True)
class Way:
    """How to search; queries that are searched for in the same way make a batch."""

    k: int = 10
    pipeline: str = "default"
    group: Level = "page"


Searches: TypeAlias = Together[Way, Query, Found]


def searches(served: Served, limits: Limits) -> Searches:
    """`await searches(way, query)`"""

    def answer(way: Way, queries: Sequence[Query]) -> list[Found | Exception]:
        try:
            version, results = served.search(queries, way.k, way.pipeline, way.group)
        except (BowerbirdError, Refused) as error:
            if len(queries) == 1:
                return [error]
            return [found for query in queries for found in answer(way, [query])]  # one is wrong: which?
        return [(version, found) for found in results]

    return Together("search", answer, limits.threads, limits.waiting, limits.answer_seconds)

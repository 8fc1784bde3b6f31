"""Answers to all queries of a ranking, each from its own hits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.pipeline import results
from bowerbird.pipeline.answer import answer
from bowerbird.pipeline.hits import show_hits
from bowerbird.pipeline.source import Source, store_of
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from bowerbird.chat import Chat


@dataclass(frozen=True)
class Answered(Ranking):
    """A ranking, and one answer per query that cites its hits."""

    answers: tuple[results.Answer, ...] = ()


@dataclass(frozen=True)
class Answer(Stage):
    """Answers every query from its hits, by a chat with citations, or by quoting the best sentences if there is none.

    Gives an `Answered` ranking. at_once: requests at the same time, for models behind a server.
    source: where hits are looked up that come from a run, not from a stage.
    """

    chat: Chat | None = None
    source: Source | None = field(default=None, repr=False)
    at_once: int = 1

    def run(self, ranking: Ranking) -> Answered:
        store = store_of(ranking, self.source, self)
        if not isinstance(store, Snapshot):
            raise PipelineError(f"{self!r} needs hits of a library, got those of a {type(store).__name__}")
        asked = [
            results.Results(query, hits, 0.0)
            for query, hits in zip(ranking.queries, show_hits(store, ranking), strict=True)
        ]
        with ThreadPoolExecutor(self.at_once) as pool:
            answers = pool.map(lambda found: answer(store, found, self.chat), asked)
            columns = {column.name: getattr(ranking, column.name) for column in fields(Ranking)}
            return Answered(**columns, answers=tuple(answers))

    @property
    def needs(self) -> Names:
        return frozenset({"hits", "items"})

    @property
    def gives(self) -> Names:
        return frozenset({"answers"})

    def __repr__(self) -> str:
        return f"Answer({self.chat.name!r})" if self.chat else "Answer"

"""Other words for a query, by a function or by a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bowerbird.errors import PipelineError
from bowerbird.items import Image, Query, QueryLike, Table, Text
from bowerbird.pipeline.check import KINDS
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from bowerbird.chat import Chat

MAX_TOKENS = 256
"""Of a rewritten query."""


@dataclass(frozen=True)
class Rewrite(Stage):
    """Changes the queries; hits so far stay, and later stages search or judge with the new words.

    how: a function of a query, or a prompt with {query} in it, which a chat answers with the new words. Pictures and
    sounds of the query are kept, pictures are shown to the chat. An empty reply leaves a query as it is.
    """

    how: Callable[[Query], QueryLike] | str
    chat: Chat | None = None

    def __post_init__(self) -> None:
        if isinstance(self.how, str) and "{query}" not in self.how:
            raise PipelineError(f"a prompt to rewrite queries holds {{query}} where the query goes, got {self.how!r}")

    def run(self, ranking: Ranking) -> Ranking:
        return replace(ranking, queries=tuple(map(self.rewritten, ranking.queries)))

    def rewritten(self, query: Query) -> Query:
        found = self.how(query) if callable(self.how) else self.reply(query)
        if isinstance(found, Query):
            return found
        return replace(query, parts=Query.of(found).parts)

    def reply(self, query: Query) -> Query:
        from bowerbird.chat import Message

        assert isinstance(self.how, str)
        if self.chat is None:
            raise PipelineError(f"{self!r} needs a chat")
        pictures = [part for part in query.parts if isinstance(part, Image)]
        asked = [Message.of("user", *pictures, self.how.replace("{query}", query.text))]
        words = "".join(self.chat.reply(asked, max_tokens=MAX_TOKENS)).strip()
        kept = tuple(part for part in query.parts if not isinstance(part, Text | Table))
        return replace(query, parts=(*kept, Text(words))) if words else query

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        """What a function makes of queries is not known before it runs, so it may offer every kind of part."""
        return super().flow(offered, queries) | (frozenset(KINDS) if callable(self.how) else frozenset({"text"}))

    @property
    def needs(self) -> Names:
        return frozenset({"chat"}) if isinstance(self.how, str) and self.chat is None else frozenset()

    def __repr__(self) -> str:
        how = repr(self.how) if isinstance(self.how, str) else getattr(self.how, "__name__", "function")
        return f"Rewrite({how if len(how) < 40 else how[:36] + '…' + how[0]})"

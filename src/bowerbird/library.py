"""The front door: open a collection, add files, search them, ask them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bowerbird.collection import AddReport, Collection, ReembedReport
from bowerbird.collection.progress import Progress
from bowerbird.collection.reembed import Advance
from bowerbird.collection.snapshot import Snapshot
from bowerbird.items import Item, Modality, Query, QueryLike
from bowerbird.pipeline.answer import answer
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.group import Level
from bowerbird.pipeline.hits import show_hits
from bowerbird.pipeline.media import expand, understood
from bowerbird.pipeline.results import Answer, Results
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from bowerbird.chat import Chat


class Library:
    """A folder of things that can be found. `collection` is the storage below it."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    def add(
        self, *paths: str | Path, prune: bool = False, jobs: int | None = None, progress: Progress | None = None
    ) -> AddReport:
        """Index files and folders; unchanged files are skipped, changed ones replaced.

        prune: also forget files below the given folders that have vanished, not those below one that cannot be read.
        One bad file never stops the run: the report lists failures with their reasons.
        """
        return self.collection.add(paths, prune=prune, jobs=jobs, progress=progress)

    def add_items(self, items: Iterable[Item]) -> AddReport:
        """Store items that a program made; those of one source replace what was stored for it before."""
        return self.collection.add_items(items)

    def reembed(
        self, fields: Mapping[str, str], *, jobs: int | None = None, advance: Advance | None = None
    ) -> ReembedReport:
        """Change the encoders of some fields, such as {"text": "sentence-transformers:intfloat/multilingual-e5-base"}.

        Everything stored is embedded anew, then one commit switches over; a crash leaves the old library.
        advance: is told how many items are done, and how many there are.
        """
        return self.collection.reembed(fields, jobs=jobs, advance=advance)

    def snapshot(self) -> Snapshot:
        """The library as it is now; what is added later does not change it."""
        return self.collection.snapshot()

    def search(
        self,
        content: QueryLike,
        k: int = 10,
        *,
        modalities: Sequence[Modality] | None = None,
        where: str = "",
        group: Level = "page",
    ) -> Results:
        """Find items by words, pictures, sounds or any mix of them, best first.

        modalities: only these kinds of hits. where: a filter such as "page <= 3 and source ~ '*.pdf'".
        group: one hit per "page" (or photo, shot, segment), per "document", or "none".
        """
        query = Query.of(content)
        query = replace(
            query,
            modalities=frozenset(modalities) if modalities else query.modalities,
            where=where or query.where,
        )
        return self.search_many([query], k, group=group)[0]

    def search_many(self, queries: Sequence[QueryLike], k: int = 10, *, group: Level = "page") -> list[Results]:
        """Search a batch of queries at once: one pass of the encoders and indexes for all."""
        started = time.perf_counter()
        snapshot = self.collection.snapshot()
        asked = [Query.of(query) for query in queries]
        ranking = self.rank(asked, k, group=group, snapshot=snapshot)
        hits = show_hits(snapshot, ranking)
        took = (time.perf_counter() - started) * 1000
        return [Results(query, found, took) for query, found in zip(asked, hits, strict=True)]

    def rank(
        self, queries: Sequence[Query], k: int = 100, *, group: Level = "page", snapshot: Snapshot | None = None
    ) -> Ranking:
        """The default pipeline's ranking of a batch, without snippets and pictures."""
        snapshot = snapshot or self.collection.snapshot()
        inputs = understood(snapshot)
        ready = [expand(query, inputs) for query in queries]
        return default_pipeline(snapshot, group, max(100, 2 * k))(Ranking.empty(ready)).top(k)

    def ask(
        self,
        question: QueryLike,
        *,
        chat: Chat | None = None,
        k: int = 8,
        where: str = "",
        show: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer a question from the collection, with citations.

        Without `chat`, the best supporting sentences are quoted verbatim. Where the collection holds no answer,
        `supported` is False. show: is given a model's text piece by piece as it comes.
        """
        results = self.search(question, k, where=where)
        return answer(self.collection.snapshot(), results, chat, show)


def open(path: str | Path = "library", *, fields: Mapping[str, str] | None = None, create: bool = True) -> Library:
    """Open the library in a folder; it is created on first use.

    fields: encoder per field, such as {"text": "e5", "image": "open_clip:ViT-B-32/laion2b_s34b_b79k"};
    only needed when the library is created, and changed by `Library.reembed`. Raises CollectionError, EncoderMismatch.
    """
    return Library(Collection.open(path, fields=fields, create=create))

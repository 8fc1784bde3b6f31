"""A collection as clients may use it: what REST and MCP have in common."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from bowerbird.collection import FileRecord, Snapshot
from bowerbird.items import Box, Item, Query
from bowerbird.library import Library
from bowerbird.pipeline.answer import answer
from bowerbird.pipeline.group import Level
from bowerbird.pipeline.hits import show_hits
from bowerbird.pipeline.media import understood
from bowerbird.pipeline.results import Answer, Hit, Results
from bowerbird.ranking import Ranking
from bowerbird.server.contents import Part, contents, covers, files_with
from bowerbird.server.drawing import draw, thumbnail_as_png
from bowerbird.server.isolated import isolated
from bowerbird.server.limits import Limits
from bowerbird.server.names import Names, encoder_name
from bowerbird.server.pipelines import named
from bowerbird.server.problems import Refused
from bowerbird.server.reader import Reader
from bowerbird.server.sources import Source, Sources
from bowerbird.server.waveform import waveform

if TYPE_CHECKING:
    from bowerbird.chat import Chat
    from bowerbird.encoders.base import Input

PAGE_SIDE = 1600
"""Pixels of a drawn page's longer side."""
KEPT_PAGES = 64 * 2**20
"""Bytes of drawn pages that are kept."""
STREAMED = frozenset({"segment", "shot"})
"""Kinds that are shown by their stored picture: drawing it again would mean to read the whole recording."""


@dataclass(frozen=True)
class Found:
    """An item, its row in a snapshot, and the snapshot."""

    snapshot: Snapshot
    row: int
    item: Item


class Served:
    """A library, what its clients see of it, and what they may not. All methods block."""

    def __init__(self, library: Library, limits: Limits, chat: Chat | None = None) -> None:
        self.library, self.limits, self.chat = library, limits, chat
        self.folder = library.collection.folder.resolve()
        self.reader = Reader(library)
        self._sources = Sources()
        self._pages = _Pages()

    @property
    def names(self) -> Names:
        """How the sources of the shown version are named to clients."""
        return self.reader.names

    @property
    def inputs(self) -> frozenset[Input]:
        """What the encoders take as it is."""
        return understood(self.reader.snapshot)

    def search(self, queries: Sequence[Query], k: int, pipeline: str, group: Level) -> tuple[int, list[Results]]:
        """The version that was searched, and the results of each query. Filters are over shown sources."""
        started = time.perf_counter()
        try:
            snapshot, hits = self._search(self.reader.snapshot, queries, k, pipeline, group)
        except FileNotFoundError:  # another process has dropped this version's index files
            snapshot, hits = self._search(self.reader.refresh(), queries, k, pipeline, group)
        took = (time.perf_counter() - started) * 1000
        return snapshot.version, [Results(query, found, took) for query, found in zip(queries, hits, strict=True)]

    def _search(
        self, snapshot: Snapshot, queries: Sequence[Query], k: int, pipeline: str, group: Level
    ) -> tuple[Snapshot, list[tuple[Hit, ...]]]:
        build = named(pipeline, snapshot)
        if not len(snapshot):
            return snapshot, [() for _ in queries]
        ranking = build(snapshot, group, max(100, 2 * k))(Ranking.empty(queries)).top(k)
        return snapshot, show_hits(snapshot, ranking)

    def ask(self, question: Query, k: int, show: Callable[[str], None]) -> Answer:
        """An answer from the collection; `show` is given its text piece by piece."""
        _, (results,) = self.search([question], k, "default", "page")
        found = answer(self.reader.snapshot, results, self.chat, show)
        if self.chat is None:
            show(found.text)
        return found

    def find(self, name: str) -> Found:
        """An item by id. Raises Refused (404)."""
        snapshot = self.reader.snapshot
        row = int(snapshot.rows_of([name])[0]) if len(snapshot) else -1
        if row < 0:
            raise Refused(404, f"no item {name!r}: ids come from a search")
        return Found(snapshot, row, snapshot.items(snapshot.rows_of([name]))[0])

    def thumbnail(self, name: str) -> bytes:
        """A small WebP picture. Raises Refused (404) where there is none."""
        found = self.find(name)
        picture = found.snapshot.thumbnail(found.row)
        if picture is None:
            raise Refused(404, "this item has no picture")
        return picture

    def page(self, name: str, boxes: Sequence[Box] | None = None) -> bytes:
        """The page, slide or picture that an item is on, as PNG, with boxes marked (its own unless others are given).

        Raises Refused (404) where there is none, ReadError if it cannot be drawn.
        """
        found = self.find(name)
        own = (found.item.locator.box,) if found.item.locator.box else ()
        marks = tuple(own if boxes is None else boxes)
        key = (name, marks)
        picture = self._pages.get(key)
        if picture is None:
            picture = self._draw(found, marks)
            self._pages.keep(key, picture)
        return picture

    def _draw(self, found: Found, boxes: tuple[Box, ...]) -> bytes:
        snapshot = found.snapshot
        rows = snapshot.groups[[found.row]]
        shown = snapshot.items(rows)[0]
        thumbnail = snapshot.thumbnail(int(rows[0]))
        if thumbnail is None:
            raise Refused(404, "this item has no page and no picture")
        info = snapshot.files(rows)[0]
        try:
            self._sources.open(info).close()
        except Refused:
            return thumbnail_as_png(thumbnail, boxes)
        if shown.kind in STREAMED:
            return thumbnail_as_png(thumbnail, boxes)
        page = shown.locator.page if shown.locator.member is None else None
        return isolated(draw, info.path, shown.locator.source, info.digest, shown.id, page, boxes, PAGE_SIDE)

    def media(self, name: str) -> Source:
        """The open file of an item. Raises Refused (404) if it is in an archive, gone or changed."""
        found = self.find(name)
        if found.item.locator.member is not None:
            raise Refused(404, "this item is inside an archive or a message, which is not unpacked for clients")
        return self._sources.open(found.snapshot.files(found.snapshot.rows_of([name]))[0])

    def contents(self, name: str, offset: int | None, limit: int) -> Part:
        """The file that an item is in, as `contents.contents`. Raises Refused (404)."""
        found = self.find(name)
        return contents(found.snapshot, found.row, offset, limit)

    def waveform(self, name: str) -> bytes:
        """schemas.Waveform as JSON. Raises Refused (404) for what is no recording, ReadError."""
        found = self.find(name)
        place, info = found.item.locator, found.snapshot.files(found.snapshot.rows_of([name]))[0]
        if found.item.kind not in STREAMED or place.member is not None:
            raise Refused(404, "this item is no stretch of a recording")
        drawn = self._pages.get(("waveform", name))
        if drawn is None:
            self._sources.open(info).close()
            drawn = json.dumps(isolated(waveform, info.path, place.start or 0.0, place.end)).encode()
            self._pages.keep(("waveform", name), drawn)
        return drawn

    def files(self, match: str = "", where: str = "") -> list[FileRecord]:
        """The files of the collection that have `match` in their source or title, and an item that `where` selects."""
        wanted = match.casefold()
        records = self.library.collection.files()
        if wanted:
            records = [one for one in records if wanted in f"{self.names.shown(one.source)}\n{one.title}".casefold()]
        if where:
            holding = files_with(self.reader.snapshot, where)
            records = [one for one in records if one.id in holding]
        return records

    def covers(self, files: Sequence[FileRecord]) -> list[str | None]:
        """Per file the id of an item that has a picture of it."""
        return covers(self.reader.snapshot, [file.id for file in files])

    def encoder_of(self, field: str) -> str:
        """The identity of a field's encoder, as clients see it."""
        identity = self.reader.snapshot.encoder(field).id
        return str(replace(identity, spec=encoder_name(identity.spec)))

    def about(self) -> dict[str, Any]:
        """Counts, encoders, and the name of the collection."""
        stats, snapshot = self.library.collection.stats(), self.reader.snapshot
        return {
            "name": self.folder.name,
            "version": snapshot.version,
            "files": stats.files,
            "items": stats.items,
            "kinds": dict(stats.kinds),
            "fields": {name: self.encoder_of(name) for name in snapshot.fields},
            "can_answer": self.chat is not None,
        }

    def stop(self) -> None:
        self.reader.stop()


class _Pages:
    """Drawn pages, the last ones that were looked at."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: object) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: object, picture: bytes) -> None:
        with self._lock:
            self._bytes += len(picture) - len(self._kept.pop(key, b""))
            self._kept[key] = picture
            while self._bytes > KEPT_PAGES:
                self._bytes -= len(self._kept.popitem(last=False)[1])


def open_served(folder: Path, limits: Limits, chat: Chat | None = None) -> Served:
    """The library in a folder, made if it is not there yet."""
    import bowerbird

    return Served(bowerbird.open(folder), limits, chat)

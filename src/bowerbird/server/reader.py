"""The version of a collection that searches see: always one that is ready, while the next is made ready beside it."""

from __future__ import annotations

import logging
import threading
import time

from bowerbird.collection import Snapshot
from bowerbird.collection.ingest import THUMBNAIL_SIDE
from bowerbird.items import Image, Query, Text
from bowerbird.library import Library
from bowerbird.pipeline.hits import show_hits
from bowerbird.server.names import Names

POLL_SECONDS = 2.0
"""Between looks for what other processes have committed."""
REST = 4.0
"""Times as long as a version took to make ready, the next one waits: searches come first while the store grows."""
log = logging.getLogger("bowerbird.server")


class Reader:
    """`snapshot` is never older than the last `refresh`, and never one whose indexes are still to be built.

    names: how its sources are shown to clients.
    """

    names: Names

    def __init__(self, library: Library) -> None:
        self._library = library
        self._refreshing = threading.Lock()
        self._stopping = threading.Event()
        self.snapshot: Snapshot = self._ready()
        self._thread = threading.Thread(target=self._follow, name="reader", daemon=True)
        self._thread.start()

    def refresh(self) -> Snapshot:
        """Show the newest version from now on; returns when it is ready."""
        with self._refreshing:
            self.snapshot = self._ready()
            return self.snapshot

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)

    def _ready(self) -> Snapshot:
        """The newest snapshot, its index files mapped: they stay usable when a later version deletes their names."""
        snapshot = self._library.collection.snapshot()
        if snapshot is not getattr(self, "snapshot", None) and len(snapshot):
            queries = [Query((Text("warm up"),)), Query((_blank(),))]
            show_hits(snapshot, self._library.rank(queries, 1, snapshot=snapshot))
        if snapshot is not getattr(self, "snapshot", None):
            sources = {source for (source,) in snapshot.columns("source")}
            self.names = Names.of(self._library.collection.folder, sources)
        return snapshot

    def _follow(self) -> None:
        pause = POLL_SECONDS
        while not self._stopping.wait(pause):
            started = time.monotonic()
            try:
                self.refresh()
            except Exception as error:  # the version that is shown stays; the next look may find a whole one
                log.warning("the newest version cannot be read yet: %s", error)
            pause = max(POLL_SECONDS, REST * (time.monotonic() - started))


def _blank() -> Image:
    from PIL import Image as pil

    return Image.from_pil(pil.new("RGB", (THUMBNAIL_SIDE, THUMBNAIL_SIDE), "white"))

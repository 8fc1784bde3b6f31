"""Re-embedding: vectors of other encoders for everything that is stored.

Words are stored whole, so a text encoder needs no file. A picture is stored as a thumbnail and a sound not at all, so
files that are still there unchanged are read again for them. New packs are written first; then one commit moves every
row to its new place and names the new encoders. Until that commit the library is the old one, and nothing of it is
touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.batch import encoded_arrays, field_arrays, picture_arrays, word_arrays
from bowerbird.collection.fields import PICTURED, field_input
from bowerbird.collection.identity import FieldEncoder
from bowerbird.collection.ingest import PACK_ITEMS
from bowerbird.collection.row_checks import check_arrays
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.store import Store
from bowerbird.collection.workers import Job, ReadPool, Settings
from bowerbird.items import Item, Parts, copy_id
from bowerbird.storage.files import digest_file
from bowerbird.storage.packs import write_pack

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder, Input

MEDIA = frozenset({"image", "audio", "video"})
"""What is not stored as it was read."""

Advance = Callable[[int, int], None]
"""Is told how many items are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class ReembedReport:
    """What a re-embedding did."""

    fields: Mapping[str, str]
    """Encoder id of every field that was embedded again."""
    items: int
    thumbnails: tuple[str, ...]
    """Sources whose pictures were embedded from stored thumbnails: the file is gone or has changed."""
    left_out: tuple[str, ...]
    """Sources with pictures, sound or film that have no vectors now: the file is gone or has changed."""
    seconds: float


class Reembedding:
    """One run, inside the writer's lock."""

    def __init__(
        self, store: Store, snapshot: Snapshot, encoders: Mapping[str, Encoder], settings: Settings, advance: Advance
    ) -> None:
        self._store = store
        self._snapshot = snapshot
        self._encoders = encoders
        self._settings = settings
        self._advance = advance
        self._packs = [""] * len(snapshot)
        self._slots = np.zeros(len(snapshot), np.int32)
        self._thumbnails: set[str] = set()
        self._left_out: set[str] = set()

    def run(self, fields: Mapping[str, FieldEncoder], jobs: int) -> ReembedReport:
        """Embed everything, then commit. fields: all of the library, as they are named from then on."""
        started = time.monotonic()
        rows, done = self._rows(jobs), 0
        while batch := dict(islice(rows, PACK_ITEMS)):
            self._write(np.array(list(batch), np.int64), list(batch.values()))
            done += len(batch)
            self._advance(done, len(self._snapshot))
        self._store.move(self._packs, self._slots, fields)
        return ReembedReport(
            {name: str(encoder.id) for name, encoder in self._encoders.items()},
            done,
            tuple(sorted(self._thumbnails)),
            tuple(sorted(self._left_out)),
            time.monotonic() - started,
        )

    def _rows(self, jobs: int) -> Iterator[tuple[int, Item | None]]:
        """Every row once: first those that are read again, with what was read, then all others."""
        left = np.ones(len(self._snapshot), bool)
        wanted = self._wanted()
        files = [
            Job(file["path"], file["source"])
            for file in self._store.files()
            if file["path"] in wanted and _is_same(file["path"], file["digest"])
        ]
        if files:
            with ReadPool(min(jobs, len(files)), self._settings) as pool:
                for chunk in pool.read(files):
                    path, row_of = chunk.job.path, wanted[chunk.job.path]
                    for item in chunk.items:
                        row = row_of.get(item.id, row_of.get(copy_id(item.id, path), -1))
                        if row >= 0 and left[row]:
                            left[row] = False
                            yield row, item
        for row in np.flatnonzero(left).tolist():
            yield row, None

    def _wanted(self) -> dict[str, dict[str, int]]:
        """Path → id → row, of the items whose pictures or sounds an encoder needs."""
        kinds = {kind for encoder in self._encoders.values() for kind in _media_kinds(encoder.inputs)}
        wanted: dict[str, dict[str, int]] = {}
        for row, (path, kind, name) in enumerate(self._snapshot.columns("path", "kind", "id")):
            if kind in kinds:
                wanted.setdefault(path, {})[name] = row
        return wanted

    def _write(self, rows: NDArray[np.int64], fresh: Sequence[Item | None]) -> None:
        """Write the pack of some rows and note where they are in it."""
        items = self._snapshot.items(rows)
        arrays, _ = word_arrays(items)
        arrays |= picture_arrays([self._snapshot.thumbnail(int(row)) or b"" for row in rows])
        for field in self._snapshot.fields:
            if field in self._encoders:
                encoder = self._encoders[field]
                inputs = [self._input(item, read, encoder) for item, read in zip(items, fresh, strict=True)]
                arrays |= encoded_arrays(field, encoder, items, inputs)
            else:
                slots, embedding = self._snapshot.stored(field, rows)
                arrays |= field_arrays(field, slots, embedding) if slots else {}
        arrays |= check_arrays(self._snapshot.records(rows))
        pack = write_pack(self._store.folder / "packs", arrays)
        self._slots[rows] = np.arange(len(rows))
        for row in rows:
            self._packs[row] = pack

    def _input(self, item: Item, read: Item | None, encoder: Encoder) -> Parts:
        """What an encoder is given of an item: words as stored, pictures and sounds as they were read again."""
        if not encoder.inputs & MEDIA:
            return field_input(item, encoder.inputs)
        if read is not None:
            return field_input(read, encoder.inputs)
        parts = field_input(item, encoder.inputs)
        if not parts:
            return ()
        if "image" in encoder.inputs and item.image is not None and item.image.source:
            self._thumbnails.add(item.locator.source)
            return parts
        self._left_out.add(item.locator.source)
        return ()


def _media_kinds(inputs: frozenset[Input]) -> frozenset[str]:
    """Kinds of items whose media an encoder of these inputs takes."""
    pictures = PICTURED if "image" in inputs else frozenset()
    return pictures | {"segment", "shot"} if inputs & {"audio", "video"} else pictures


def _is_same(path: str, digest: str) -> bool:
    """Whether a file is there as it was stored."""
    try:
        return digest_file(path) == digest
    except OSError:
        return False

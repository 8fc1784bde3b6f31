"""A collection's folder with made-up rows, written without readers and encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bowerbird.collection.batch import field_arrays, lexical_arrays, picture_arrays
from bowerbird.collection.generations import Generations
from bowerbird.collection.identity import FieldEncoder
from bowerbird.collection.schema import FileInfo, schema, to_row
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.store import Store
from bowerbird.embeddings import Dense, Embedding, MultiVector
from bowerbird.index.analysis import term_counts
from bowerbird.items import Item, Locator, Text
from bowerbird.storage.packs import write_pack

FIELDS = {"text": FieldEncoder("made up", "made up")}
WORDS = ("bower", "bird", "blue", "feather", "nest", "song", "egg", "wing")
DIM = 8


@dataclass(frozen=True)
class Row:
    """A row to be made. vector: of small whole numbers, so that inner products are exact; None for none.

    tokens: m × any dim, in place of the vector; one commit has rows of one sort.
    """

    id: str
    kind: str = "passage"
    parent: str | None = None
    text: str = ""
    vector: np.ndarray | None = None
    tokens: np.ndarray | None = None


class Folder:
    """The folder of a collection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "packs").mkdir(parents=True)
        (path / "library.json").write_text("{}")
        self.store = Store(path)
        self.store.create(FIELDS)

    def replace(self, gone: Sequence[str], files: dict[str, list[Row]]) -> None:
        """Take out files, and put in files, in one commit and one pack."""
        rows = [(path, row) for path, made in files.items() for row in made]
        if not rows:
            self.store.replace(gone, None)
            return
        filled = [slot for slot, (_, row) in enumerate(rows) if row.vector is not None]
        vectors = np.array([rows[slot][1].vector for slot in filled], np.float32).reshape(-1, DIM)
        arrays = lexical_arrays(term_counts([row.text for _, row in rows], ["en"] * len(rows)))
        arrays |= picture_arrays([f"picture of {row.id} {row.text}".encode() for _, row in rows])
        late = [slot for slot, (_, row) in enumerate(rows) if row.tokens is not None]
        if late:
            tokens = MultiVector.of([np.asarray(rows[slot][1].tokens) for slot in late])
            arrays |= field_arrays("text", late, Embedding(None, tokens))
        if filled:
            arrays |= field_arrays("text", filled, Embedding(Dense(vectors), MultiVector.of(list(vectors[:, None]))))
        pack = write_pack(self.path / "packs", arrays)
        table = [{**_as_row(path, row, slot), "pack": pack} for slot, (path, row) in enumerate(rows)]
        self.store.replace(gone, pa.Table.from_pylist(table, schema=schema()))

    def snapshot(self, generations: Generations, version: int | None = None) -> Snapshot:
        return Snapshot(self.path, self.store.dataset(version), FIELDS, generations)

    def rebuilt(self, home: Path, version: int | None = None) -> Snapshot:
        """A view on an index that is made anew in a folder of its own."""
        generations = Generations(self.path)
        generations.home = home
        return self.snapshot(generations, version)


def _as_row(path: str, row: Row, slot: int) -> dict[str, object]:
    item = Item(row.id, row.kind, (Text(row.text),), Locator(path), row.parent)
    return to_row(item, FileInfo(path, "", 0, 0.0), "en", slot)

"""The derived index of a collection when items come and go: rates, and what a search waits for.

    python -m benchmarks.updates                  # 100,000 items, 1,000 at a time
    python -m benchmarks.updates --items 20000 --batch 100

Rows are made up: words drawn by Zipf's law, random vectors of 384 dimensions around 500 centres. Nothing is read or
encoded; what is timed is the index. Commits of the table (Lance) are not counted as work on the index, but searches run
beside them, too. For the indexes themselves: python -m benchmarks.engine.changes
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bowerbird.collection.batch import field_arrays, lexical_arrays, picture_arrays
from bowerbird.collection.generations import Generations
from bowerbird.collection.identity import FieldEncoder
from bowerbird.collection.schema import schema
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.store import Store
from bowerbird.embeddings import Dense, Embedding, Sparse
from bowerbird.storage.packs import write_pack

DIM = 384
WORDS = 60
VOCABULARY = 200_000
FIELDS = {"text": FieldEncoder("made up", "made up")}
K = 200
ROUNDS = 20


@dataclass
class Made:
    """Draws rows."""

    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.centres = self.random.standard_normal((500, DIM), np.float32)

    def vectors(self, count: int) -> Dense:
        near = self.centres[self.random.integers(0, len(self.centres), count)]
        return Dense(near + 0.7 * self.random.standard_normal((count, DIM), np.float32)).normalized()

    def words(self, count: int) -> Sparse:
        """Every document has WORDS terms; some are drawn twice."""
        drawn = self.terms((count, WORDS))
        pieces = [np.unique(row, return_counts=True) for row in drawn]
        offsets = np.concatenate([[0], np.cumsum([len(terms) for terms, _ in pieces])]).astype(np.int64)
        terms, counts = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return Sparse(terms.astype(np.uint64), counts.astype(np.float32), offsets)

    def terms(self, shape: tuple[int, ...]) -> np.ndarray:
        """Words of a text without the most frequent ones; as hashes, which are far apart."""
        rank = np.minimum(self.random.zipf(1.2, shape) + 20, VOCABULARY).astype(np.uint64)
        return rank * np.uint64(0x9E3779B97F4A7C15)


class Rows:
    """The rows of a collection, its derived index, and no more."""

    def __init__(self, folder: Path, made: Made) -> None:
        self.folder, self.made = folder, made
        (folder / "packs").mkdir()
        (folder / "library.json").write_text("{}")
        self.store = Store(folder)
        self.store.create(FIELDS)
        self.generations = Generations(folder)
        self.number = 0
        self.live: list[str] = []

    def commit(self, count: int, gone: int = 0) -> None:
        """Put in new files of ten rows each, and take out the oldest rows."""
        taken, self.live = self.live[: gone // 10], self.live[gone // 10 :]
        self.store.replace(taken, self.table(count) if count else None)

    def table(self, count: int) -> pa.Table:
        arrays = lexical_arrays(self.made.words(count)) | picture_arrays([b""] * count)
        arrays |= field_arrays("text", range(count), Embedding(self.made.vectors(count)))
        pack = write_pack(self.folder / "packs", arrays)
        rows = []
        for slot in range(count):
            number, first = self.number + slot, self.number + slot - slot % 10
            path = f"file-{first:08}"
            root = None if number == first else f"{first:032x}"
            rows.append(
                {
                    "id": f"{number:032x}", "kind": "passage" if root else "document", "parent": root, "source": path,
                    "path": path, "digest": "", "size": 0, "modified": 0.0, "parts": "[]", "metadata": "{}",
                    "pack": pack, "slot": slot,
                }
            )  # fmt: skip
            if root is None:
                self.live.append(path)
        self.number += count
        return pa.Table.from_pylist(rows, schema=schema())

    def snapshot(self) -> Snapshot:
        """What opens a version: its index is brought up to date."""
        snapshot = Snapshot(self.folder, self.store.dataset(), FIELDS, self.generations)
        len(snapshot)
        return snapshot


def search(snapshot: Snapshot, made: Made) -> None:
    """The parts of a search that read the derived index, for one query of five words and a vector."""
    words = [[(int(term),) for term in made.terms((5,))]]
    by_words, _ = snapshot.index(lambda derived: derived.lexical).search(words, K)
    by_meaning, _ = snapshot.dense("text", made.vectors(1), K)
    found = np.concatenate([by_words[by_words >= 0], by_meaning[by_meaning >= 0]])
    snapshot.ids_of(snapshot.groups[found])


def milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


class Searching:
    """Searches in a thread of its own, one after the other, each on the newest version."""

    def __init__(self, once: Callable[[], None]) -> None:
        self.took: list[float] = []
        self._once, self._stop = once, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.took.append(milliseconds(self._once))

    def __enter__(self) -> Searching:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def of_collection(folder: Path, items: int, batch: int) -> Iterator[tuple[str, str]]:
    made = Made()
    rows = Rows(folder, made)
    for _ in range(0, items, 1000):
        rows.commit(1000)
    yield "full build", f"{milliseconds(rows.snapshot) / 1000:.1f} s"
    yield "open", f"{_median([milliseconds(lambda: _opened(rows)) for _ in range(5)]):.1f} ms"
    quiet = rows.snapshot()
    search(quiet, made)
    yield "search, nothing else going on", _spread([milliseconds(lambda: search(quiet, made)) for _ in range(100)])
    for name, added, gone in (("add", batch, 0), ("remove", 0, batch), ("replace", batch, batch)):
        index, first, merges = [], [], []
        for _ in range(ROUNDS):
            rows.commit(added, gone)
            index.append(milliseconds(rows.snapshot))
            newest = rows.snapshot()
            first.append(milliseconds(lambda newest=newest: search(newest, made)))
            merges.append(milliseconds(lambda: _merged(rows)))
        rate = 1000 * ROUNDS * (added + gone) / (sum(index) + sum(merges))
        yield f"{name} {batch:,} items", f"{rate:,.0f} items/s; merges {sum(merges) / ROUNDS:.0f} ms of each"
        yield f"  search right after {name}", _spread([a + b for a, b in zip(index, first, strict=True)])
    beside = Made(np.random.default_rng(1))
    with Searching(lambda: search(rows.snapshot(), beside)) as searching:
        started = time.perf_counter()
        for _ in range(ROUNDS):
            rows.commit(batch, batch)
            rows.snapshot()
            _merged(rows)
        took = time.perf_counter() - started
    yield "search beside replacing", _spread(searching.took)
    yield "  items replaced meanwhile", f"{ROUNDS * batch / took:,.0f} items/s, commits of the table included"
    segments = rows.snapshot().index(lambda derived: derived.indexes(["text"]))[0].segments
    yield "segments in the end", str(segments)


def _opened(rows: Rows) -> None:
    snapshot = Snapshot(rows.folder, rows.store.dataset(), FIELDS, Generations(rows.folder))
    snapshot.rows_of(["0"])


def _merged(rows: Rows) -> None:
    while rows.generations.merge():
        pass


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _spread(values: list[float]) -> str:
    p50, p95, most = np.percentile(values, [50, 95, 100])
    return f"p50 {p50:.1f}, p95 {p95:.1f}, max {most:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1000, help="items per change, a multiple of ten")
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"{options.items:,} items; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table = Table("what", "measured")
    with tempfile.TemporaryDirectory() as folder:
        for what, measured in of_collection(Path(folder), options.items, options.batch):
            table.add_row(what, measured)
    console.print(table)


if __name__ == "__main__":
    main()

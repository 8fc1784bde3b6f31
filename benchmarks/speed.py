"""Speed of adding and searching, memory and disk.

    python -m benchmarks.speed                   # add rates; search at 10,000 and 100,000 items
    python -m benchmarks.speed --sizes 10000
    python -m benchmarks.speed --write docs/benchmarks.md

Large collections are filled with 1,000 real passages, encoded once and repeated with noise on their vectors, so that
the search does all its work on real word statistics; adding them is not timed.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid

import bowerbird as bb
from benchmarks import sets
from benchmarks.report import machine, write_section
from bowerbird.collection.batch import field_arrays, lexical_arrays, picture_arrays
from bowerbird.collection.ingest import Ingest
from bowerbird.collection.progress import Silent
from bowerbird.collection.schema import FileInfo, schema, to_row
from bowerbird.collection.workers import Settings
from bowerbird.embeddings import Dense, Embedding, MultiVector
from bowerbird.encoders import load, token_counter
from bowerbird.index.analysis import term_counts
from bowerbird.readers.base import ReadOptions
from bowerbird.storage.packs import write_pack

EXAMPLES = Path(__file__).parents[1] / "examples"
BASE = 1000
TOKENS = 64
"""Token vectors kept per passage in the large collections, to bound their size on disk."""
QUERIES = 100
CHANGES = 20


@dataclass(frozen=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def __rich__(self) -> Grid:
        grid = Grid(*self.header, title=self.title)
        for row in self.rows:
            grid.add_row(*row)
        return grid

    def markdown(self) -> str:
        lines = [self.header, ["---:"] * len(self.header), *self.rows]
        return f"{self.title}:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def adding() -> Table:
    """Items per second of the example files by kind, everything included, without OCR and speech."""
    rows = []
    for kind in ("papers", "photos", "slides", "web", "tables", "sounds", "video", "mail"):
        with tempfile.TemporaryDirectory() as folder:
            library = bb.open(f"{folder}/library")
            library.search("warm up")
            report = library.collection.add([EXAMPLES / kind], settings=Settings("e5", ocr=False, speech=False))
            size = sum(library.collection.stats().bytes.values()) / report.items / 1000
            rate = f"{report.items / report.seconds:.1f}"
            rows.append((kind, str(report.items), f"{report.seconds:.1f}", rate, f"{size:.0f}"))
    return Table("Adding the example files", ("files", "items", "seconds", "items/s", "KB on disk per item"), rows)


def fill(library: bb.Library, count: int) -> list[str]:
    """Store `count` items; the texts of the base set."""
    options = ReadOptions(count_tokens=token_counter("e5"))
    items = list(sets.documents(sets.DATA / "text/cranfield/corpus.jsonl", options))[:BASE]
    texts = [item.text for item in items]
    encoded = load("e5").encode_items([item.parts for item in items])
    assert encoded.dense is not None
    assert encoded.tokens is not None
    random = np.random.default_rng(0)
    counts = term_counts(texts, ["en"] * BASE)
    store = library.collection._store
    for start in range(0, count, BASE):
        dense = encoded.dense.vectors + 0.02 * random.standard_normal(encoded.dense.vectors.shape, np.float32)
        tokens = MultiVector.of([encoded.tokens[row][:TOKENS] for row in range(BASE)])
        arrays = lexical_arrays(counts) | picture_arrays([b""] * BASE)
        arrays |= field_arrays("text", range(BASE), Embedding(Dense(dense).normalized(), tokens))
        pack = write_pack(library.collection.folder / "packs", arrays)
        rows = []
        for slot, item in enumerate(items):
            made = bb.Item(f"{start + slot:08}", "passage", item.parts, bb.Locator(f"{start}-{slot}"), title=item.title)
            rows.append({**to_row(made, FileInfo(f"item:{start}-{slot}", "", 0, 0.0), "en", slot), "pack": pack})
        store.replace([], pa.Table.from_pylist(rows, schema=schema()))
    return texts


SEARCHING = (
    "items", "index build s", "open ms", "p50 ms", "p95 ms", "batch of 100, ms/query", "after add ms",
    "after remove ms", "MB disk", "peak MB",
)  # fmt: skip


def _new(number: int) -> bb.Item:
    text = bb.Text(f"A note on boundary layers, number {number}.")
    return bb.Item(f"new-{number}", "passage", (text,), bb.Locator(f"new-{number}"))


def _searched_after(library: bb.Library, change: Callable[[], object], text: str) -> float:
    """Milliseconds of the first search after a commit of another process, which has not touched the index."""
    change()
    started = time.perf_counter()
    library.search(text)
    return 1000 * (time.perf_counter() - started)


def _added(library: bb.Library, number: int) -> Callable[[], object]:
    store, encoders = library.collection._store, {"text": load("e5")}
    return lambda: Ingest(store, encoders, Settings("e5"), Silent()).run_items([_new(number)])


def searching(sizes: list[int]) -> Table:
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            library = bb.open(f"{folder}/library", fields={"text": "e5"})
            fill(library, size)
            asked = [
                str(query.text) for query in sets.beir("text/cranfield", ReadOptions()).queries["cranfield"].queries
            ]
            started = time.perf_counter()
            library.search("warm up")
            built = time.perf_counter() - started
            started = time.perf_counter()
            bb.open(f"{folder}/library").collection.snapshot().rows_of(["0"])
            opened = (time.perf_counter() - started) * 1000
            took = [library.search(text).took_ms for text in asked[:QUERIES]]
            batch = library.search_many(asked[QUERIES : 2 * QUERIES])[0].took_ms / QUERIES
            store = library.collection._store
            added = [_searched_after(library, _added(library, n), asked[n]) for n in range(CHANGES)]
            removed = [
                _searched_after(library, partial(store.replace, [f"item:0-{n}"], None), asked[n])
                for n in range(CHANGES)
            ]
            disk = sum(library.collection.stats().bytes.values()) / 1e6
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            figures = [built, opened, float(np.median(took)), float(np.percentile(took, 95)), batch]
            figures += [float(np.median(added)), float(np.median(removed)), disk, peak]
            rows.append((f"{size:,}", *(f"{figure:.1f}" for figure in figures)))
    return Table("Searching: encoding, BM25, vectors, late interaction, evidence", SEARCHING, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put the tables into this guide")
    given = parser.parse_args()
    tables = [adding(), searching(given.sizes)]
    Console(width=120).print(*tables)
    if given.write:
        write_section(given.write, "speed", "\n\n".join([f"{machine()}.", *(table.markdown() for table in tables)]))


if __name__ == "__main__":
    main()

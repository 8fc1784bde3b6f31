"""Late interaction in a library whose field has token vectors only: all items compared, or those centroids nominate.

    python -m benchmarks.engine.collection

The pages of a real encoder would be such a field; here it is filled with the token vectors of texts, as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.engine.threads import limit

limit(2)  # searches take one; Lance commits nothing with one thread for its reads and writes

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.console import Console  # noqa: E402

from benchmarks.engine.sets import FOLDER, load_items, load_queries  # noqa: E402
from benchmarks.engine.synthetic import grown  # noqa: E402
from bowerbird.collection import segment  # noqa: E402
from bowerbird.collection.batch import field_arrays, lexical_arrays, picture_arrays  # noqa: E402
from bowerbird.collection.generations import Generations  # noqa: E402
from bowerbird.collection.identity import FieldEncoder  # noqa: E402
from bowerbird.collection.schema import FileInfo, schema, to_row  # noqa: E402
from bowerbird.collection.snapshot import Snapshot  # noqa: E402
from bowerbird.collection.store import Store  # noqa: E402
from bowerbird.embeddings import Embedding, MultiVector  # noqa: E402
from bowerbird.index.analysis import term_counts  # noqa: E402
from bowerbird.index.kernels import Query  # noqa: E402
from bowerbird.items import Item, Locator  # noqa: E402
from bowerbird.storage.packs import write_pack  # noqa: E402

SIZES = (10_000, 100_000)
LONGEST = 48
"""Tokens of an item."""
COMMIT = 2000
QUERIES = 200
SPARED = 5
"""All items are compared for every so many queries only."""
K = 10
FIELDS = {"text": FieldEncoder("token vectors", "as they are")}


Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Way:
    """How candidates are found. recall_at_10: beside MaxSim of all items. Times in milliseconds of one thread."""

    name: str
    items: int
    tokens: int
    recall_at_10: float
    p50_ms: float
    p95_ms: float
    first_ms: float
    """Of the first search after opening."""
    build_s: float
    index_mb: float


def fill(folder: Path, tokens: MultiVector) -> None:
    """A library of items that are token vectors only."""
    (folder / "packs").mkdir()
    (folder / "library.json").write_text("{}")
    store = Store(folder)
    store.create(FIELDS)
    for start in range(0, len(tokens), COMMIT):
        inside = tokens.offsets[start : start + COMMIT + 1]
        part = MultiVector(tokens.vectors[inside[0] : inside[-1]], inside - inside[0])
        arrays = lexical_arrays(term_counts([""] * len(part), [""] * len(part))) | picture_arrays([b""] * len(part))
        pack = write_pack(folder / "packs", arrays | field_arrays("text", range(len(part)), Embedding(None, part)))
        names = [f"{start + slot:08}" for slot in range(len(part))]
        items = [Item(name, "passage", (), Locator(name)) for name in names]
        rows = [to_row(item, FileInfo(item.id, "", 0, 0.0), "", slot) for slot, item in enumerate(items)]
        store.replace([], pa.Table.from_pylist([{**row, "pack": pack} for row in rows], schema=schema()))


def measure(name: str, folder: Path, tokens: int, queries: Sequence[Query]) -> tuple[Way, list[Rows]]:
    """And what was found; recall is not known yet."""
    store, started = Store(folder), time.perf_counter()
    built = Snapshot(folder, store.dataset(None), FIELDS, Generations(folder))
    size = sum(one.bytes for one in built.index(lambda derived: derived.indexes(["text"]))) / 1e6
    build_s = time.perf_counter() - started
    view = Snapshot(folder, store.dataset(None), FIELDS, Generations(folder))
    first, _ = _timed(view, queries[0])
    took, found = [], []
    for query in queries:
        _timed(view, query)  # with the caches as they are when nothing else is searched
        one, rows = _timed(view, query)
        took.append(one)
        found.append(rows)
    times = [float(np.quantile(took, share)) for share in (0.5, 0.95)]
    return Way(name, len(view), tokens, 1.0, *times, first, build_s, size), found


def _timed(view: Snapshot, query: Query) -> tuple[float, Rows]:
    started = time.perf_counter()
    rows, _ = view.late("text", query, K)
    return 1000 * (time.perf_counter() - started), rows


def both(size: int, folder: Path) -> list[Way]:
    vectors, offsets = grown(*load_items("text", folder), max(SIZES), LONGEST, folder / "changed_vec.npy")
    tokens = MultiVector(vectors[: offsets[size]], offsets[: size + 1])
    queries = [Query.of(query) for query in load_queries("text", folder)[:QUERIES]]
    with tempfile.TemporaryDirectory(dir=folder) as room:
        library = Path(room)
        fill(library, tokens)
        wanted, segment.NOMINATED = segment.NOMINATED, 1 << 62
        every, best = measure("all are compared", library, len(tokens.vectors), queries[::SPARED])
        segment.NOMINATED = wanted
        for path in (library / "index").iterdir():
            path.unlink()
        few, found = measure("centroids nominate", library, len(tokens.vectors), queries)
    shares = [len(set(mine) & set(true)) / K for mine, true in zip(found[::SPARED], best, strict=True)]
    return [every, replace(few, recall_at_10=float(np.mean(shares)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder, console = parser.parse_args().folder, Console()
    measured = [way for size in SIZES for way in both(size, folder)]
    console.print(*measured)
    target = folder / "results" / "collection.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"load": os.getloadavg()[0], "ways": [asdict(one) for one in measured]}, indent=1))


if __name__ == "__main__":
    main()

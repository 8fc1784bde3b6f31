"""How the time of a search grows with the collection: 10,000, 100,000 and a million documents.

    python -m benchmarks.engine.scaling

Documents of late interaction are the first twelve tokens of the texts, and copies of them that are moved towards
another text; those of the dense index are the first ones of the set dense1m. One thread; truth is an exact pass in
float32. The exponent is the slope of the logarithm of time over that of size: 1 is linear, 0 is constant.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.engine.threads import limit

limit(1)

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402

from benchmarks.engine.arrays import Ids, best  # noqa: E402
from benchmarks.engine.measure import recall  # noqa: E402
from benchmarks.engine.sets import FOLDER, load_items, load_queries  # noqa: E402
from benchmarks.engine.synthetic import grown  # noqa: E402
from benchmarks.engine.truth import maxsim  # noqa: E402
from bowerbird.embeddings import Dense, MultiVector  # noqa: E402
from bowerbird.index.base import Found, IndexStats  # noqa: E402
from bowerbird.index.dense import KIND, DenseIndex  # noqa: E402
from bowerbird.index.dense_segment import DenseSegment  # noqa: E402
from bowerbird.index.manifest import Manifest  # noqa: E402
from bowerbird.index.multivector import MultiVectorIndex  # noqa: E402
from bowerbird.storage.packs import write_pack  # noqa: E402

SIZES = (10_000, 100_000, 1_000_000)
LONGEST = 12
"""Tokens of a document."""
QUERIES = 40
K = 10
AIM = 0.95
"""The recall that is asked for."""
TURNS = 3
COPIES = 9
"""Of the largest dense index, to open as one of 10 GB."""


@dataclass(frozen=True)
class Scaled:
    kind: str
    items: int
    recall_at_10: float
    p50_ms: float
    p95_ms: float
    build_s: float
    bytes: int
    vectors: int
    strategy: str


@dataclass(frozen=True)
class Opening:
    """Milliseconds to open an index, and to open it and find one query's neighbours."""

    bytes: int
    open_ms: float
    first_search_ms: float


def tokens(folder: Path, size: int) -> Scaled:
    whole, offsets = grown(*load_items("text", folder), max(SIZES), LONGEST, folder / "scaled_vec.npy")
    offsets = offsets[: size + 1]
    vectors, queries = whole[: offsets[-1]], load_queries("text", folder)[:QUERIES]
    started = time.perf_counter()
    index = MultiVectorIndex.build(np.arange(size), MultiVector(vectors, offsets), folder=_room(folder))
    took = time.perf_counter() - started
    truth = [best(row, K) for row in maxsim(vectors, offsets, queries)]
    asked = [MultiVector.of([query]) for query in queries]
    search = [lambda query=query: index.search(query, K, recall=AIM) for query in asked]
    return _measured("late interaction", index.stats(), took, len(vectors), search, truth)


def dense(folder: Path, size: int) -> Scaled:
    vectors, queries = load_items("dense1m", folder)[0][:size], load_queries("dense1m", folder)[:QUERIES]
    started = time.perf_counter()
    index = DenseIndex.build(np.arange(size), Dense(vectors), folder=_room(folder))
    took = time.perf_counter() - started
    truth = [best(row, K) for row in maxsim(vectors, np.arange(size + 1), queries)]
    search = [lambda query=query: index.search(Dense(query), K, recall=AIM) for query in queries]
    return _measured("dense", index.stats(), took, size, search, truth)


def opening(folder: Path) -> Opening:
    """Of the dense index that was built last: its segment, again and again with other keys, until there are 10 GB."""
    large = _room(folder, "opening")
    manifest = Manifest.read(folder / "index" / "scaling", KIND)
    one = DenseSegment.open(folder / "index" / "scaling" / manifest.segments[0][0])
    names = [write_pack(large, {**one.arrays, "keys": one.keys + number * len(one)}) for number in range(COPIES)]
    replace(manifest, segments=tuple((name, "") for name in names)).write(large)
    query = Dense(load_queries("dense1m", folder)[0])
    opened, searched = [], []
    for _ in range(TURNS):
        started = time.perf_counter()
        index = DenseIndex.open(large)
        opened.append(1000 * (time.perf_counter() - started))
        index.search(query, K)
        searched.append(1000 * (time.perf_counter() - started))
    size = index.stats().bytes
    del index
    shutil.rmtree(large)
    return Opening(size, float(np.median(opened)), float(np.median(searched)))


def _measured(
    kind: str,
    stats: IndexStats,
    build_s: float,
    vectors: int,
    searches: Sequence[Callable[[], Found]],
    truth: list[Ids],
) -> Scaled:
    times, recalls = [], []
    for _ in range(TURNS):
        for search, expected in zip(searches, truth, strict=True):
            started = time.perf_counter()
            found = search()
            times.append(1000 * (time.perf_counter() - started))
            recalls.append(recall(found.keys[0], expected, K))
    p50, p95 = (float(np.quantile(times, share)) for share in (0.5, 0.95))
    strategy = str(stats.detail["strategy"])
    return Scaled(kind, stats.count, float(np.mean(recalls)), p50, p95, build_s, stats.bytes, vectors, strategy)


def _room(folder: Path, name: str = "scaling") -> Path:
    room = folder / "index" / name
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    return room


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    wanted = parser.parse_args()
    console, measured, opened = Console(), [], None
    target = wanted.folder / "results" / "scaling.json"
    target.parent.mkdir(exist_ok=True)
    for kind in (dense, tokens):
        for size in wanted.sizes:
            measured.append(kind(wanted.folder, size))
            console.print(measured[-1])
        if opened is None:
            opened = asdict(opening(wanted.folder))
            console.print(opened)
        target.write_text(json.dumps({"sizes": [asdict(one) for one in measured], "opening": opened}, indent=1))


if __name__ == "__main__":
    main()

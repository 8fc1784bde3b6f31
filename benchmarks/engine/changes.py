"""How fast documents come and go while searches run, and how long a search then has to wait.

    python -m benchmarks.engine.changes

One thread searches without a break; another adds documents that are new, then takes them out again, a batch at a time.
Every batch is durable before the next one begins, and segments are merged in the background meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import TypeAlias

from benchmarks.engine.threads import limit

limit(1)

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402

from benchmarks.engine.sets import FOLDER, load_items, load_queries  # noqa: E402
from benchmarks.engine.synthetic import grown  # noqa: E402
from bowerbird.embeddings import Dense, MultiVector  # noqa: E402
from bowerbird.index.dense import DenseIndex  # noqa: E402
from bowerbird.index.multivector import MultiVectorIndex  # noqa: E402

ITEMS = 100_000
CHANGED = 20_000
"""Of them, how many are added while searches run, and then taken out."""
BATCH = 1000
LONGEST = 48
"""Tokens of a document."""
ALONE_S = 10.0
"""Searches without changes, to compare with."""
K = 10

Search: TypeAlias = Callable[[int], object]
Change: TypeAlias = Callable[[int, int], object]


@dataclass(frozen=True)
class Phase:
    """per_s: changed documents. Times of the searches meanwhile in milliseconds."""

    name: str
    per_s: float
    searches: int
    p50_ms: float
    p95_ms: float
    longest_ms: float


@dataclass(frozen=True)
class Changes:
    """What was measured on one index."""

    kind: str
    items: int
    changed: int
    batch: int
    load: float
    """Average of the machine's last minute, 2 when nothing else ran."""
    phases: list[Phase]


def dense(folder: Path) -> Changes:
    vectors, _ = load_items("dense1m", folder)
    queries = [Dense(query) for query in load_queries("dense1m", folder)]
    index = DenseIndex.build(np.arange(ITEMS - CHANGED), Dense(vectors[: ITEMS - CHANGED]), folder=_room(folder))

    def add(start: int, end: int) -> None:
        index.add(np.arange(start, end), Dense(np.asarray(vectors[start:end])))

    return run("dense", index, lambda number: index.search(queries[number % len(queries)], K), add)


def tokens(folder: Path) -> Changes:
    vectors, offsets = grown(*load_items("text", folder), ITEMS, LONGEST, folder / "changed_vec.npy")
    queries = [MultiVector.of([query]) for query in load_queries("text", folder)]

    def part(start: int, end: int) -> tuple[np.ndarray, MultiVector]:
        inside = offsets[start : end + 1]
        return np.arange(start, end), MultiVector(vectors[inside[0] : inside[-1]], inside - inside[0])

    index = MultiVectorIndex.build(*part(0, ITEMS - CHANGED), folder=_room(folder))

    def add(start: int, end: int) -> None:
        index.add(*part(start, end), threads=1)

    return run("late interaction", index, lambda number: index.search(queries[number % len(queries)], K), add)


def run(kind: str, index: DenseIndex | MultiVectorIndex, search: Search, add: Change) -> Changes:
    def remove(start: int, end: int) -> None:
        index.remove(np.arange(start, end))

    phases = [
        _phase("searches alone", search, lambda: time.sleep(ALONE_S), 0),
        _phase("adding", search, lambda: _in_batches(add), CHANGED),
        _phase("merging after that", search, index.wait, 0),
        _phase("removing", search, lambda: _in_batches(remove), CHANGED),
    ]
    index.wait()
    return Changes(kind, ITEMS, CHANGED, BATCH, os.getloadavg()[0], phases)


def _in_batches(change: Change) -> None:
    for start in range(ITEMS - CHANGED, ITEMS, BATCH):
        change(start, start + BATCH)


def _phase(name: str, search: Search, change: Callable[[], object], count: int) -> Phase:
    with _searching(search) as took:
        started = time.perf_counter()
        change()
        seconds = time.perf_counter() - started
    times = 1000 * np.array(took)
    quantiles = [float(np.quantile(times, share)) for share in (0.5, 0.95, 1.0)]
    return Phase(name, count / seconds, len(times), *quantiles)


@contextmanager
def _searching(search: Search) -> Iterator[list[float]]:
    """Searches in a thread until the block ends; seconds that each took."""
    took: list[float] = []
    stop = threading.Event()

    def work() -> None:
        for number in cycle(range(1000)):
            if took and stop.is_set():
                return
            started = time.perf_counter()
            search(number)
            took.append(time.perf_counter() - started)

    search(0)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()


def _room(folder: Path) -> Path:
    room = folder / "index" / "changes"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir(parents=True)
    return room


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    console, measured = Console(), []
    for kind in (dense, tokens):
        measured.append(kind(folder))
        console.print(measured[-1])
    target = folder / "results" / "changes.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(one) for one in measured], indent=1))


if __name__ == "__main__":
    main()

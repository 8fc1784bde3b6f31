"""Runs all settings of all indexes, query by query in turn, so that other work on the machine slows all alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine import threads
from benchmarks.engine.adapter import Adapter, Batched, Counted, label
from benchmarks.engine.arrays import Floats, Ids
from benchmarks.engine.build import Built, ensure_built, index_folder
from benchmarks.engine.memory import bandwidth
from benchmarks.engine.roster import Absent, Entry, load
from benchmarks.engine.sets import BenchSet

DEPTH = 100
SLOW_S = 1.0
"""Searches beyond this are measured on every fifth query only."""
SPARED = 5
CACHED_S = 0.02
"""Searches below this are measured with the processor's caches as a server of this one index would have them."""
WARM_UP = 2


@dataclass(frozen=True)
class Row:
    """What one setting of one index did on one set."""

    set: str
    peer: str
    setting: str
    ours: bool
    threads: int
    queries: int
    recall_at_10: float
    recall_at_100: float
    wall_p50_ms: float
    wall_p95_ms: float
    cpu_p50_ms: float
    queries_per_s: float | None
    """Of a batch, only where throughput was asked for."""
    build_wall_s: float
    build_cpu_s: float
    disk_mb: float
    memory_mb: float
    """By how much the process grew when the index was opened and searched for the first time. The float32 vectors that
    maxsim-cpu and the two-stage methods share count for the first of them."""
    touched_mb: float | None
    """Read by a search, as far as the adapter knows."""


@dataclass(frozen=True)
class Opened:
    entry: Entry
    adapter: Adapter[Any]
    built: Built
    memory_mb: float


@dataclass
class Run:
    """A setting and its measurements so far."""

    index: Opened
    setting: Any
    recalls: list[tuple[float, float]] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    rate: float | None = None

    def once(self, queries: Sequence[Floats], number: int, truth: Ids) -> None:
        """Searches, after an unmeasured search of another query if the state of caches would show."""
        search = self.index.adapter.search
        if not self.walls or self.walls[-1] < CACHED_S:
            search(queries[number - 1], DEPTH, self.setting)
        wall, cpu = time.perf_counter(), time.process_time()
        found = search(queries[number], DEPTH, self.setting)
        self.cpus.append(time.process_time() - cpu)
        self.walls.append(time.perf_counter() - wall)
        self.recalls.append((recall(found, truth[number], 10), recall(found, truth[number], DEPTH)))

    @property
    def slow(self) -> bool:
        return bool(self.walls) and float(np.median(self.walls)) > SLOW_S

    def row(self, given: BenchSet) -> Row:
        at_10, at_100 = np.mean(self.recalls, axis=0)
        return Row(
            set=given.name,
            peer=self.index.entry.name,
            setting=label(self.setting),
            ours=self.index.entry.ours,
            threads=threads.allowed(),
            queries=len(self.walls),
            recall_at_10=float(at_10),
            recall_at_100=float(at_100),
            wall_p50_ms=1000 * float(np.median(self.walls)),
            wall_p95_ms=1000 * float(np.quantile(self.walls, 0.95)),
            cpu_p50_ms=1000 * float(np.median(self.cpus)),
            queries_per_s=self.rate,
            build_wall_s=self.index.built.wall_s,
            build_cpu_s=self.index.built.cpu_s,
            disk_mb=self.index.built.disk_bytes / 1e6,
            memory_mb=self.index.memory_mb,
            touched_mb=self._touched_mb(),
        )

    def _touched_mb(self) -> float | None:
        adapter = self.index.adapter
        return adapter.touched(self.setting) / 1e6 if isinstance(adapter, Counted) else None


@dataclass(frozen=True)
class Measured:
    """vectors, dim: of the set. gb_per_s: that one thread reads from memory. load: average of the machine's last
    minute, 1 when nothing else ran."""

    rows: list[Row]
    absent: list[Absent]
    items: int
    vectors: int
    dim: int
    gb_per_s: float
    load: float


def measure(
    entries: Sequence[Entry],
    given: BenchSet,
    folder: Path,
    *,
    queries: int,
    throughput: bool,
    minutes: float,
    say: Callable[[str], None],
) -> Measured:
    """minutes: that a build may take."""
    opened, absent = [], []
    for entry in entries:
        say(f"{entry.name}: building or opening")
        found = _open(entry, given, folder, minutes)
        if isinstance(found, Absent):
            say(f"{found.name}: {found.reason}")
            absent.append(found)
        else:
            opened.append(found)
    runs = [Run(index, setting) for index in opened for setting in index.adapter.settings()]
    _search(runs, given.queries[:queries], given.truth)
    if throughput:
        for run in runs:
            run.rate = _rate(run, given.queries[:queries])
    rows, (vectors, dim) = [run.row(given) for run in runs], given.vectors.shape
    return Measured(rows, absent, given.items, vectors, dim, bandwidth() / 1e9, os.getloadavg()[0])


def recall(found: Ids, truth: Ids, depth: int) -> float:
    return len(set(found[:depth].tolist()) & set(truth[:depth].tolist())) / min(depth, len(truth))


def _open(entry: Entry, given: BenchSet, folder: Path, minutes: float) -> Opened | Absent:
    adapter = load(entry)
    if isinstance(adapter, Absent):
        return adapter
    built = ensure_built(given.name, entry.name, folder, minutes)
    if not isinstance(built, Built):
        return Absent(entry.name, built.reason)
    before = _resident_mb()
    adapter.open(given.vectors, given.offsets, index_folder(given.name, entry.name, folder))
    for setting in adapter.settings():
        for query in given.queries[:WARM_UP]:
            adapter.search(query, DEPTH, setting)
    return Opened(entry, adapter, built, _resident_mb() - before)


def _search(runs: list[Run], queries: Sequence[Floats], truth: Ids) -> None:
    """All queries with all settings; in one turn each setting has another query, so that none profits from another."""
    for turn in range(len(queries)):
        for place, run in enumerate(runs):
            if turn % SPARED == 0 or not run.slow:
                run.once(queries, (turn + place) % len(queries), truth)


def _rate(run: Run, queries: Sequence[Floats]) -> float:
    """Queries per second of a batch, on all threads that the process may use."""
    adapter, asked = run.index.adapter, queries[::SPARED] if run.slow else queries
    start = time.perf_counter()
    if isinstance(adapter, Batched):
        adapter.search_batch(asked, DEPTH, run.setting)
    else:
        with ThreadPoolExecutor(threads.allowed()) as pool:
            list(pool.map(lambda query: adapter.search(query, DEPTH, run.setting), asked))
    return len(asked) / (time.perf_counter() - start)


def _resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / 1e6

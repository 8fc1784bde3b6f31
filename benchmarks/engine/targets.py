"""What the engine is meant to reach, and whether it was reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from benchmarks.engine.measure import Measured, Row
from benchmarks.engine.table import LEVELS, cheapest, table

SHARE = 0.5
"""Of the fastest peer's time, for late interaction."""
LIKE = 0.02
"""Recall that a peer may lack of ours and still be alike when builds are compared."""
POOLED = "mean pooling + MaxSim"
"""Not compared by its build, which takes a mean and has nothing to learn or sort."""
BYTES = {"bowerbird": 1.1, "bowerbird 4 bit": 0.6, "bowerbird 2 bit": 0.3}
"""Per dimension."""
FDE_TIMES = 5
OPEN_MS = 100
CHANGES_PER_S = 5000
PAUSE_MS = 50

Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    wanted: str
    found: str
    met: bool


def markdown(sets: Mapping[str, Measured], changes: Sequence[Json], scaling: Json, fde: Json) -> str:
    found = [*_late(sets), *_dense(sets), *_fde(fde), *_opening(scaling), *_changes(changes)]
    rows = [[one.wanted, one.found, "met" if one.met else "**not met**"] for one in found]
    return table(["target", "measured", ""], rows)


def exponent(small: Json, large: Json) -> float:
    """Of time as a power of size."""
    return log(large["p50_ms"] / small["p50_ms"]) / log(large["items"] / small["items"])


def _late(sets: Mapping[str, Measured]) -> Iterator[Target]:
    for name in ("s20", "text", "pages"):
        if name not in sets:
            continue
        for level in LEVELS:
            yield from _share(name, [sets[one] for one in (name, f"{name}-part") if one in sets], level, SHARE)
        yield from _build(name, sets[name])
        yield from _sizes(name, sets[name])


def _dense(sets: Mapping[str, Measured]) -> Iterator[Target]:
    for name in ("dense100k", "dense1m"):
        if name in sets:
            yield from _share(name, [sets[name]], LEVELS[0], 1.0)
        if f"{name}-throughput" in sets:
            yield from _rate(name, sets[f"{name}-throughput"])


def _share(name: str, runs: Sequence[Measured], level: float, share: float) -> Iterator[Target]:
    """Our time beside the fastest peer's, the worst of several runs with different peers."""
    worst: tuple[float, str] | None = None
    for measured in runs:
        found = cheapest(measured.rows, level)
        mine = next((row for row in found if row.ours), None)
        peer = next((row for row in found if not row.ours), None)
        if mine is None:
            worst = (float("inf"), f"ours reaches {max(row.recall_at_10 for row in measured.rows if row.ours):.3f}")
        elif peer is not None:
            times = mine.cpu_p50_ms / peer.cpu_p50_ms
            text = f"{times:.2f} × ({mine.cpu_p50_ms:.2f} ms; {peer.peer} {peer.cpu_p50_ms:.2f} ms)"
            worst = max(worst or (0.0, ""), (times, text + _limit(mine, measured)))
    wanted = f"{name}: at recall@10 ≥ {level} at most {share} × the time of the fastest peer"
    yield Target(wanted, *(("no peer gets there", True) if worst is None else (worst[1], worst[0] <= share)))


def _rate(name: str, measured: Measured) -> Iterator[Target]:
    """Batches on two threads."""
    rates = sorted(
        (row.queries_per_s, row.ours, row.peer)
        for row in measured.rows
        if row.recall_at_10 >= LEVELS[0] and row.queries_per_s
    )
    mine = next((rate for rate, ours, _ in reversed(rates) if ours), 0.0)
    theirs, peer = next(((rate, peer) for rate, ours, peer in reversed(rates) if not ours), (0.0, "no peer"))
    wanted = f"{name}: at recall@10 ≥ {LEVELS[0]} as many queries per second, in a batch on two threads"
    yield Target(wanted, f"{mine:,.0f}; {peer} {theirs:,.0f}", mine >= theirs)


def _limit(row: Row, measured: Measured) -> str:
    """What memory alone would take."""
    if not row.touched_mb:
        return ""
    least = row.touched_mb / measured.gb_per_s
    return f"; reads {row.touched_mb:.1f} MB, {least:.2f} ms at {measured.gb_per_s:.0f} GB/s"


def _build(name: str, measured: Measured) -> Iterator[Target]:
    mine = [row for row in measured.rows if row.peer == "bowerbird"]
    if not mine:
        return
    reached = max(row.recall_at_10 for row in mine)
    alike = [
        row
        for row in measured.rows
        if not row.ours and row.recall_at_10 >= reached - LIKE and row.build_cpu_s > 1 and row.peer != POOLED
    ]
    fastest = min(alike, key=lambda row: row.build_cpu_s, default=None)
    if fastest is not None:
        theirs = f"{fastest.peer} {fastest.build_cpu_s:.0f} s (recall {fastest.recall_at_10:.3f})"
        text, met = f"{mine[0].build_cpu_s:.0f} s; {theirs}", mine[0].build_cpu_s <= fastest.build_cpu_s
        wanted = f"{name}: a build takes no longer than that of a peer of like recall that learns or sorts"
        yield Target(wanted, text, met)


def _sizes(name: str, measured: Measured) -> Iterator[Target]:
    for peer, most in BYTES.items():
        rows = [row for row in measured.rows if row.peer == peer]
        if rows:
            size = rows[0].disk_mb * 1e6 / (measured.vectors * measured.dim)
            reached = max(row.recall_at_10 for row in rows)
            wanted = f"{name}, {peer}: at most {most} bytes per dimension at recall@10 ≥ {LEVELS[0]}"
            found = f"{size:.2f}, recall {reached:.3f}{_with_float16(peer, measured)}"
            yield Target(wanted, found, size <= most and reached >= LEVELS[0])


def _with_float16(peer: str, measured: Measured) -> str:
    """What the same form reaches where float16 tokens of the best lie on disk."""
    reached = [row.recall_at_10 for row in measured.rows if row.peer == f"{peer} + float16"]
    return f"; {max(reached):.3f} with float16 tokens of the best, read from disk" if reached else ""


def _fde(fde: Json) -> Iterator[Target]:
    for width, rates in fde.get("encoding", {}).items():
        times = [mine / theirs for mine, theirs in zip(rates["bowerbird"], rates["muvfde"], strict=True)]
        text = f"documents {times[0]:.1f} ×, queries {times[1]:.1f} ×"
        yield Target(
            f"FDE of {width}: {FDE_TIMES} × as fast as the C++ binding, per core", text, min(times) >= FDE_TIMES
        )


def _opening(scaling: Json) -> Iterator[Target]:
    if scaling:
        one = scaling["opening"]
        text = f"{one['open_ms']:.1f} ms for {one['bytes'] / 1e9:.1f} GB; {one['first_search_ms']:.0f} ms with a search"
        yield Target(f"an index of 10 GB opens within {OPEN_MS} ms", text, one["open_ms"] < OPEN_MS)


def _changes(changes: Sequence[Json]) -> Iterator[Target]:
    for one in changes:
        alone, adding, merging, removing = one["phases"]
        for phase in (adding, removing):
            most, merged = phase["longest_ms"], ""
            if phase is adding:
                most = max(most, merging["longest_ms"])
                merged = f", {merging['longest_ms']:.0f} ms while what was added is merged"
            wanted = f"{one['kind']}, {phase['name']}: {CHANGES_PER_S:,}/s and no search above {PAUSE_MS} ms"
            text = f"{phase['per_s']:,.0f}/s, longest search {phase['longest_ms']:.0f} ms{merged}"
            text += f" ({alone['longest_ms']:.0f} ms alone)"
            yield Target(wanted, text, phase["per_s"] >= CHANGES_PER_S and most <= PAUSE_MS)

"""Measurements as markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.engine.measure import Measured, Row
from benchmarks.engine.roster import Absent

LEVELS = (0.95, 0.99)
"""Of recall@10, at which the cheapest settings are compared."""


def markdown(measured: Measured, also_absent: Sequence[Absent]) -> str:
    parts = [_all(measured.rows)]
    parts += [_compared(measured.rows, level) for level in LEVELS]
    parts.append(_absent([*measured.absent, *also_absent]))
    return "\n".join(part for part in parts if part)


def cheapest(rows: Iterable[Row], level: float) -> list[Row]:
    """Of each index the setting of least CPU time with at least this recall, fastest first."""
    by_peer: dict[str, Row] = {}
    for row in rows:
        known = by_peer.get(row.peer)
        if row.recall_at_10 >= level and (known is None or row.cpu_p50_ms < known.cpu_p50_ms):
            by_peer[row.peer] = row
    return sorted(by_peer.values(), key=lambda row: row.cpu_p50_ms)


def _all(rows: Sequence[Row]) -> str:
    head = (
        "index",
        "setting",
        "recall@10",
        "recall@100",
        "CPU ms p50",
        "wall ms p50",
        "p95",
        "queries/s",
        "build CPU s",
        "build s",
        "disk MB",
        "memory MB",
        "n",
    )
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    rate = "" if row.queries_per_s is None else f"{row.queries_per_s:,.0f}"
    recalls = [f"{row.recall_at_10:.3f}", f"{row.recall_at_100:.3f}"]
    times = [f"{row.cpu_p50_ms:.2f}", f"{row.wall_p50_ms:.2f}", f"{row.wall_p95_ms:.2f}", rate]
    costs = [f"{value:,.0f}" for value in (row.build_cpu_s, row.build_wall_s, row.disk_mb, row.memory_mb)]
    return [f"**{row.peer}**" if row.ours else row.peer, row.setting, *recalls, *times, *costs, str(row.queries)]


def _compared(rows: Sequence[Row], level: float) -> str:
    found = cheapest(rows, level)
    peers = [row.cpu_p50_ms for row in found if not row.ours]
    title = f"\nCheapest settings of recall@10 ≥ {level}, times the fastest peer's CPU time\n\n"
    if not peers:
        return title + "none of the peers got there\n"
    cells = [
        [row.peer, row.setting, f"{row.recall_at_10:.3f}", f"{row.cpu_p50_ms:.2f}", f"{row.cpu_p50_ms / peers[0]:.2f}"]
        for row in found
    ]
    return title + table(("index", "setting", "recall@10", "CPU ms", "ratio"), cells)


def _absent(absent: Sequence[Absent]) -> str:
    return "\n" + table(("not in the tables", "reason"), [[one.name, one.reason] for one in absent]) if absent else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

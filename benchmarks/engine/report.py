"""Writes what was measured into docs/benchmarks.md and draws its two plots.

    python -m benchmarks.engine.report

Reads build/bench/results: a file per set, of `python -m benchmarks.engine`, and those of changes, scaling and
benchmarks.fde. What has not been measured is left out and said to be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine import plots, targets
from benchmarks.engine.measure import Measured, Row
from benchmarks.engine.roster import ENTRIES, NOT_BUILT, Absent
from benchmarks.engine.sets import FOLDER
from benchmarks.engine.table import LEVELS, cheapest, table
from benchmarks.report import machine, write_section

DOCS = Path(__file__).parents[2] / "docs"
TITLES = {
    "s20": "Late interaction, texts",
    "text": "Late interaction, more texts",
    "pages": "Late interaction, page-like",
    "dense40k": "Dense, real passages",
    "dense100k": "Dense, 100,000",
    "dense1m": "Dense, a million",
}
SAME_PROCESS = "-part"
"""Results of peers that cannot run in one process with the others; ours ran with them once more."""


@dataclass(frozen=True)
class Results:
    """sets: what `python -m benchmarks.engine` measured, by name. The others as their scripts wrote them."""

    sets: dict[str, Measured]
    changes: list[dict[str, Any]]
    scaling: dict[str, Any]
    fde: dict[str, Any]
    collection: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> Results:
        def load(name: str, default: Any) -> Any:
            path = folder / f"{name}.json"
            return json.loads(path.read_text()) if path.exists() else default

        names = [base + ending for base in TITLES for ending in ("", SAME_PROCESS, "-throughput")]
        sets = {name: _measured(load(name, {})) for name in names if (folder / f"{name}.json").exists()}
        return Results(sets, load("changes", []), load("scaling", {}), load("fde", {}), load("collection", {}))


def _measured(found: dict[str, Any]) -> Measured:
    rows = [Row(**row) for row in found.pop("rows")]
    absent = [Absent(**one) for one in found.pop("absent")]
    return Measured(rows=rows, absent=absent, **found)


def markdown(results: Results) -> str:
    parts = [
        f"{machine()}. Times are processor milliseconds of one query on one thread, medians; × is the time beside the "
        "fastest peer of at least that recall@10, measured in the same process, query by query in turn. Recall is that "
        "of an exact pass in float32; recall@100 is that of the setting at the first level. Builds take two threads; "
        "their seconds are those of the processor. A load above 2 means that other programs ran beside: wall times "
        "(p95, longest) then say little, ratios still hold. Two-stage methods and those that refine read the vectors "
        "as they were given besides what they keep.",
    ]
    parts += [_set(name, results) for name in results.sets if "-" not in name]
    parts += [_changes(results.changes), _scaling(results.scaling), _collection(results.collection), _absent(results)]
    parts.append("### Targets\n\n" + targets.markdown(results.sets, results.changes, results.scaling, results.fde))
    return "\n\n".join(part.strip() for part in parts if part)


def _set(name: str, results: Results) -> str:
    measured, title = results.sets[name], TITLES[name]
    size = f"{measured.items:,} items" + (
        f", {measured.vectors:,} vectors" if measured.vectors != measured.items else ""
    )
    head = ["index", *(cell for level in LEVELS for cell in (f"recall ≥ {level}", "ms", "×"))]
    head += ["recall@100", "p95 ms", "queries/s, 2 threads", "build s", "bytes/dimension", "memory MB"]
    rates = results.sets.get(f"{name}-throughput")
    rows = _lines(measured, rates)
    other = results.sets.get(name + SAME_PROCESS)
    text = f"### {title}: {size} of {measured.dim} dimensions\n\n`--set {name}`, load {measured.load:.0f}\n\n"
    text += table(head, rows)
    if other is not None:
        text += (
            f"\nBeside peers that need another torch, in a process of their own:\n\n{table(head, _lines(other, None))}"
        )
    return text


def _lines(measured: Measured, rates: Measured | None) -> list[list[str]]:
    """A line per index, the fastest at the highest level first."""
    found = {level: cheapest(measured.rows, level) for level in LEVELS}
    order = [row.peer for level in reversed(LEVELS) for row in found[level]]
    order += [row.peer for row in measured.rows]
    return [_line(peer, found, measured, rates) for peer in dict.fromkeys(order)]


def _line(peer: str, found: dict[float, list[Row]], measured: Measured, rates: Measured | None) -> list[str]:
    cells: list[str] = []
    for level in LEVELS:
        row = next((row for row in found[level] if row.peer == peer), None)
        fastest = next((row.cpu_p50_ms for row in found[level] if not row.ours), None)
        if row is None:
            cells += ["", "", ""]
            continue
        times = "" if fastest is None else f"{row.cpu_p50_ms / fastest:.2f}"
        cells += [f"{row.recall_at_10:.3f}", f"{row.cpu_p50_ms:.2f}", times]
    mine = [row for row in measured.rows if row.peer == peer]
    shown = next((row for level in LEVELS for row in found[level] if row.peer == peer), None)
    best = max(mine, key=lambda row: row.recall_at_10)
    if shown is None:
        cells[0], cells[1] = f"at most {best.recall_at_10:.3f}", f"{best.cpu_p50_ms:.2f}"
    shown = shown or best
    rate = next(
        (
            row.queries_per_s
            for row in (rates.rows if rates else ())
            if (row.peer, row.setting) == (peer, shown.setting)
        ),
        None,
    )
    size = shown.disk_mb * 1e6 / (measured.vectors * measured.dim)
    cells += [
        f"{shown.recall_at_100:.3f}",
        f"{shown.wall_p95_ms:.2f}",
        "" if rate is None else f"{rate:,.0f}",
        f"{shown.build_cpu_s:,.0f}",
    ]
    cells += [f"{size:.2f}" if size else "", f"{max(shown.memory_mb, 0):,.0f}"]
    return [f"**{peer}**" if shown.ours else peer, *cells]


def _changes(changes: Sequence[dict[str, Any]]) -> str:
    if not changes:
        return ""
    head = ["index", "meanwhile", "documents/s", "searches", "p50 ms", "p95 ms", "longest ms"]
    rows = [
        [
            one["kind"],
            phase["name"],
            f"{phase['per_s']:,.0f}" if phase["per_s"] else "",
            str(phase["searches"]),
            *(f"{phase[name]:.1f}" for name in ("p50_ms", "p95_ms", "longest_ms")),
        ]
        for one in changes
        for phase in one["phases"]
    ]
    first = changes[0]
    sizes = f"{first['items']:,} items, batches of {first['batch']:,}, every batch durable, load {first['load']:.0f}"
    return f"### Changes while searches run\n\n{sizes}\n\n{table(head, rows)}"


def _scaling(scaling: dict[str, Any]) -> str:
    if not scaling:
        return ""
    head = ["index", "items", "vectors", "recall@10", "p50 ms", "p95 ms", "exponent", "build s", "MB", "candidates by"]
    rows, before = [], None
    for one in scaling["sizes"]:
        slope = "" if before is None or before["kind"] != one["kind"] else f"{targets.exponent(before, one):.2f}"
        times = [f"{one['recall_at_10']:.3f}", f"{one['p50_ms']:.2f}", f"{one['p95_ms']:.2f}", slope]
        costs = [f"{one['build_s']:,.0f}", f"{one['bytes'] / 1e6:,.0f}", one["strategy"]]
        rows.append([one["kind"], f"{one['items']:,}", f"{one['vectors']:,}", *times, *costs])
        before = one
    return "### Scaling: recall 0.95 asked for, wall milliseconds, one thread\n\n" + table(head, rows)


def _collection(measured: dict[str, Any]) -> str:
    if not measured:
        return ""
    head = ["candidates", "items", "token vectors", "recall@10", "p50 ms", "p95 ms", "first search ms"]
    head += ["index build s", "index MB"]
    rows = [
        [
            one["name"],
            f"{one['items']:,}",
            f"{one['tokens']:,}",
            f"{one['recall_at_10']:.3f}",
            *(f"{one[name]:.1f}" for name in ("p50_ms", "p95_ms", "first_ms", "build_s", "index_mb")),
        ]
        for one in measured["ways"]
    ]
    title = f"### A library whose field has token vectors only\n\nWall milliseconds, load {measured['load']:.0f}\n\n"
    return title + table(head, rows)


def _absent(results: Results) -> str:
    reasons: dict[str, dict[str, None]] = {}
    for name, measured in results.sets.items():
        other = results.sets.get(name + SAME_PROCESS)
        there = {row.peer for one in (measured, other) if one is not None for row in one.rows}
        for one in measured.absent:
            if one.name not in there:
                reasons.setdefault(one.name, {})[one.reason] = None
    rows = {name: "; ".join(found) for name, found in reasons.items()}
    seen = {row.peer for measured in results.sets.values() for row in measured.rows}
    left = [entry.name for entry in ENTRIES if entry.name not in seen and entry.name not in rows]
    rows |= dict.fromkeys(left, "not built in this run")
    rows |= {one.name: one.reason for one in NOT_BUILT}
    return "### Not in the tables\n\n" + table(["library", "reason"], [list(pair) for pair in rows.items()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    results = Results.read(parser.parse_args().folder / "results")
    write_section(DOCS / "benchmarks.md", "engine", markdown(results))
    for name, sets in {"late-interaction": ("s20", "text"), "dense": ("dense100k", "dense1m")}.items():
        drawn = [(TITLES[one], results.sets[one]) for one in sets if one in results.sets]
        if drawn:
            plots.recall_over_time(drawn).savefig(DOCS / "images" / f"{name}.svg")


if __name__ == "__main__":
    main()

"""Recall against time: up and to the left is better. On white, so that it can be read on a dark page, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.engine.measure import Measured, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = ("#2a78b5", "#12436b", "#5aa9e6", "#7d9cc0")
COLOURS = ("#d1712b", "#4a9a5b", "#8a63b5", "#b5455f", "#8a6d3b", "#3aa0a8", "#777777", "#c2a21b", "#5b6fb0")
MARKERS = "osD^vP*X"
"""One fewer than colours: the tenth index differs from the first."""
LOWEST = 0.7
"""Recall below which nobody would want an index."""


def recall_over_time(sets: Sequence[tuple[str, Measured]]) -> Figure:
    """A panel per set, a line per index through the settings that none of its own beats."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    rcParams["svg.hashsalt"] = "bowerbird"  # the same picture for the same results
    figure = Figure(figsize=(5 * len(sets) + 1, 4.4), layout="constrained", facecolor="white")
    style = _styles([row for _, measured in sets for row in measured.rows])
    for axes, (title, measured) in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        for name in dict.fromkeys(row.peer for row in measured.rows):
            _line(axes, [row for row in measured.rows if row.peer == name], style[name])
        axes.set_title(f"{title} ({measured.vectors:,} vectors)", fontsize=10)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(axis="x", labelsize=7)
        axes.set_ylim(LOWEST, 1.005)
        axes.set_xlabel("processor milliseconds per query, one thread")
        axes.set_ylabel("recall@10 of exact search")
        axes.grid(alpha=0.25, which="both")
        axes.spines[["top", "right"]].set_visible(False)
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _styles(rows: Sequence[Row]) -> dict[str, tuple[str, str]]:
    """Colour and marker of every index; ours are blue."""
    found: dict[str, tuple[str, str]] = {}
    for ours, colours in ((True, OURS), (False, COLOURS)):
        names = dict.fromkeys(row.peer for row in rows if row.ours == ours)
        found |= {name: (colours[n % len(colours)], MARKERS[n % len(MARKERS)]) for n, name in enumerate(names)}
    return found


def _line(axes: Any, rows: Sequence[Row], style: tuple[str, str]) -> None:
    shown = [row for row in _front(rows) if row.recall_at_10 >= LOWEST]
    if shown:
        colour, marker = style
        times, recalls = [row.cpu_p50_ms for row in shown], [row.recall_at_10 for row in shown]
        ours = shown[0].ours
        axes.plot(
            times,
            recalls,
            marker=marker,
            color=colour,
            linewidth=2.4 if ours else 1.2,
            markersize=6 if ours else 4.5,
            zorder=3 if ours else 2,
            label=shown[0].peer,
        )


def _front(rows: Sequence[Row]) -> list[Row]:
    """Settings by time, each better than all faster ones."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.cpu_p50_ms, -row.recall_at_10)):
        if not front or row.recall_at_10 > front[-1].recall_at_10:
            front.append(row)
    return front

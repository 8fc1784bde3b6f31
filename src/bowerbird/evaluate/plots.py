"""Two pictures of an experiment: which queries gain, and what quality costs in time. Needs the extra `evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bowerbird.errors import MissingExtra
from bowerbird.evaluate.measures import registry
from bowerbird.evaluate.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAIN, LOSS, NEUTRAL = "#2a78b5", "#d1712b", "#9a9a9a"
"""Blue and orange can be told apart with any kind of colour vision."""


def plot_gains(results: Results, measure: str, system: str, against: str | None = None) -> Figure:
    """Per query, what a system gains or loses against another, or against the baseline, largest gain first.

    Save it with figure.savefig("gains.svg"). Raises EvaluationError for unknown names, MissingExtra without matplotlib.
    """
    deltas = np.array(list(results.deltas(measure, system, against).values()))
    other = against or results.names[results.baseline or 0]
    figure, axes = _figure()
    colours = np.where(deltas > 0, GAIN, np.where(deltas < 0, LOSS, NEUTRAL))
    axes.bar(np.arange(1, len(deltas) + 1), deltas, width=1.0, color=colours)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axhline(np.nanmean(deltas), color="black", linewidth=0.8, linestyle="--")
    better, worse = int((deltas > 0).sum()), int((deltas < 0).sum())
    axes.set_title(
        f"{system} − {other}: {better} queries better, {worse} worse, {len(deltas) - better - worse} as before\n"
        f"mean {np.nanmean(deltas):+.3f} (dashed)",
        fontsize=10,
    )
    axes.set_xlabel("queries, by gain")
    axes.set_ylabel(f"difference in {measure}")
    return figure


def plot_latency(results: Results, measure: str) -> Figure:
    """Every system's value of a measure over its milliseconds per query; the line joins those that none beats in both.

    Bars are the 95 % bootstrap intervals. Raises EvaluationError for an unknown measure.
    """
    values = np.array([results[name, measure] for name in results.names])
    times = np.array([system.milliseconds for system in results.systems])
    figure, axes = _figure()
    for name, value, time in zip(results.names, values, times, strict=True):
        low, high = results.low.get((name, measure), value), results.high.get((name, measure), value)
        bars = [[max(value - low, 0.0)], [max(high - value, 0.0)]]  # rounding may put an interval beside its mean
        axes.errorbar(time, value, bars, fmt="o", color=GAIN, ecolor=NEUTRAL, capsize=3)
        axes.annotate(name, (time, value), xytext=(7, 5), textcoords="offset points", fontsize=9)
    front = _front(times, -values if registry.measure(measure).lower_is_better else values)
    axes.plot(times[front], values[front], color=GAIN, linewidth=1, zorder=0)
    axes.set_xscale("log")
    axes.margins(x=0.25, y=0.15)
    axes.set_xlabel("milliseconds per query, in batches")
    axes.set_ylabel(measure)
    axes.grid(alpha=0.25)
    return figure


def _front(times: Any, values: Any) -> list[int]:
    """Systems by time of which each has a higher value than all faster ones."""
    front: list[int] = []
    for row in np.lexsort((-values, times)):
        if not front or values[row] > values[front[-1]]:
            front.append(int(row))
    return front


def _figure() -> tuple[Figure, Any]:
    """A figure of its own, so that nothing depends on a display or on what else is drawn."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("evaluate", "plots") from None
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes

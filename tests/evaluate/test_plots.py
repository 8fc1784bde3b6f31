"""What plots show, read back from their elements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate import Results, experiment, plot_gains, plot_latency
from tests.evaluate.made import Found, benchmark, passage

QRELS = {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}, "d": {"x": 1}}
OLD = Found({"a": ["y", "x"], "b": ["x"], "c": ["x"], "d": ["z", "x"]})
NEW = Found({"a": ["x"], "b": ["y", "x"], "c": ["x"], "d": ["x"]})


@pytest.fixture(scope="module")
def results() -> Results:
    made = experiment([OLD, NEW, OLD], benchmark(QRELS), ["RR", "AP"], names=["old", "new", "slow"])
    seconds = {"old": 0.004, "new": 0.04, "slow": 0.4}
    return replace(made, systems=tuple(replace(system, seconds=seconds[system.name]) for system in made.systems))


def test_gains_are_one_bar_per_query(results: Results, tmp_path: Path) -> None:
    figure = plot_gains(results, "RR", "new")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.5, 0, -0.5]
    assert "new − old: 2 queries better, 1 worse, 1 as before" in axes.get_title()
    figure.savefig(tmp_path / "gains.svg")
    assert (tmp_path / "gains.svg").stat().st_size > 1000
    with pytest.raises(EvaluationError, match="no system is called 'newer'"):
        plot_gains(results, "RR", "newer")


def test_latency_joins_the_systems_that_none_beats(results: Results) -> None:
    (axes,) = plot_latency(results, "RR").axes
    front = axes.lines[-1]
    assert front.get_xdata().tolist() == pytest.approx([1, 10])
    assert front.get_ydata().tolist() == pytest.approx([0.75, 0.875])
    assert {text.get_text() for text in axes.texts} == {"old", "new", "slow"}
    with pytest.raises(EvaluationError, match="'P@1' was not measured; measured: RR, AP"):
        plot_latency(results, "P@1")


def test_an_interval_may_miss_its_mean_by_rounding(results: Results) -> None:
    key = "old", "RR"
    rounded = replace(results, low={key: results[key] + 1e-16}, high={key: results[key] - 1e-16})
    assert rounded.low[key] > results[key] > rounded.high[key]
    assert len(plot_latency(rounded, "RR").axes) == 1


def test_where_less_is_better_the_line_goes_down() -> None:
    """The fast system finds one item for everything, the slower one four; a third is slower than both and no better."""
    even = Found({name: [item] for name, item in zip("abcd", "wxyz", strict=True)})
    items = [passage(name) for name in "vwxyz"]
    made = experiment([OLD, even, OLD], benchmark(QRELS, items), ["skewness@1"], names=["hub", "even", "slow"])
    seconds = {"hub": 0.004, "even": 0.04, "slow": 0.4}
    made = replace(made, systems=tuple(replace(system, seconds=seconds[system.name]) for system in made.systems))
    assert made["even", "skewness@1"] < made["hub", "skewness@1"]
    (axes,) = plot_latency(made, "skewness@1").axes
    assert axes.lines[-1].get_xdata().tolist() == pytest.approx([1, 10])

"""Overlap in time by hand."""

from __future__ import annotations

import pytest

import bowerbird as bb
from bowerbird.errors import EvaluationError
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.measures.moments import (
    graded_average_precision,
    matched_average_precision,
    moment_recall,
    temporal_iou,
)
from tests.evaluate.made import benchmark, ranking


def test_temporal_iou_by_hand() -> None:
    assert temporal_iou([(0, 10)], [(5, 15), (20, 30), (0, 10), (2, 4)])[0] == pytest.approx([5 / 15, 0, 1, 0.2])
    assert temporal_iou([(3, 3)], [(3, 3)])[0, 0] == 0, "nothing shared, nothing covered"


def test_recall_is_strictly_above_the_threshold() -> None:
    assert moment_recall([(0, 10)], [(0, 3)]) == 0, "0.3 exactly"
    assert moment_recall([(0, 10)], [(0, 3.1), (50, 60)]) == 1


def test_a_gold_span_is_matched_once() -> None:
    """Ranks 1 and 3 match a gold span each, rank 2 repeats the first: (1 + 2/3) / 2."""
    found = [(0.0, 10.0), (0.0, 9.0), (20.0, 30.0)]
    assert matched_average_precision(found, [(0, 10), (20, 30)]) == pytest.approx((1 + 2 / 3) / 2)
    assert matched_average_precision(found, [(50, 60)]) == 0
    assert matched_average_precision([], [(0, 1)]) == 0


def test_graded_precision_is_about_the_hull() -> None:
    """The hull of the gold spans is (0, 20); overlaps 0.5 and 1: 0.5 * 0.5 + (1.5 / 2) * 1."""
    assert graded_average_precision([(0, 10), (0, 20)], [(0, 2), (18, 20)]) == pytest.approx(1.0)


def test_of_a_run_in_the_right_recording() -> None:
    items = [
        bb.Item(f"{film}-{start}", "shot", (), bb.Locator(film, start=start, end=start + 10))
        for film in ("film", "other")
        for start in (0, 10, 20)
    ]
    made = benchmark({"q": {"film-10": 1}}, items, places={"q": (bb.Locator("film", start=12, end=20),)})
    run = ranking({"q": ["other-10", "film-10", "film-20"]})
    found = evaluate(run, made, ["moment_R@1", "moment_R@2", "moment_R(tiou=0.9)@2", "moment_mAP_matched@5"])
    assert list(found.values.values()) == [0, 1, 0, 0.5]
    assert evaluate(run, made, ["moment_mAP_graded@5"])["moment_mAP_graded@5"] == pytest.approx(0.8 / 2 * 0.8)


def test_an_item_without_times_is_an_error() -> None:
    made = benchmark({"q": {"a": 1}}, [bb.Item("a", "shot", (), bb.Locator("film"))])
    with pytest.raises(EvaluationError, match="film has no start and end in seconds"):
        evaluate(ranking({"q": ["a"]}), made, ["moment_R@1"])

"""Needles by hand."""

from __future__ import annotations

import math

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate import Reference, evaluate_answers
from bowerbird.evaluate.measures.needle import parse_needles

NAMES = ["needle_existence", "needle_index", "needle_exact", "needle_share"]


def test_answers_are_read_as_asked_for() -> None:
    assert parse_needles("1, 2, 3") == [(1, 2, 3)]
    assert parse_needles(" 1,2,3.\n") == [(1, 2, 3)]
    assert parse_needles("-1") == [None]
    assert parse_needles("-1, -1, -1; 2, 1, 1") == [None, (2, 1, 1)]
    assert parse_needles("It is in image 1") is None
    assert parse_needles("1, 2") is None


@pytest.mark.parametrize(
    ("said", "true", "values"),
    [
        ("3, 1, 2", "3, 1, 2", [1, 1, 1, 1]),
        ("3, 2, 1", "3, 1, 2", [1, 1, 0, 0]),
        ("-1", "3, 1, 2", [0, 0, 0, 0]),
        ("-1", "-1", [1, math.nan, math.nan, math.nan]),
        ("3, 1, 2", "-1", [0, math.nan, math.nan, math.nan]),
        ("somewhere", "3, 1, 2", [1, 0, 0, 0]),
        ("1, 1, 1; 2, 1, 2", "1, 1, 1; 2, 2, 2", [1, 1, 0, 0.5]),
    ],
)
def test_accuracies(said: str, true: str, values: list[float]) -> None:
    found = evaluate_answers({"q": said}, {"q": Reference((true,))}, NAMES)
    assert [found[name] for name in NAMES] == pytest.approx(values, nan_ok=True)


def test_absent_needles_do_not_count_for_the_place() -> None:
    references = {"there": Reference(("1, 1, 1",)), "absent": Reference(("-1",))}
    found = evaluate_answers({"there": "1, 1, 1", "absent": "1, 1, 1"}, references, NAMES)
    assert (found["needle_existence"], found["needle_exact"]) == (0.5, 1)


def test_an_unreadable_reference_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="reference 'left' is neither"):
        evaluate_answers({"q": "-1"}, {"q": Reference(("left",))}, ["needle_exact"])

"""Hubness by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.measures.hubness import hub_rate, k_occurrence, run_hub_rate, run_skewness, skewness
from tests.evaluate.made import benchmark, judged, passage


def test_skewness_by_hand() -> None:
    """Counts 0, 0, 0, 4: mean 1, second moment 3, third (3 * -1 + 27) / 4 = 6, so 6 / 3**1.5."""
    counts = k_occurrence([["hub"]] * 4, 4)
    assert sorted(counts) == [0, 0, 0, 4]
    assert skewness(counts) == pytest.approx(6 / 3**1.5)
    assert skewness(np.array([1.0, 1.0, 1.0])) == 0


def test_items_that_nobody_finds_count() -> None:
    assert skewness(k_occurrence([["a"], ["b"]], 2)) == 0
    assert skewness(k_occurrence([["a"], ["b"]], 10)) > 1


def test_hub_rate_is_the_share_of_places_that_hubs_take() -> None:
    """Nine items once and one eleven times: mean 2, deviation 3, so 11 > 8 is a hub with 11 of 20 places."""
    counts = np.array([1.0] * 9 + [11.0])
    assert hub_rate(counts) == pytest.approx(11 / 20)
    assert hub_rate(np.ones(10)) == 0


def test_of_a_run_over_the_gallery_of_the_corpus() -> None:
    items = [passage(f"i{number}") for number in range(10)]
    qrels = {f"q{number}": {"i0": 1} for number in range(20)}
    hits = {f"q{number}": ["i0" if number < 11 else f"i{number - 10}"] for number in range(20)}
    made = benchmark(qrels, items)
    assert run_hub_rate(judged(hits, qrels, made), 1) == pytest.approx(11 / 20)
    assert run_skewness(judged(hits, qrels, made), 1) == pytest.approx((9 * -1 + 9**3) / 10 / 3**3)


def test_a_gallery_that_is_too_small_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="2 different items were found in a gallery of 1"):
        k_occurrence([["a", "b"]], 1)

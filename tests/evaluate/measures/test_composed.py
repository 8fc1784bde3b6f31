"""Protocols of composed retrieval by hand."""

from __future__ import annotations

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.measures.composed import subset_recall, within, without
from tests.evaluate.made import benchmark, judged, ranking


def test_multi_target_precision_without_the_reference() -> None:
    """CIRCO: targets {a, b}, ranking [a, x, b] gives (1 + 2/3) / 2; with one place only, a perfect 1."""
    made = benchmark({"q": {"a": 1, "b": 1}}, left_out={"q": frozenset({"ref"})})
    run = ranking({"q": ["ref", "a", "x", "b"]})
    found = evaluate(run, made, ["AP@5[min]", "AP@1[min]"])
    assert found["AP@5[min]"] == pytest.approx(0.8333, abs=1e-4)
    assert found["AP@1[min]"] == 1
    assert evaluate(run, made.qrels, ["AP@1[min]"])["AP@1[min]"] == 0, "the reference stays without a benchmark"


def test_rank_in_the_subset_passes_over_outsiders() -> None:
    subsets = {"q": frozenset({"a", "b", "c"})}
    found = judged({"q": ["x", "y", "b", "a", "c"]}, {"q": {"a": 1}})
    assert subset_recall(found, 1, subsets)[0] == 0
    assert subset_recall(found, 2, subsets)[0] == 1
    with pytest.raises(EvaluationError, match="query 'q' has no subset"):
        subset_recall(found, 1, {})


def test_pools_and_left_out_take_out_hits_of_their_query_only() -> None:
    run = ranking({"q": ["a", "b"], "r": ["a", "b"], "s": []})
    names = ["q", "r", "s"]
    assert [len(within(run, names, {"q": frozenset("b")}).hits(row)) for row in range(3)] == [1, 2, 0]
    assert [len(without(run, names, {"r": frozenset("ab")}).hits(row)) for row in range(3)] == [2, 0, 0]

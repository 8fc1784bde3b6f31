"""Measures over ranks and gains against their definitions by hand, and against the reference programs."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bowerbird as bb
from bowerbird.evaluate.measures import ranking
from bowerbird.evaluate.measures.registry import measure
from tests.evaluate.made import benchmark, judged

RUN = {"q": ["a", "x", "b", "y", "c"]}
GRADES = {"q": {"a": 1, "b": 3, "c": 2, "d": 1, "x": 0}}


def test_values_by_hand() -> None:
    """Relevant at ranks 1, 3 and 5, four relevant in all."""
    found = judged(RUN, GRADES)
    dcg = 1 / math.log2(2) + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ranking.ndcg(found, 3)[0] == pytest.approx(dcg / ideal)
    assert ranking.average_precision(found)[0] == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    assert ranking.average_precision(found, 3)[0] == pytest.approx((1 + 2 / 3) / 4)
    assert ranking.average_precision(found, rel=2)[0] == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert ranking.reciprocal_rank(found, rel=2)[0] == pytest.approx(1 / 3)
    assert ranking.reciprocal_rank(found, 2, rel=2)[0] == 0
    assert ranking.precision(found, 10)[0] == pytest.approx(0.3)
    assert ranking.recall(found, 3)[0] == pytest.approx(0.5)
    assert ranking.hit_rate(found, 1)[0] == 1
    assert ranking.rank_biased_precision(found, p=0.5)[0] == pytest.approx(0.5 * (1 + 0.25 + 0.0625))


@pytest.mark.parametrize(
    ("hits", "relevant", "value"), [("axb", 2, 0.8333), ("axb", 10, 0.5556), ("abc", 10, 1.0), ("xyz", 3, 0.0)]
)
def test_average_precision_over_the_smaller_of_relevant_and_cutoff(hits: str, relevant: int, value: float) -> None:
    """The four examples of INQUIRE's definition; trec_eval divides by R and would call the third one 0.3."""
    qrels = {"q": dict.fromkeys("abcdefghij"[:relevant], 1)}
    found = judged({"q": list(hits)}, qrels)
    assert ranking.average_precision(found, 3, divisor="min(R,k)")[0] == pytest.approx(value, abs=5e-5)
    assert ranking.average_precision(judged({"q": list("abc")}, {"q": dict.fromkeys("abcdefghij", 1)}), 3)[0] == 0.3


def test_hit_rate_is_not_recall() -> None:
    found = judged({"q": ["a", "x"], "r": ["x", "y"]}, {"q": {"a": 1, "b": 1}, "r": {"a": 1}})
    assert ranking.hit_rate(found, 2).tolist() == [1, 0]
    assert ranking.recall(found, 2).tolist() == [0.5, 0]


def test_modality_accuracy_counts_first_hits_of_the_wanted_kind() -> None:
    items = [
        bb.Item("photo", "image", (), bb.Locator("photo")),
        bb.Item("words", "passage", (bb.Text("words"),), bb.Locator("words")),
    ]
    made = benchmark({"q": {"photo": 1}, "r": {"words": 1}, "s": {"photo": 1}}, items)
    hits = {"q": ["photo", "words"], "r": ["photo", "words"], "s": []}
    assert ranking.modality_accuracy(judged(hits, made.qrels, made)).tolist() == [1, 0, 0]


def test_kendall_tau() -> None:
    """Of the six pairs of four things one is turned round: (5 - 1) / 6."""
    assert ranking.kendall_tau(np.array([1, 2, 3, 4]), np.array([1, 2, 4, 3])) == pytest.approx(4 / 6)
    found = judged({"q": ["a", "b", "c", "d"]}, {"q": {"a": 4, "b": 3, "c": 1, "d": 2}})
    assert ranking.gain_order(found)[0] == pytest.approx(4 / 6)


NAMES = (
    "nDCG", "nDCG@10", "nDCG@3", "AP", "AP@5", "AP(rel=2)@5", "RR", "RR(rel=2)",
    "P@5", "P(rel=2)@3", "R@5", "R(rel=2)@4", "Success@1", "Success(rel=2)@3",
)  # fmt: skip
ITEMS = [f"d{number}" for number in range(12)]
"""As text, d10 is before d2: ties are broken by text."""


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["q1", "q2", "q3"]),
        st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 3), min_size=1),
        min_size=1,
    ),
    st.lists(st.dictionaries(st.sampled_from(ITEMS), st.sampled_from([0.25, 0.5, 1.0])), min_size=3, max_size=3),
)
def test_agrees_with_the_reference_programs_also_in_ties(
    qrels: dict[str, dict[str, int]], hits: list[dict[str, float]]
) -> None:
    run = dict(zip(["q1", "q2", "q3"], hits, strict=True))
    found = judged(run, qrels)
    wanted = [ir_measures.parse_measure(name) for name in NAMES]
    theirs = {(m.query_id, str(m.measure)): m.value for m in ir_measures.iter_calc(wanted, qrels, run)}
    for name, parsed in zip(NAMES, wanted, strict=True):
        ours = measure(name).compute(found)
        expected = [theirs.get((query, str(parsed)), 0.0) for query in found.query_ids]
        np.testing.assert_allclose(ours, expected, atol=1e-12, err_msg=name)

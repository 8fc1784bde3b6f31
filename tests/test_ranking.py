"""Rankings: order, cutting, and what they convert to."""

from __future__ import annotations

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.pipeline.fusion import combine, reciprocal_ranks
from bowerbird.ranking import Ranking

QUERIES = (bb.Query.of("first"), bb.Query.of("second"), bb.Query.of("nothing found"))


def ranking(hits: dict[int, dict[str, float]], source: str = "lexical") -> Ranking:
    flat = [(query, name, score) for query, found in hits.items() for name, score in found.items()]
    query, names, scores = zip(*flat, strict=True)
    column = np.array(scores, np.float32)
    return Ranking.from_hits(QUERIES, np.array(query, np.int64), np.array(names, object), column, {source: column})


def test_hits_are_sorted_by_query_score_and_name() -> None:
    found = ranking({1: {"z": 1.0}, 0: {"b": 2.0, "a": 2.0, "c": 9.0}})
    assert found.hits(0) == [("c", 9.0), ("a", 2.0), ("b", 2.0)]
    assert found.hits(1) == [("z", 1.0)]
    assert found.hits(2) == []


def test_top_cuts_every_query() -> None:
    found = ranking({0: {"a": 3.0, "b": 2.0, "c": 1.0}, 1: {"d": 1.0}}).top(2)
    assert found.hits(0) == [("a", 3.0), ("b", 2.0)]
    assert found.hits(1) == [("d", 1.0)]
    assert found.matched["lexical"].tolist() == [3.0, 2.0, 1.0]


def test_weighted_sums_count_missing_hits_as_zero_and_keep_evidence() -> None:
    words = ranking({0: {"a": 1.0, "b": 0.5}})
    vectors = ranking({0: {"b": 1.0, "c": 0.25}}, "text")
    both = combine([words, vectors], [2.0, 1.0])
    assert both.hits(0) == [("a", 2.0), ("b", 2.0), ("c", 0.25)]
    assert both.matched["lexical"].tolist()[:2] == [1.0, 0.5]
    assert np.isnan(both.matched["lexical"][2])
    assert np.isnan(both.matched["text"][0])
    assert both.matched["text"][1] == 1.0


def test_intersection_keeps_only_common_hits() -> None:
    both = combine([ranking({0: {"a": 1.0, "b": 1.0}}), ranking({0: {"b": 1.0}, 1: {"a": 5.0}})], [1, 1], need_all=True)
    assert both.hits(0) == [("b", 2.0)]
    assert both.hits(1) == []


def test_reciprocal_ranks() -> None:
    assert reciprocal_ranks(ranking({0: {"a": 7.0, "b": 3.0}})).scores.tolist() == pytest.approx([1 / 61, 1 / 62])


def test_trec_runs_round_trip() -> None:
    found = ranking({0: {"a": 3.0, "b": 2.0}, 1: {"c": 1.0}})
    run = found.to_trec(["q1", "q2", "q3"])
    assert run.splitlines()[0] == "q1 Q0 a 1 3.000000 bowerbird"
    again = Ranking.from_trec(run.splitlines(), dict(zip(["q1", "q2", "q3"], QUERIES, strict=True)))
    assert [again.hits(number) for number in range(3)] == [found.hits(number) for number in range(3)]


def test_malformed_runs_name_the_line() -> None:
    with pytest.raises(ValueError, match="line 2 of the run"):
        Ranking.from_trec(["q1 Q0 a 1 3.0 tag", "q1 a 3.0"], {"q1": QUERIES[0]})


def test_as_a_table() -> None:
    table = ranking({0: {"a": 3.0, "b": 2.0}}).to_arrow()
    assert table.column_names == ["query", "rank", "id", "score", "lexical"]
    assert table["rank"].to_pylist() == [1, 2]


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="offsets"):
        Ranking(QUERIES, np.array([0, 1, 1, 2]), np.array(["a"], object), np.array([1.0], np.float32))

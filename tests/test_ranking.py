"""Rankings: order, cutting, and what they convert to."""

from __future__ import annotations

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.errors import RankingError
from bowerbird.pipeline.merge import reciprocal_ranks
from bowerbird.ranking import Ranking
from tests.pipeline.found import Found

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
    words = Found(ranking({0: {"a": 1.0, "b": 0.5}}))
    vectors = Found(ranking({0: {"b": 1.0, "c": 0.25}}, "text"))
    both = (2.0 * words + vectors)(QUERIES)
    assert both.hits(0) == [("a", 2.0), ("b", 2.0), ("c", 0.25)]
    assert both.matched["lexical"].tolist()[:2] == [1.0, 0.5]
    assert np.isnan(both.matched["lexical"][2])
    assert np.isnan(both.matched["text"][0])
    assert both.matched["text"][1] == 1.0


def test_intersection_keeps_only_common_hits() -> None:
    both = (Found(ranking({0: {"a": 1.0, "b": 1.0}})) & Found(ranking({0: {"b": 1.0}, 1: {"a": 5.0}})))(QUERIES)
    assert both.hits(0) == [("b", 2.0)]
    assert both.hits(1) == []


def test_reciprocal_ranks() -> None:
    assert reciprocal_ranks(ranking({0: {"a": 7.0, "b": 3.0}})).scores.tolist() == pytest.approx([1 / 61, 1 / 62])


def test_trec_runs_round_trip() -> None:
    found = ranking({0: {"a": 3.0, "b": 2.0}, 1: {"c": 1.0}})
    run = found.to_trec(["q1", "q2", "q3"])
    assert run.splitlines()[0] == "q1 Q0 a 1 3 bowerbird"
    again = Ranking.from_trec(run.splitlines(), dict(zip(["q1", "q2", "q3"], QUERIES, strict=True)))
    assert [again.hits(number) for number in range(3)] == [found.hits(number) for number in range(3)]


def test_runs_keep_close_scores_apart_and_have_six_columns() -> None:
    close = ranking({0: {"a b": 1e-8, "c": 1e-9}})
    again = Ranking.from_trec(close.to_trec(["q 1"]).splitlines(), {"q%201": QUERIES[0]})
    assert [name for name, _ in again.hits(0)] == ["a%20b", "c"]
    assert again.scores.tolist() == pytest.approx([1e-8, 1e-9])


def test_malformed_runs_name_the_line() -> None:
    with pytest.raises(ValueError, match="line 2 of the run"):
        Ranking.from_trec(["q1 Q0 a 1 3.0 tag", "q1 a 3.0"], {"q1": QUERIES[0]})


def test_as_a_table() -> None:
    table = ranking({0: {"a": 3.0, "b": 2.0}}).to_arrow()
    assert table.column_names == ["query", "rank", "id", "score", "lexical"]
    assert table["rank"].to_pylist() == [1, 2]


def test_lengths_must_agree() -> None:
    ids, scores = np.array(["a"], object), np.array([1.0], np.float32)
    with pytest.raises(RankingError, match="3 queries need 4 offsets, got 3"):
        Ranking(QUERIES, np.array([0, 1, 1]), ids, scores)
    with pytest.raises(RankingError, match="offsets end at 2, but there are 1 ids"):
        Ranking(QUERIES, np.array([0, 1, 1, 2]), ids, scores)
    with pytest.raises(RankingError, match="offsets start at 0 and never fall"):
        Ranking(QUERIES, np.array([0, 1, 0, 1]), ids, scores)
    with pytest.raises(RankingError, match="1 ids, but 'scores' has 2 entries"):
        Ranking(QUERIES, np.array([0, 1, 1, 1]), ids, np.zeros(2, np.float32))
    with pytest.raises(RankingError, match="1 ids, but 'text' has 2 entries"):
        Ranking(QUERIES, np.array([0, 1, 1, 1]), ids, scores, {"text": np.zeros(2, np.float32)})


def test_ragged_batches_are_refused() -> None:
    with pytest.raises(RankingError, match="3 queries, but hits of 2: give one mapping per query"):
        Ranking.from_scores(QUERIES, [{"a": 1.0}, {}])
    with pytest.raises(RankingError, match="query number 3, but there are 3 queries"):
        Ranking.from_hits(QUERIES, np.array([3]), np.array(["a"], object), np.ones(1, np.float32))


def test_scores_that_are_no_numbers_are_refused_by_name() -> None:
    with pytest.raises(RankingError, match=r"hit 'b' of query 2 has no number as its score \(NaN\).*\(1 in all\)"):
        Ranking.from_scores(QUERIES, [{"a": 1.0}, {"c": 2.0, "b": float("nan")}, {}])
    with pytest.raises(RankingError, match=r"line 1 of the run: column 5 \(score\) must be a number, got 'nan'"):
        Ranking.from_trec(["q1 Q0 a 1 nan tag"], {"q1": QUERIES[0]})
    with pytest.raises(RankingError, match="got 'high'"):
        Ranking.from_trec(["q1 Q0 a 1 high tag"], {"q1": QUERIES[0]})


def test_a_run_that_names_a_hit_twice_is_refused() -> None:
    with pytest.raises(RankingError, match="line 2 of the run: 'a' is a hit of query 'q1' already"):
        Ranking.from_trec(["q1 Q0 a 1 3.0 tag", "q1 Q0 a 2 2.0 tag"], {"q1": QUERIES[0]})


def test_empty_runs_are_rankings() -> None:
    empty = Ranking.from_trec([], dict(zip(["q1", "q2", "q3"], QUERIES, strict=True)))
    assert [empty.hits(number) for number in range(3)] == [[], [], []]
    assert empty.top(5).to_trec(["q1", "q2", "q3"]) == ""
    assert len((Found(empty) + Found(empty))(QUERIES).ids) == 0
    assert len(Ranking.from_scores([], [])) == 0


def test_a_hit_given_twice_cannot_be_fused() -> None:
    twice = Ranking.from_hits(QUERIES, np.array([1, 1]), np.array(["a", "a"], object), np.array([2, 1], np.float32))
    with pytest.raises(RankingError, match="'a' is a hit of query 2 twice in one ranking"):
        (Found(ranking({0: {"b": 1.0}})) | Found(twice))(QUERIES)


def test_rankings_of_other_batches_cannot_be_fused() -> None:
    with pytest.raises(RankingError, match="cannot fuse rankings of 3 and of 1 queries"):
        (Found(ranking({0: {"b": 1.0}})) + Found(Ranking.empty(QUERIES[:1])))(QUERIES)

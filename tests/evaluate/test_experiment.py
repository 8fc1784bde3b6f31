"""Experiments over fixed rankings: what is in the table, and what wrong input says."""

from __future__ import annotations

import warnings
from pathlib import Path

import ir_measures
import numpy as np
import pytest

import bowerbird as bb
from bowerbird.errors import EvaluationError, RankingError
from bowerbird.evaluate import Benchmark, Results, evaluate, experiment
from bowerbird.ranking import Ranking
from tests.evaluate.made import Found, benchmark, passage, ranking

QRELS = {f"q{number}": {f"d{number}": 1, "none": 0} for number in range(30)}
GOOD = Found({name: [f"d{name[1:]}", "x"] for name in QRELS})
POOR = Found({name: ["x", "y", f"d{name[1:]}"] if int(name[1:]) % 3 else [f"d{name[1:]}"] for name in QRELS})
ITEMS = [passage(name) for name in ("x", "y", "none", *(f"d{number}" for number in range(30)))]


@pytest.fixture(scope="module")
def results() -> Results:
    made = benchmark(QRELS, ITEMS)
    measures = ["nDCG@10", "RR", "hub_rate@1"]
    return experiment([POOR, GOOD], made, measures, names=["poor | old", "good_new"], batch=7)


def test_values_and_the_best(results: Results) -> None:
    assert results["good_new", "RR"] == 1
    assert results["poor | old", "RR"] == pytest.approx((10 + 20 / 3) / 30)
    assert results.best("RR") == "good_new"
    assert results.best("hub_rate@1") == "good_new", "less is better"
    assert results.low["poor | old", "RR"] < results["poor | old", "RR"] < results.high["poor | old", "RR"]


def test_comparison_with_the_baseline(results: Results) -> None:
    found = results.comparisons["good_new", "RR"]
    assert (found.better, found.worse) == (20, 0)
    assert found.difference == pytest.approx(20 * (2 / 3) / 30)
    assert found.p_t < 0.001
    assert found.p_randomisation < 0.001
    assert ("good_new", "hub_rate@1") not in results.comparisons, "one value for the run"
    deltas = results.deltas("RR", "good_new")
    assert deltas["q1"] == pytest.approx(2 / 3)
    assert list(deltas.values()) == sorted(deltas.values(), reverse=True)


def test_tables(results: Results) -> None:
    assert "**1.000**†\\*" in results.to_markdown()
    assert r"poor \| old" in results.to_markdown()
    assert r"good\_new & \textbf{1.000}$^{\dagger\ast}$" in results.to_latex()
    assert "poor | old" in str(results)
    assert "30 judged queries" in str(results)
    html = results.to_html()
    assert html.count("class='bar'") == 6
    assert "<b>1.000</b>†*" in html
    frame = results.to_pandas()
    assert len(frame) == 6
    assert frame.set_index(["system", "measure"]).loc[("good_new", "RR"), "better"] == 20
    wide = results.per_query()
    assert len(wide) == 60
    assert wide[wide.measure == "RR"]["good_new"].mean() == 1


def test_names_are_shown_as_text() -> None:
    made = benchmark(QRELS, ITEMS)
    shown = experiment([GOOD], made, names=["<b>[red]a & b"])
    assert "&lt;b&gt;[red]a &amp; b" in shown.to_html()
    assert "[red]a & b" in str(shown)
    assert r"$<$b$>$[red]a \& b" in shown.to_latex()


def test_runs_give_other_tools_the_same_figures(tmp_path: Path) -> None:
    """Also for scores that differ in the last digit only, ties, and ids with blanks."""
    close = np.nextafter(np.float32(0.1), np.float32(1))
    hits = {"q one": {"d 1": 0.1, "d2": float(close), "d3": 0.1}, "q2": {"d 1": -1e-9, "d2": -2e-9}}
    qrels = {"q one": {"d 1": 2, "d3": 1}, "q2": {"d2": 1}}
    measures = ["nDCG@10", "AP", "RR"]
    shown = experiment([Found(hits)], benchmark(qrels), measures, names=["a name/with signs"])
    (run,) = shown.write_runs(tmp_path / "runs")
    theirs = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in measures],
        ir_measures.read_trec_qrels(str(tmp_path / "runs" / "qrels.txt")),
        ir_measures.read_trec_run(str(run)),
    )
    assert {str(name): value for name, value in theirs.items()} == pytest.approx(
        {name: shown["a name/with signs", name] for name in measures}
    )


def test_left_out_and_pools_are_honoured() -> None:
    made = benchmark({"q": {"a": 1}}, left_out={"q": frozenset("r")}, pools={"q": frozenset("abr")})
    shown = experiment([Found({"q": ["r", "x", "b", "a"]})], made, ["RR"], names=["s"])
    assert shown["s", "RR"] == 0.5
    assert [hit for hit, _ in shown.systems[0].ranking.hits(0)] == ["b", "a"]


def test_queries_of_mixed_kinds_are_one_batch() -> None:
    def pipeline(asked: Ranking) -> Ranking:
        return ranking({str(row): ["a"] for row in range(len(asked))})

    queries = {"words": "some words", "part": bb.Text("text"), "both": [bb.Image(b""), "in red"], "query": bb.Query(())}
    made = Benchmark("mixed", queries, {name: {"a": 1} for name in queries}, lambda: iter(()))  # type: ignore[arg-type]
    assert experiment([pipeline], made, ["RR"], names=["s"])["s", "RR"] == 1
    odd = Benchmark("odd", {"q": ["words", 5]}, {}, lambda: iter(()))  # type: ignore[dict-item]
    with pytest.raises(EvaluationError, match="query 'q' of odd holds a int; a query is a Query, a text"):
        experiment([pipeline], odd, ["RR"])


def test_pipelines_that_lose_queries_are_named() -> None:
    made = benchmark(QRELS)
    for pipeline, message in (
        (lambda asked: ranking({"q0": ["a"]}), "lossy was given 30 queries and returned 1"),
        (lambda asked: [["d1"]], "lossy returned list; a pipeline maps a Ranking to a Ranking"),
    ):
        with pytest.raises(EvaluationError, match=message):
            experiment([pipeline], made, ["RR"], names=["lossy"])  # type: ignore[list-item]


def test_nothing_runs_before_names_are_checked() -> None:
    def never(asked: Ranking) -> Ranking:
        raise AssertionError

    made = benchmark(QRELS)
    with pytest.raises(EvaluationError, match="did you mean nDCG@10"):
        experiment([never], made, ["nDGC@10"])
    with pytest.raises(EvaluationError, match="two pipelines are called 'a'"):
        experiment([never, never], made, ["RR"], names=["a", "a"])
    with pytest.raises(EvaluationError, match="there are 2 pipelines and 1 names"):
        experiment([never, never], made, ["RR"], names=["a"])
    with pytest.raises(EvaluationError, match="baseline 2 is none of the 1 pipelines"):
        experiment([never], made, ["RR"], names=["a"], baseline=2)


def test_unknown_queries_in_qrels() -> None:
    with pytest.raises(EvaluationError, match="1 of 2 judged queries are not among the queries, such as 'other'"):
        evaluate(ranking({"q": ["a"]}), {"q": {"a": 1}, "other": {"a": 1}}, ["RR"], query_ids=["q"])


def test_duplicate_hits() -> None:
    run = Ranking(
        (bb.Query.of("q"),), np.array([0, 3]), np.array(["a", "b", "a"], object), np.array([3, 2, 1], np.float32)
    )
    with pytest.raises(EvaluationError, match="query 'q' has item 'a' twice among its hits"):
        evaluate(run, {"q": {"a": 1}}, ["RR"])


def test_scores_that_are_no_numbers() -> None:
    with pytest.raises(RankingError, match=r"hit 'a' of query 1 has no number as its score \(NaN\)"):
        ranking({"q": {"a": float("nan"), "b": 1.0}})
    assert evaluate(ranking({"q": {"a": float("inf"), "b": 1.0}}), {"q": {"a": 1}}, ["RR"])["RR"] == 1


def test_empty_runs_score_zero_and_say_so() -> None:
    with pytest.warns(UserWarning, match="nothing was found for any of 2 queries; is the library filled"):
        found = evaluate(ranking({"q": [], "r": []}), {"q": {"a": 1}, "r": {"a": 1}}, ["nDCG@10", "AP", "Bpref"])
    assert list(found.values.values()) == [0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate(ranking({"q": [], "r": ["a"]}), {"q": {"a": 1}, "r": {"a": 1}}, ["RR"])["RR"] == 0.5


def test_ragged_hits_and_unjudged_queries() -> None:
    hits = {"q": [f"d{number}" for number in range(50)], "unjudged": ["a"], "r": ["a"], "s": []}
    qrels = {"q": {"d49": 1}, "r": {"a": 1}, "s": {"a": 1}, "unjudged": {}}
    found = evaluate(ranking(hits), qrels, ["RR"], query_ids=list(hits))
    assert found.query_ids == ("q", "r", "s")
    assert found.per_query["RR"].tolist() == pytest.approx([1 / 50, 1, 0])
    with pytest.raises(EvaluationError, match="the ranking has 4 queries, but there are 2 query ids"):
        evaluate(ranking(hits), qrels, ["RR"], query_ids=["q", "r"])
    with pytest.raises(EvaluationError, match="no query has judgements"):
        evaluate(ranking({"q": ["a"]}), {}, ["RR"], query_ids=["q"])


def test_measures_that_need_items_say_so() -> None:
    with pytest.raises(EvaluationError, match="evaluate against a Benchmark, not against qrels"):
        evaluate(ranking({"q": ["a"]}), {"q": {"a": 1}}, ["hub_rate@10"])
    with pytest.raises(EvaluationError, match="item 'a' was found but is not in the corpus of made"):
        evaluate(ranking({"q": ["a"]}), benchmark({"q": {"a": 1}}), ["hub_rate@10"])


@pytest.mark.parametrize("name", ["modality_accuracy@1", "moment_R@1", "page_recall@1"])
def test_judged_items_that_the_corpus_lacks_are_not_called_found(name: str) -> None:
    item = bb.Item("b", "shot", (), bb.Locator("film", page=1, start=0, end=1))
    with pytest.raises(EvaluationError, match="item 'a' is judged but is not in the corpus of made; complete the"):
        evaluate(ranking({"q": ["b"]}), benchmark({"q": {"a": 1}}, [item]), [name])

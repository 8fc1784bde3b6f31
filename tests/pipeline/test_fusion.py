"""Scales and fusions: equal to those of ranx, to rounding, on random runs with ties, missing hits and empty queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import ranx

import bowerbird as bb
from bowerbird.errors import PipelineError
from bowerbird.ranking import Ranking
from tests.pipeline.found import Found

QUERIES = [f"query {number}" for number in range(20)]


def runs(count: int, seed: int) -> list[list[dict[str, float]]]:
    """Runs of few items with rounded scores, so that ties and common hits are many. ranx takes no empty query."""
    random = np.random.default_rng(seed)
    return [
        [
            {f"d{item}": round(float(random.normal()), 1) for item in random.choice(30, random.integers(1, 15), False)}
            for _ in QUERIES
        ]
        for _ in range(count)
    ]


def as_ranx(run: list[dict[str, float]]) -> Any:
    """With hits in our order, as ranx ranks by the order that it is given."""
    ranking = Ranking.from_scores(QUERIES, run)
    return ranx.Run({query: dict(ranking.hits(number)) for number, query in enumerate(QUERIES)})


def stages(several: list[list[dict[str, float]]]) -> list[bb.Stage]:
    return [Found(Ranking.from_scores(QUERIES, run)) for run in several]


def agree(ours: Ranking, theirs: Any) -> None:
    assert len(ours.ids)
    for number, query in enumerate(QUERIES):
        assert dict(ours.hits(number)) == pytest.approx(dict(theirs.run[query]), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", ["mnz", "anz", "max", "min", "med"])
def test_comb_rules_are_those_of_ranx(rule: Any, seed: int) -> None:
    several = runs(3, seed)
    agree(
        bb.comb(rule, *stages(several))(QUERIES),
        ranx.fuse([as_ranx(run) for run in several], norm=None, method=rule),
    )


@pytest.mark.parametrize("seed", range(3))
def test_weighted_sums_and_reciprocal_ranks_are_those_of_ranx(seed: int) -> None:
    several = runs(3, seed)
    theirs = [as_ranx(run) for run in several]
    one, two, three = stages(several)
    agree(
        (0.5 * one + -1 * two + 2 * three)(QUERIES),
        ranx.fuse(theirs, norm=None, method="wsum", params={"weights": [0.5, -1.0, 2.0]}),
    )
    agree(bb.rrf(one, two, three, k=7)(QUERIES), ranx.fuse(theirs, norm=None, method="rrf", params={"k": 7}))


@pytest.mark.parametrize(("scale", "theirs"), [("min-max", "min-max"), ("z", "zmuv"), ("rank", "rank")])
def test_scales_are_those_of_ranx(scale: Any, theirs: str) -> None:
    [run] = runs(1, 4)
    run[3] = dict.fromkeys(run[3], 2.5)
    normalised = (stages([run])[0] >> bb.Normalise(scale))(QUERIES)
    one = as_ranx(run)
    nothing = ranx.Run({query: {"none": 0.0} for query in QUERIES})
    summed = ranx.fuse([one, nothing], norm=theirs, method="sum")
    for number, query in enumerate(QUERIES):
        expected = {name: score for name, score in summed.run[query].items() if name != "none"}
        assert dict(normalised.hits(number)) == pytest.approx(expected, abs=1e-5)


def test_softmax_gives_shares() -> None:
    found = Found(Ranking.from_scores(["q", "none", "large"], [{"a": 1.0, "b": 0.0}, {}, {"c": 1e4, "d": -1e4}]))
    shares = (found >> bb.Normalise("softmax"))(["q", "none", "large"])
    assert dict(shares.hits(0)) == pytest.approx({"a": 1 / (1 + np.exp(-1)), "b": 1 / (1 + np.e)})
    assert shares.hits(1) == []
    assert shares.hits(2) == [("c", 1.0), ("d", 0.0)]


def test_unknown_scales_are_refused() -> None:
    with pytest.raises(PipelineError, match="unknown scale 'max': choose one of min-max, z, softmax, rank"):
        bb.Normalise("max")  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"Normalise\('z'\) needs hits"):
        bb.Normalise("z")(["q"])

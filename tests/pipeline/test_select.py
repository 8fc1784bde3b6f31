"""Selection policies against a loop over queries, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.errors import PipelineError
from bowerbird.pipeline.select import FixedK, LargestGap, Threshold, UpToK
from bowerbird.ranking import Ranking
from tests.pipeline.found import Found

SCORES = [{"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1}, {"a": 0.4}, {}, {"a": 0.5, "b": 0.5, "c": 0.5}]
QUERIES = ["q"] * len(SCORES)


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (FixedK(2), [2, 1, 0, 2]),
        (Threshold(0.5), [2, 0, 0, 3]),
        (UpToK(1, 0.5), [1, 0, 0, 1]),
        (UpToK(9, 0.15), [3, 1, 0, 3]),
        (LargestGap(), [2, 1, 0, 1]),
        (LargestGap(least=3), [3, 1, 0, 3]),
        (LargestGap(most=1), [1, 1, 0, 1]),
    ],
)
def test_how_many_are_kept(policy: FixedK | Threshold | UpToK | LargestGap, kept: list[int]) -> None:
    ranking = (Found(Ranking.from_scores(QUERIES, SCORES)) >> bb.Select(policy))(QUERIES)
    assert np.diff(ranking.offsets).tolist() == kept


def test_largest_gap_is_that_of_a_loop() -> None:
    random = np.random.default_rng(0)
    rows = [np.sort(random.random(random.integers(0, 12)))[::-1].astype(np.float32) for _ in range(200)]
    ranking = Ranking.from_scores(
        ["q"] * 200, [{f"d{n:02}": float(score) for n, score in enumerate(row)} for row in rows]
    )
    kept = np.diff((Found(ranking) >> bb.Select(LargestGap(2, 6)))(["q"] * 200).offsets)
    for row, count in zip(rows, kept, strict=True):
        drops = {cut: row[cut - 1] - row[cut] for cut in range(2, min(7, len(row)))}
        assert count == (max(drops, key=lambda cut: drops[cut]) if drops else len(row))


def test_a_gap_needs_bounds_in_order() -> None:
    with pytest.raises(PipelineError, match="1 <= least <= most, got 3 and 2"):
        LargestGap(3, 2)

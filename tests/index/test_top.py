"""The best k of many scores."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bowerbird.index.top import top_k


@given(
    arrays(np.float32, st.integers(0, 40), elements=st.sampled_from([-np.inf, -1, 0, 0.5, 1, 2, np.inf])),
    st.integers(0, 45),
)
def test_top_k_is_the_head_of_a_stable_sort(scores: np.ndarray, k: int) -> None:
    assert top_k(scores, k).tolist() == np.argsort(-scores, kind="stable")[:k].tolist()


def test_a_score_that_is_no_number_comes_last() -> None:
    scores = np.array([np.nan, 1, np.nan, 3, 2], np.float32)
    assert top_k(scores, 2).tolist() == [3, 4]
    assert top_k(scores, 4).tolist() == [3, 4, 1, 0]

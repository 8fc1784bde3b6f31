from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bowerbird.embeddings import Dense
from bowerbird.index import flat
from bowerbird.index.flat import FlatIndex
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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 60), st.booleans(), st.integers(0, 2**32 - 1))
def test_finds_what_brute_force_finds(count: int, asked: int, k: int, filtered: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (count, 3)).astype(np.float16)  # small whole numbers: many exact ties
    queries = rng.integers(-2, 3, (asked, 3)).astype(np.float32)
    rows = np.sort(rng.choice(2 * count, count, replace=False)).astype(np.int64)
    allowed = rng.random(2 * count) < 0.5 if filtered else None
    found, scores = FlatIndex(vectors, rows).search(Dense(queries), k, allowed)
    assert found.shape == scores.shape == (asked, k)
    for number, query in enumerate(queries):
        hits = [
            (-float(vector.astype(np.float32) @ query), row)
            for vector, row in zip(vectors, rows, strict=True)
            if allowed is None or allowed[row]
        ]
        expected = sorted(hits)[:k]
        assert found[number, : len(expected)].tolist() == [row for _, row in expected]
        assert scores[number, : len(expected)].tolist() == [-score for score, _ in expected]
        assert (found[number, len(expected) :] == -1).all()


def test_blocks_and_batches_give_the_same_as_one_product(tmp_path: Path) -> None:
    """More rows than a block and more queries than a batch, from a memory map."""
    rng = np.random.default_rng(0)
    count, asked = flat.BLOCK_ROWS + 1000, flat.BATCH + 3
    np.save(tmp_path / "vectors.npy", rng.standard_normal((count, 8)).astype(np.float16))
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    queries = rng.standard_normal((asked, 8)).astype(np.float32)
    allowed = rng.random(count) < 0.9
    index = FlatIndex(vectors, np.arange(count))
    for mask in (None, allowed):
        found, scores = index.search(Dense(queries), 5, mask)
        everything = queries @ vectors.astype(np.float32).T
        if mask is not None:
            everything[:, ~mask] = -np.inf
        expected = np.sort(everything, axis=1)[:, :-6:-1]
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
        np.testing.assert_allclose(np.take_along_axis(everything, found, axis=1), expected, rtol=1e-5)


@pytest.mark.parametrize("allowed", [None, np.zeros(2, bool)])
def test_nothing_to_find(allowed: np.ndarray | None) -> None:
    count = 0 if allowed is None else 2
    index = FlatIndex(np.ones((count, 3), np.float16), np.arange(count))
    found, scores = index.search(Dense(np.ones((2, 3), np.float32)), 4, allowed)
    assert (found == -1).all()
    assert (scores == 0).all()


def test_one_broken_vector_hides_no_others() -> None:
    vectors = np.eye(4, dtype=np.float16)
    vectors[1] = np.nan
    found, _ = FlatIndex(vectors, np.arange(4)).search(Dense(np.array([[3, 0, 2, 1]], np.float32)), 2)
    assert found.tolist() == [[0, 2]]

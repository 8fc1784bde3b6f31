"""Nearest neighbours in a segment: exact in small ones, near in large ones, filtered, saved and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import Dense
from bowerbird.errors import CollectionError
from bowerbird.index import dense_segment
from bowerbird.index.base import Found
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.index.kernels import quantize
from bowerbird.index.multivector.centroids import Centroids


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 60), st.booleans(), st.integers(0, 2**32 - 1))
def test_finds_what_brute_force_finds(count: int, asked: int, k: int, filtered: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, (count, 3)).astype(np.float16)  # small whole numbers: many exact ties
    queries = rng.integers(-2, 3, (asked, 3)).astype(np.float32)
    keys = np.sort(rng.choice(2 * count, count, replace=False)).astype(np.int64)
    allowed = rng.random(2 * count) < 0.5 if filtered else None
    usable = None if allowed is None else allowed[keys]
    found = DenseSegment.build(keys, vectors).search(Dense(queries), k, usable=usable)
    assert found.keys.shape == found.scores.shape == (asked, k)
    for number, query in enumerate(queries):
        hits = [
            (-float(vector.astype(np.float32) @ query), key)
            for vector, key in zip(vectors, keys, strict=True)
            if allowed is None or allowed[key]
        ]
        expected = sorted(hits)[:k]
        assert found.keys[number, : len(expected)].tolist() == [key for _, key in expected]
        assert found.scores[number, : len(expected)].tolist() == [-score for score, _ in expected]
        assert (found.keys[number, len(expected) :] == -1).all()


def clustered(count: int, seed: int, dim: int = 48) -> np.ndarray:
    centres = np.random.default_rng(0).standard_normal((200, dim))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 200, count)] + 0.7 * rng.standard_normal((count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


VECTORS, ASKED = clustered(20_000, 1), clustered(70, 2).astype(np.float32)
EXACT = ASKED @ VECTORS.astype(np.float32).T


def recall(index: DenseSegment, allowed: np.ndarray | None = None, **options: float) -> float:
    usable = None if allowed is None else allowed[index.keys]
    found = index.search(Dense(ASKED), 10, usable=usable, **options)  # type: ignore[arg-type]
    scores = EXACT if allowed is None else np.where(allowed, EXACT, -9)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, found.keys, strict=True)]))


def test_a_scan_is_as_good_as_exact() -> None:
    index = DenseSegment.build(np.arange(20_000), VECTORS)
    assert not index.listed
    assert recall(index) > 0.999
    found = index.search(Dense(ASKED), 10)
    np.testing.assert_allclose(found.scores, np.take_along_axis(EXACT, found.keys, axis=1), rtol=1e-5)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> DenseSegment:
    monkeypatch.setattr(dense_segment, "LISTED", 10_000)
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    return DenseSegment.build(np.arange(20_000), VECTORS)


def test_lists_reach_the_recall_that_was_asked_for(listed: DenseSegment) -> None:
    assert listed.listed
    probes = listed.calibration.probes
    assert probes(0.5) < probes(0.99) <= len(listed.lists)
    for target in (0.8, 0.95, 0.99):
        assert recall(listed, recall=target) > target - 0.05
    assert recall(listed, recall=1.0) > 0.99
    with pytest.raises(ValueError, match="recall"):
        listed.search(Dense(ASKED), 10, recall=0)


def test_filters_leave_k_hits_where_there_are_k(listed: DenseSegment) -> None:
    for share in (0.3, 0.01, 0.002):
        allowed = np.random.default_rng(3).random(20_000) < share
        found = listed.search(Dense(ASKED), 10, usable=allowed[listed.keys])
        assert (found.keys >= 0).all()
        assert allowed[found.keys].all()
        assert recall(listed, allowed, recall=1.0) > 0.97
    one_list = np.zeros(20_000, bool)  # what a filter leaves lies together, far from the query
    one_list[listed.keys[:150]] = True
    assert one_list[listed.search(Dense(ASKED), 10, usable=one_list[listed.keys]).keys].all()


def test_rebuilt_with_the_same_centroids(listed: DenseSegment) -> None:
    kept = np.flatnonzero(np.arange(20_000) % 7 != 0)
    again = listed.rebuilt(kept, VECTORS[kept])
    np.testing.assert_array_equal(again.arrays["centroids.points"], listed.arrays["centroids.points"])
    assert len(again) == len(kept)
    allowed = np.arange(20_000) % 7 != 0
    assert recall(again, allowed, recall=1.0) > 0.99
    assert not listed.rebuilt(kept[:50], VECTORS[kept[:50]]).listed


def test_files_of_older_versions_are_searched(listed: DenseSegment) -> None:
    """They rank lists by the centroids that vectors were sorted by, and know how many vectors to re-score."""
    kept = {name: array for name, array in listed.arrays.items() if not name.startswith(("lists.", "slacks"))}
    depths = np.sort(np.random.default_rng(0).integers(0, 30, 1000)).astype(np.int32)
    older = DenseSegment({**kept, "depths": depths})
    assert recall(older, probes=len(older.lists) // 2) > 0.95
    assert recall(older.rebuilt(np.arange(20_000), VECTORS)) > 0.9


def test_saved_and_opened(tmp_path: Path, listed: DenseSegment) -> None:
    path = tmp_path / listed.save(tmp_path)
    again = DenseSegment.open(path)
    np.testing.assert_array_equal(again.search(Dense(ASKED), 10).keys, listed.search(Dense(ASKED), 10).keys)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CollectionError, match="cut off"):
        DenseSegment.open(path)


@pytest.mark.parametrize("usable", [None, np.zeros(2, bool)])
def test_nothing_to_find(usable: np.ndarray | None) -> None:
    count = 0 if usable is None else 2
    index = DenseSegment.build(np.arange(count), np.ones((count, 3), np.float16))
    found = index.search(Dense(np.ones((2, 3), np.float32)), 4, usable=usable)
    assert (found.keys == -1).all()
    assert np.isneginf(found.scores).all()


def test_one_broken_vector_hides_no_others() -> None:
    vectors = np.eye(4, dtype=np.float16)
    vectors[1] = np.nan
    found = DenseSegment.build(np.arange(4), vectors).search(Dense(np.array([[3, 0, 2, 1]], np.float32)), 2)
    assert found.keys.tolist() == [[0, 2]]


@pytest.mark.parametrize("dim", [5, 6, 7])
def test_vectors_of_any_width_are_sorted_by_their_nearest_centroid(dim: int) -> None:
    vectors = clustered(3000, 5, dim).astype(np.float32)
    centroids = Centroids.train(vectors, 64)
    found = centroids.nearest(vectors, probes=64)
    np.testing.assert_array_equal(found, centroids.nearest(quantize(vectors)[0], probes=64))
    scores = vectors @ centroids.points.T
    assert (scores[np.arange(3000), found] > scores.max(axis=1) - 0.02).all()


def test_queries_of_another_width_are_refused(listed: DenseSegment) -> None:
    for dim in (44, 52):
        for search in (listed.search, lambda queries, k: listed.nominate(queries, k, usable=None)):
            with pytest.raises(ValueError, match=f"queries have {dim} dimensions, the index has vectors of 48"):
                search(Dense(np.ones((1, dim), np.float32)), 3)


def test_equal_scores_are_in_the_order_of_keys() -> None:
    part = Found(np.array([[5, 3, -1]]), np.array([[1, 1, -np.inf]], np.float32))
    assert Found.best([part], 1, 3).keys.tolist() == [[3, 5, -1]]

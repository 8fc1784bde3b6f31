"""Pooled tokens are the means of Ward's clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import MultiVector
from bowerbird.index.pooling import clusters, pooled


def unit(count: int, seed: int, dim: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize(("count", "wanted"), [(2, 1), (30, 7), (200, 200), (200, 60), (300, 1), (1030, 343)])
def test_clusters_are_those_of_scipy(count: int, wanted: int) -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    vectors = unit(count, count)
    expected = hierarchy.fcluster(hierarchy.linkage(vectors.astype(np.float64), "ward"), wanted, "maxclust")
    assert partition(clusters(vectors, wanted)) == partition(expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.data())
def test_there_are_as_many_clusters_as_asked_for(count: int, different: int, data: st.DataObject) -> None:
    vectors = unit(different, 3)[np.random.default_rng(count).integers(0, different, count)]  # most are equal
    wanted = data.draw(st.integers(1, count))
    labels = clusters(vectors, wanted)
    assert labels.shape == (count,)
    distinct = len(np.unique(vectors, axis=0))
    assert labels.max() + 1 == min(wanted, distinct)
    first = [int(np.flatnonzero(labels == label)[0]) for label in range(labels.max() + 1)]
    assert first == sorted(first)


def test_means_are_of_unit_length_and_keep_their_places() -> None:
    near = unit(4, 0)
    tokens = MultiVector.of([np.repeat(near, 3, axis=0) + 0.01 * unit(12, 1), unit(2, 2), unit(0, 0), unit(7, 3)])
    few = pooled(tokens, 3)
    assert few.lengths.tolist() == [4, 1, 0, 2]
    np.testing.assert_allclose(np.linalg.norm(few.vectors, axis=1), 1, rtol=1e-5)
    assert (np.einsum("ij,ij->i", few[0], near) > 0.999).all()
    np.testing.assert_allclose(few[1][0], tokens[1].sum(axis=0) / np.linalg.norm(tokens[1].sum(axis=0)), rtol=1e-5)
    assert pooled(tokens, 1) is tokens
    with pytest.raises(ValueError, match="factor"):
        pooled(tokens, 0)

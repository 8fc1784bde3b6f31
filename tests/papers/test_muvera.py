"""Fixed dimensional encodings of the words of real abstracts, and what the page measures them by."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bowerbird.embeddings import MultiVector
from bowerbird.index.fde import FDEConfig
from bowerbird.papers import muvera
from bowerbird.papers.muvera import Exact, Sets, means, ndcg, places, single_vector_places, words
from tests.shared import shared


@pytest.fixture(scope="module")
def sets() -> Sets:
    """300 abstracts of Cranfield, asked by 60 of its queries; no judgements."""
    folder = shared("text/cranfield")
    texts, asked = (
        [json.loads(line)["text"] for line in (folder / name).read_text("utf8").splitlines()[:most]]
        for name, most in (("corpus.jsonl", 300), ("queries.jsonl", 60))
    )
    stored = words([" ".join(text.split()[:40]) for text in texts])
    return muvera._less_mean(Sets(stored, words(asked), np.zeros((60, 300), np.float32)))


def test_an_encoding_finds_the_best_document_sooner_than_the_mean(sets: Sets) -> None:
    exact = Exact.of(sets)
    scores = muvera._fde(sets, FDEConfig(sets.documents.dim, simhash=5, projection=16))
    ours = (places(scores, exact.best) <= 5).mean()
    pooled = (places(means(sets.queries) @ means(sets.documents).T, exact.best) <= 5).mean()
    assert ours > pooled + 0.15


def test_single_tokens_are_looked_up_until_the_document_is_named() -> None:
    """Two query tokens; documents 0 and 1 hold the nearest tokens, document 2 the second of the first list."""
    documents = MultiVector.of([np.array([[0.9, 0.0]]), np.array([[0.0, 0.9], [0.0, 0.8]]), np.array([[0.7, 0.0]])])
    similar = np.eye(2) @ documents.vectors.T
    nearest = np.maximum.reduceat(similar, documents.offsets[:-1], axis=1)
    assert single_vector_places(similar, nearest, 0) == (2, 2)
    assert single_vector_places(similar, nearest, 2) == (4, 3)


def test_places_count_equal_scores_against_a_document() -> None:
    scores = np.array([[3.0, 2.0, 2.0, 1.0]])
    assert [int(places(scores, np.array([wanted]))[0]) for wanted in range(4)] == [1, 3, 3, 4]


def test_gain_is_that_of_the_order_divided_by_the_best_order() -> None:
    gains = np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]], np.float32)
    found = ndcg(np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 1.0]]), gains, 3)
    assert found == pytest.approx([(1 + 3 / 2) / (3 + 1 / np.log2(3))])

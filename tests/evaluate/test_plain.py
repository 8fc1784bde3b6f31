"""Plain methods over contents in memory, and embeddings that are kept on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bowerbird.embeddings import MultiVector
from bowerbird.encoders import e5, lite
from bowerbird.evaluate.plain import bm25, late_interaction, ranks
from bowerbird.evaluate.vectors import item_embeddings, query_embeddings
from bowerbird.items import Text

TEXTS = ("The cat sleeps on the warm roof.", "Stars are balls of hot gas.", "A bowerbird gathers blue things.")


def test_bm25_finds_the_text_with_the_words_of_the_query() -> None:
    scores = bm25(TEXTS, ["blue bowerbirds", "gas stars", "zebra"])
    assert scores.shape == (3, 3)
    assert scores.argmax(axis=1).tolist()[:2] == [2, 1]
    assert not scores[2].any()


def test_late_interaction_is_the_mean_of_the_best_products() -> None:
    random = np.random.default_rng(0)
    queries = MultiVector.of([random.standard_normal((size, 8)).astype(np.float32) for size in (2, 3)])
    documents = MultiVector.of([random.standard_normal((size, 8)).astype(np.float32) for size in (4, 0, 5)])
    scores = late_interaction(queries, documents)
    for query in range(2):
        for document in (0, 2):
            naive = (queries[query] @ documents[document].T).max(axis=1).mean()
            assert scores[query, document] == pytest.approx(naive, abs=1e-5)
    assert np.isneginf(scores[:, 1]).all()


def test_ranks_count_equal_scores_against_the_right_content() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 0.0]])
    assert ranks(scores, np.array([1, 0])).tolist() == [2, 2]


def test_embeddings_come_back_from_disk_as_they_were_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOWERBIRD_CACHE", str(tmp_path))
    batch = [(Text(text),) for text in TEXTS]
    made, fresh = item_embeddings(e5.load(), batch), e5.load().encode_items(batch)
    again = item_embeddings(e5.load(), batch)
    assert made.dense is not None
    assert made.tokens is not None
    assert again.tokens is not None
    assert fresh.dense is not None
    assert fresh.tokens is not None
    np.testing.assert_allclose(made.dense.vectors, fresh.dense.vectors, atol=1e-3)
    np.testing.assert_array_equal(made.tokens.vectors, again.tokens.vectors)
    np.testing.assert_array_equal(made.tokens.offsets, fresh.tokens.offsets)
    asked = query_embeddings(e5.load(), batch).dense
    assert asked is not None
    assert not np.allclose(asked.vectors, made.dense.vectors, atol=1e-3)
    with pytest.raises(ValueError, match="both"):
        item_embeddings(lite.load(), batch)

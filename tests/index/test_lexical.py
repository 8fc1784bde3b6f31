from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import Sparse
from bowerbird.index.analysis import query_terms, term_counts
from bowerbird.index.lexical import K1, B, Counts, LexicalIndex, Postings
from bowerbird.storage.checked import CheckedFile, write_checked

DOCUMENTS = st.lists(st.lists(st.integers(0, 6), max_size=12), min_size=1, max_size=12)
QUERY = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=2, unique=True).map(tuple), max_size=5)


def counted(documents: list[list[int]]) -> Sparse:
    found = [sorted((term, document.count(term)) for term in set(document)) for document in documents]
    return Sparse(
        np.array([term for one in found for term, _ in one], np.uint64),
        np.array([count for one in found for _, count in one], np.float32),
        np.cumsum([0, *map(len, found)]).astype(np.int64),
    )


def bm25(documents: list[list[int]], query: list[tuple[int, ...]]) -> list[float]:
    """The formula as the paper has it, word by word. Empty documents count neither for rarity nor for length."""
    filled = [document for document in documents if document]
    average = sum(map(len, filled)) / max(len(filled), 1)
    scores = []
    for document in documents:
        score = 0.0
        for term in (term for word in query for term in word):
            n = sum(term in other for other in filled)
            frequency = document.count(term)
            if frequency:
                idf = math.log(1 + (len(filled) - n + 0.5) / (n + 0.5))
                score += idf * frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * len(document) / average))
        scores.append(score)
    return scores


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, QUERY, st.integers(1, 15), st.randoms(use_true_random=False))
def test_scores_as_the_formula_says(documents: list[list[int]], query: list[tuple[int, ...]], k: int, random) -> None:
    allowed = np.array([random.random() < 0.7 for _ in documents])
    index = LexicalIndex.build(counted(documents))
    for mask in (None, allowed):
        rows, scores = index.search([query, query], k, mask)
        assert rows.shape == scores.shape == (2, k)
        expected = bm25(documents, query)
        hits = {row: score for row, score in enumerate(expected) if score > 0 and (mask is None or mask[row])}
        found = [int(row) for row in rows[0] if row >= 0]
        assert len(found) == min(k, len(hits))
        assert set(found) <= set(hits)
        np.testing.assert_allclose(scores[0, : len(found)], sorted(hits.values(), reverse=True)[:k], rtol=1e-5)
        np.testing.assert_allclose(scores[0, : len(found)], [hits[row] for row in found], rtol=1e-5)
        assert (rows[0] == rows[1]).all()


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS, QUERY)
def test_no_score_passes_the_ceiling(documents: list[list[int]], query: list[tuple[int, ...]]) -> None:
    """With one alternative per word, as a text in one language has them."""
    query = [word[:1] for word in query]
    index = LexicalIndex.build(counted(documents))
    _, scores = index.search([query], len(documents))
    assert scores.max() <= index.ceiling([query])[0] * (1 + 1e-5)


def test_equal_documents_come_in_their_order() -> None:
    index = LexicalIndex.build(counted([[1], [2], [1], [1]]))
    assert index.search([[(1,)]], 2)[0].tolist() == [[0, 2]]


@settings(max_examples=150, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=4), QUERY, st.randoms(use_true_random=False))
def test_segments_answer_as_one(segments: list[list[list[int]]], query: list[tuple[int, ...]], random) -> None:
    """Whatever is left of them, and in whatever order: rarity and length are those of what is left."""
    documents = [document for segment in segments for document in segment]
    left = [at for at in range(len(documents)) if random.random() < 0.7]
    random.shuffle(left)
    row_of = np.full(len(documents), -1, np.int64)
    row_of[left] = np.arange(len(left))
    parts, first = [], 0
    for segment in segments:
        parts.append((Postings.build(Counts.of(counted(segment)), len(segment)), first))
        first += len(segment)
    index, whole = LexicalIndex(parts, row_of), LexicalIndex.build(counted([documents[at] for at in left]))
    for k in (len(left), 3):
        (rows, scores), (expected_rows, expected) = index.search([query], k), whole.search([query], k)
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
        clear = expected > expected.min(initial=np.inf)  # equals of the last one may be cut off
        assert rows[clear].tolist() == expected_rows[clear].tolist()
    np.testing.assert_allclose(index.weights(query), whole.weights(query))
    np.testing.assert_allclose(index.ceiling([query]), whole.ceiling([query]))


def test_stored_postings_answer_the_same(tmp_path: Path) -> None:
    built = Postings.build(Counts.of(counted([[1, 2, 2], [], [2, 3], [3, 3, 1]])), 4)
    stored = Postings.of(CheckedFile(tmp_path / write_checked(tmp_path, "", {}, built.arrays)))
    for query in ([(1,)], [(2, 3), (1,)], [(9,)], []):
        for fresh, again in zip(
            LexicalIndex([(built, 0)]).search([query], 3), LexicalIndex([(stored, 0)]).search([query], 3), strict=True
        ):
            assert fresh.tolist() == again.tolist()


@pytest.mark.parametrize("documents", [[], [[]], [[], []]])
def test_an_index_of_nothing_finds_nothing(documents: list[list[int]]) -> None:
    index = LexicalIndex.build(counted(documents))
    rows, _ = index.search([[(1,)], []], 3)
    assert rows.tolist() == [[-1] * 3] * 2
    assert len(index.ceiling([[(1,)], []])) == 2


def test_texts_in_several_languages_in_one_index() -> None:
    texts = [
        "The dogs are in the garden of the house.",
        "Die Hunde sind in dem Garten und auf der Straße.",
        "花园里有狗",
    ]
    index = LexicalIndex.build(term_counts(texts, ["en", "de", "zh"]))
    asked = {"dog": 0, "Hund": 1, "狗": 2, "how many dogs are in the house": 0, "gartens": 1}
    rows, _ = index.search([query_terms(text, ["en", "de", "zh"]) for text in asked], 1)
    assert dict(zip(asked, rows[:, 0].tolist(), strict=True)) == asked

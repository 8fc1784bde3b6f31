"""Identifiers are written only if they name a document, the likeliest first; a real index learns real captions."""

from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from bowerbird.embeddings import Dense
from bowerbird.errors import CollectionError
from bowerbird.papers.generative_retrieval.beam import NONE, Trie, constrained, free
from bowerbird.papers.generative_retrieval.decoder import Training
from bowerbird.papers.generative_retrieval.identifiers import END, SCHEMES, Identifiers, semantic
from bowerbird.papers.generative_retrieval.index import Asked, GenerativeIndex
from tests.shared import shared

TRAINING = Training(hidden=64, epochs=25, batch=64)
Singles = NDArray[np.float32]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("count", [1, 7, 10, 11, 130])
def test_every_document_has_an_identifier_of_its_own(scheme: str, count: int) -> None:
    rng = np.random.default_rng(0)
    made = SCHEMES[scheme](rng.standard_normal((count, 8)).astype(np.float32), rng)
    assert len(np.unique(made.digits, axis=0)) == count
    assert 0 <= made.digits.min() <= made.digits.max() < made.symbols
    assert Trie.of(made).find(made.digits).tolist() == list(range(count))


def test_equal_vectors_get_different_identifiers() -> None:
    made = semantic(np.ones((250, 4), np.float32), np.random.default_rng(0))
    assert len(np.unique(made.digits, axis=0)) == 250


def test_like_documents_share_the_beginning_of_their_semantic_identifiers() -> None:
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((10, 16))[np.arange(200) % 10]
    made = semantic((topics + 0.1 * rng.standard_normal((200, 16))).astype(np.float32), rng)
    same = made.digits[:, None, 0] == made.digits[None, :, 0]
    topic = np.arange(200)[:, None] % 10 == np.arange(200) % 10
    assert same[topic].mean() > 0.9
    assert same[~topic].mean() < 0.2


def test_a_wide_beam_gives_the_exact_order_of_the_products_of_steps() -> None:
    rng = np.random.default_rng(1)
    made = semantic(rng.standard_normal((60, 8)).astype(np.float32), rng)
    table = {}

    def log_probs(query: NDArray[np.int64], written: NDArray[np.int64]) -> Singles:
        rows = [
            table.setdefault((q, *digits), rng.standard_normal(made.symbols))
            for q, digits in zip(query, written.tolist(), strict=True)
        ]
        logits = np.stack(rows)
        return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)

    found = constrained(log_probs, 2, Trie.of(made), 60)
    for query in range(2):
        steps = [log_probs(np.full(60, query), made.digits[:, :step]) for step in range(made.length)]
        exact = sum(step[np.arange(60), made.digits[:, place]] for place, step in enumerate(steps))
        assert found.documents[query].tolist() == np.argsort(-exact, kind="stable").tolist()
        np.testing.assert_allclose(found.scores[query], np.sort(exact)[::-1], rtol=1e-5)
    anything = free(log_probs, 2, Trie.of(made), 40)
    named = anything.documents != NONE
    assert (anything.digits[named] == made.digits[anything.documents[named]]).all()
    assert not named.all()


def test_a_trie_of_some_documents_writes_only_those() -> None:
    made = Identifiers(np.array([[0, 1], [0, 2], [3, 0], [4, END]]), END + 1)
    trie = Trie.of(made, np.array([1, 3]))
    assert trie.find(made.digits).tolist() == [NONE, 1, NONE, 3]
    flat = lambda query, written: np.zeros((len(query), made.symbols), np.float32)  # noqa: E731
    assert sorted(constrained(flat, 1, trie, 2).documents[0].tolist()) == [1, 3]


@pytest.fixture(scope="module")
def captions() -> Singles:
    """60 photos × 5 captions × 512: counts of their words, hashed."""
    lines = (shared("images/flickr8k-ml") / "items.jsonl").read_text("utf8").splitlines()[::15][:60]
    counts = np.zeros((60, 5, 512), np.float32)
    for photo, line in enumerate(lines):
        for number, caption in enumerate(json.loads(line)["captions_en"]):
            for word in caption.lower().split():
                counts[photo, number, crc32(word.encode()) % 512] += 1
    return counts / np.linalg.norm(counts, axis=2, keepdims=True)


def learned(captions: Singles, queries: bool, folder: Path | None = None) -> GenerativeIndex:
    keys = np.arange(60) + 100
    asked = Asked(np.repeat(keys, 3), Dense(captions[:, 1:4].reshape(-1, 512))) if queries else None
    return GenerativeIndex.build(
        keys, Dense(captions[:, 0]), folder=folder, asked=asked, read=not queries, training=TRAINING
    )


def test_synthetic_queries_are_what_finds_documents(captions: Singles, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch, of bowerbird[train]")
    queries = Dense(captions[:, 4])
    with_queries, with_texts = (learned(captions, some, tmp_path if some else None) for some in (True, False))
    recall = [
        (index.search(queries, 10).keys == index.keys[:, None]).any(axis=1).mean()
        for index in (with_queries, with_texts)
    ]
    assert recall[0] > recall[1] + 0.1
    assert recall[0] > 0.5
    again = GenerativeIndex.open(tmp_path)
    before, after = with_queries.search(queries, 60), again.search(queries, 60)
    np.testing.assert_array_equal(before.keys, after.keys)
    assert sorted(before.keys[0].tolist()) == sorted(with_queries.keys.tolist())
    assert (np.diff(before.scores, axis=1) <= 0).all()
    allowed = np.zeros(110, bool)
    allowed[103:107] = True
    assert sorted(again.search(queries, 6, allowed=allowed).keys[0].tolist()) == [-1, -1, 103, 104, 105, 106]
    assert again.remove(np.array([104, 9])) == 1
    assert 104 not in again.search(queries, 59).keys
    assert len(GenerativeIndex.open(tmp_path)) == 59
    assert again.verify() == []
    next(tmp_path.glob("*.pack")).write_bytes(b"no pack")
    with pytest.raises(CollectionError):
        GenerativeIndex.open(tmp_path)


def test_documents_can_be_added(captions: Singles) -> None:
    pytest.importorskip("torch", reason="needs torch, of bowerbird[train]")
    index = GenerativeIndex.build(np.arange(5), Dense(captions[:5, 0]), training=TRAINING)
    index.add(np.array([4, 7]), Dense(captions[5:7, 0]))
    assert sorted(index.keys.tolist()) == [0, 1, 2, 3, 4, 7]
    assert index.search(Dense(captions[6:7, 0]), 1).keys.tolist() == [[7]]
    with pytest.raises(ValueError, match="nothing to learn from"):
        GenerativeIndex.build(np.arange(5), Dense(captions[:5, 0]), read=False)

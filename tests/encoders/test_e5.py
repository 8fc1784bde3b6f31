"""The default text encoder, as shipped."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.encoders import load, token_counter
from bowerbird.encoders.e5 import E5, PREFIXES, batches
from bowerbird.encoders.weights import fingerprint
from bowerbird.errors import BowerbirdError


@pytest.fixture(scope="module")
def e5() -> E5:
    encoder = load("e5")
    assert isinstance(encoder, E5)
    return encoder


def parts(*texts: str) -> list[tuple[bb.Text]]:
    return [(bb.Text(text),) for text in texts]


def test_questions_find_their_passages_across_languages(e5: E5) -> None:
    passages = parts(
        "The heart has four chambers and pumps blood through the body.",
        "The old stone bridge was built between 1351 and 1358.",
        "The library lends up to ten books for two weeks.",
    )
    questions = parts(
        "Wie viele Bücher darf man ausleihen?",
        "¿Cuándo se construyó el puente?",
        "心脏有几个腔室?",
    )
    items, queries = e5.encode_items(passages), e5.encode_queries(questions)
    assert items.dense is not None
    assert queries.dense is not None
    assert np.argmax(queries.dense.vectors @ items.dense.vectors.T, axis=1).tolist() == [2, 1, 0]


def test_rows_keep_their_order_whatever_the_batching(e5: E5) -> None:
    texts = ["short", "a somewhat longer sentence about nothing " * 20, "", "middle sized text here " * 5]
    together = e5.encode_items(parts(*texts))
    assert together.dense is not None
    assert together.tokens is not None
    assert together.dense.vectors.shape == (4, 384)
    assert not together.dense.vectors[2].any()
    assert together.tokens.lengths[2] == 0
    for row in (0, 1, 3):
        alone = e5.encode_items(parts(texts[row]))
        assert alone.dense is not None
        # activations are quantised per batch, so neighbours change the last digits
        assert float(alone.dense.vectors[0] @ together.dense.vectors[row]) > 0.995
    norms = np.linalg.norm(together.tokens.vectors, axis=1)
    assert norms == pytest.approx(np.ones(len(norms)), abs=1e-5)


def test_a_query_has_the_same_vectors_whatever_is_asked_beside_it() -> None:
    asked, others = parts("old bridges"), parts("the number of chambers of a heart", "books that the library lends")
    alone, beside = E5().encode_queries(asked), E5().encode_queries([*others, *asked])
    assert alone.dense is not None
    assert alone.tokens is not None
    assert beside.dense is not None
    assert beside.tokens is not None
    assert np.array_equal(alone.dense.vectors[0], beside.dense.vectors[2])
    assert np.array_equal(alone.tokens[0], beside.tokens[2])


def test_token_vectors_are_those_of_the_words(e5: E5) -> None:
    text = "Die Brücke wurde 1358 vollendet."
    tokens = e5.encode_items(parts(text)).tokens
    assert tokens is not None
    assert len(e5.token_words(text)) == tokens.lengths[0] == e5.count_tokens(text)
    for prefix, length in PREFIXES.items():
        assert e5.count_tokens(prefix + text) == length + e5.count_tokens(text)


def test_normalisation_is_the_models_own(e5: E5) -> None:
    file = e5._file
    assert file.normalize("ﬁne\t１２  ｶﾞ") == "fine 12 ガ"
    assert file.normalize("e\u0301") == "é"


def test_long_texts_are_cut(e5: E5) -> None:
    tokens = e5.encode_items(parts("word " * 5000)).tokens
    assert tokens is not None
    assert tokens.lengths[0] == 512 - 2 - PREFIXES["passage: "]


def test_batches_hold_every_row_once_and_stay_small() -> None:
    lengths = [5, 0, 512, 511, 3, 90, 4, 4, 400, 300, 1] * 7
    found = list(batches(lengths))
    assert sorted(row for rows in found for row in rows) == [row for row, length in enumerate(lengths) if length]
    assert all(len(rows) * max(lengths[row] for row in rows) <= 4096 for rows in found)


def test_the_fingerprint_is_that_of_the_file(e5: E5) -> None:
    data = (files("bowerbird.encoders.weights") / "e5.onnx").read_bytes()
    assert e5.id.weights == fingerprint("e5.onnx") == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_encoders_are_loaded_by_name() -> None:
    assert load("e5") is load("e5")
    assert token_counter("e5")("hello world") >= 2
    with pytest.raises(BowerbirdError, match="unknown encoder 'e6'"):
        load("e6")

"""The page of interleaved documents, on real articles and stamps."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bowerbird.items import Image, Table, Text
from bowerbird.papers.interleaved_docs import method
from bowerbird.papers.interleaved_docs.experiment import NEGATIVES
from bowerbird.papers.interleaved_docs.method import Encoded, Reranker, coarse_to_fine, encode, first_place, reranked
from bowerbird.papers.interleaved_docs.sets import Corpus, Document, Question, articles, encyclopaedia, linearise, pairs
from tests.shared import shared


@pytest.fixture(scope="module")
def read() -> Encoded:
    """Three articles with every fifth of their questions."""
    corpus = articles(shared("text/xquad-crosslingual"), 5)
    few = tuple(question for question in corpus.questions if question.document < 3)
    return encode(Corpus(corpus.documents[:3], few))


def test_pictures_without_words_are_found_by_the_interleaved_vector_alone() -> None:
    folder = shared("multimodal/tuxpaint-stamps")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]

    def some(start: str) -> Document:
        mine = [entry for entry in entries if entry["path_in_package"].startswith(start)][:4]
        return Document(start, "", tuple((Image(str(folder / entry["image"])),) for entry in mine))

    documents = (Document("text", "", ((Text("A treaty was signed."),),)), some("animals/birds"), some("food/fruit"))
    made = encode(Corpus(documents, (Question("A bird.", 1, (0,)), Question("An apple.", 2, (0,)))))
    assert method.document_places(made, made.asked @ made.documents("interleaved").T).tolist() == [1, 1]
    assert method.document_places(made, made.asked @ made.documents("text").T).tolist() == [3, 3]


def test_a_document_is_the_mean_of_its_sections(read: Encoded) -> None:
    documents, sections = read.documents("interleaved"), read.sections("all")
    np.testing.assert_allclose(np.linalg.norm(sections, axis=1), 1, atol=1e-5)
    for number, (start, end) in enumerate(zip(read.bounds[:-1], read.bounds[1:], strict=True)):
        mean = sections[start:end].mean(axis=0)
        np.testing.assert_allclose(documents[number], mean / np.linalg.norm(mean), atol=1e-5)
    assert (method.document_places(read, read.asked @ documents.T) == 1).mean() > 0.8


def test_the_reranker_learns_which_section_answers(read: Encoded) -> None:
    everything = np.arange(len(read.corpus.questions))
    fitted = Reranker.fit(read, everything, "same and others found", np.random.default_rng(0))
    scores = coarse_to_fine(read, reranked(read, fitted))
    assert (first_place(scores, read.answers()) == 1).mean() > 0.9
    blank = replace(fitted, weights=np.zeros_like(fitted.weights))
    assert (first_place(coarse_to_fine(read, reranked(read, blank)), read.answers()) == 1).mean() < 0.5


def test_negatives_come_from_where_they_are_asked_of(read: Encoded) -> None:
    everything = np.arange(len(read.corpus.questions))
    shares = {}
    for negatives in NEGATIVES:
        query, section, right = method._training_pairs(read, everything, negatives, np.random.default_rng(0))
        own = read.owner[section] == np.array([read.corpus.questions[number].document for number in query])
        shares[negatives] = float(own[right == 0].mean())
        assert (read.answers()[query, section] == (right == 1)).all()
    assert shares == {"same document": 1, "any document": 0, "same and others found": 0.5}


def test_sections_outside_of_the_documents_found_are_not_ranked(read: Encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "DOCUMENTS", 1)
    ranked = np.isfinite(coarse_to_fine(read, read.late.astype(np.float64)))
    assert all(len(set(read.owner[row].tolist())) == 1 for row in ranked)
    assert first_place(np.array([[-np.inf, 1.0]]), np.array([[True, False]])).tolist() == [3]


def test_rows_of_a_table_repeat_their_header() -> None:
    table = Table((("Rhine", "1,233"), ("Elbe", "1,094", "extra")), ("river", "km"), "Rivers")
    said = linearise("Germany", (Text("Water."), table, Image("x.png", alt="a map")))
    assert said == "Germany\nWater.\nRivers\nriver: Rhine; km: 1,233\nriver: Elbe; km: 1,094; extra\na map"


def test_the_encyclopaedia_says_everything_once_and_pairs_ask_about_two_sections() -> None:
    corpus = encyclopaedia(shared("multimodal/tuxpaint-stamps"), False)
    for question in corpus.questions:
        parts = corpus.documents[question.document].sections[question.sections[0]]
        assert {"picture": Image, "text": Text, "table": Table}[question.kind] is type(parts[0])
        assert question.text not in linearise("", parts)
    asked = [Question("a", 0, (0,)), Question("b", 0, (1,)), Question("c", 0, (1,)), Question("d", 1, (0,))]
    assert pairs(asked) == [Question("a b", 0, (0, 1))]

"""One vector for all that a document holds, then its best section (Lee et al., arXiv 2410.02729).

A section is what is written in it, table rows with their headers, and its pictures, in one vector; the mean of its
sections' unit vectors is the document's. Documents are found by that vector, and the section inside them by a
re-ranker that was trained on the other sections of the same documents. Here a section's vector has two halves, the
text encoder's and the picture encoder's, as one model for both is not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.encoders import e5, lite
from bowerbird.evaluate.plain import late_interaction
from bowerbird.evaluate.vectors import item_embeddings, item_vectors, query_embeddings, text_vectors
from bowerbird.items import Image, Parts, Text
from bowerbird.papers.interleaved_docs.sets import Corpus, linearise

PICTURES = 0.5
"""How much the half of pictures counts in a query, against that of words."""
DOCUMENTS = 5
"""Documents whose sections are re-ranked; a corpus here has few."""
NEGATIVES = 4
"""Sections of the same document that a question is trained against, and as many of other documents."""
RIDGE, RIDGE_OF_SIMILARITIES = 3000.0, 1.0
"""Of products and differences, of which there are many, and of the two similarities."""
STEPS = 25

Array: TypeAlias = NDArray[np.float32]
Values: TypeAlias = NDArray[np.float64]
Negatives: TypeAlias = Literal["same and others found", "same document", "any document"]
Content = Literal["title", "summary", "text", "first picture", "interleaved"]
CONTENTS: tuple[Content, ...] = ("title", "summary", "text", "first picture", "interleaved")


@dataclass(frozen=True)
class Encoded:
    """A corpus as vectors. Sections of document d are rows bounds[d]:bounds[d + 1].

    written, shown: per section the half of words and the half of pictures, zero where there are none: s × 384 each.
    titles: d × 384. asked_written, asked_shown: the halves of every question: q × 384 each.
    late: MaxSim of every question and every section: q × s.
    """

    corpus: Corpus
    bounds: NDArray[np.int64]
    written: Array
    shown: Array
    titles: Array
    asked_written: Array
    asked_shown: Array
    late: Array

    @property
    def owner(self) -> NDArray[np.int64]:
        """The document of every section."""
        return np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))

    def sections(self, pictures: Literal["none", "first", "all"]) -> Array:
        """Unit vectors of sections with both halves; the first picture is that of the document."""
        shown = np.zeros_like(self.shown)
        if pictures == "all":
            shown = self.shown
        elif pictures == "first":
            pictured = np.flatnonzero(self.shown.any(axis=1))
            _, first = np.unique(self.owner[pictured], return_index=True)
            shown[pictured[first]] = self.shown[pictured[first]]
        return unit(np.concatenate([self.written, shown], axis=1))

    @property
    def asked(self) -> Array:
        return unit(np.concatenate([self.asked_written, PICTURES * self.asked_shown], axis=1))

    @cached_property
    def cosines(self) -> Array:
        return calibrated((self.asked_written @ self.written.T).astype(np.float32))

    @cached_property
    def calibrated_late(self) -> Array:
        return calibrated(self.late)

    def documents(self, content: Content) -> Array:
        """The vector of every document, from some of what it holds: d × 768."""
        if content == "title":
            return unit(np.concatenate([self.titles, np.zeros_like(self.titles)], axis=1))
        if content == "summary":
            return self.sections("none")[self.bounds[:-1]]
        kinds: dict[Content, Literal["none", "first", "all"]] = {"first picture": "first", "interleaved": "all"}
        return pooled(self.sections(kinds.get(content, "none")), self.bounds)

    def gold(self) -> NDArray[np.int64]:
        return np.array([question.document for question in self.corpus.questions])

    def answers(self) -> NDArray[np.bool_]:
        """Which sections answer which question: q × s."""
        out = np.zeros((len(self.corpus.questions), len(self.written)), bool)
        for row, question in enumerate(self.corpus.questions):
            out[row, self.bounds[question.document] + np.array(question.sections)] = True
        return out


def unit(vectors: NDArray[np.floating]) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Array = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


def pooled(sections: Array, bounds: NDArray[np.int64]) -> Array:
    """The mean of every document's section vectors, of unit length: d × dim."""
    return unit(np.add.reduceat(sections, bounds[:-1], axis=0))


def encode(corpus: Corpus) -> Encoded:
    sections = [parts for document in corpus.documents for parts in document.sections]
    texts: list[Parts] = [
        (Text(linearise(document.title, parts) if _said(parts) else ""),)
        for document in corpus.documents
        for parts in document.sections
    ]
    titles: list[Parts] = [(Text(document.title),) for document in corpus.documents]
    asked: list[Parts] = [(Text(question.text),) for question in corpus.questions]
    written, spoken = item_embeddings(e5.load(), texts), query_embeddings(e5.load(), asked)
    assert written.dense is not None
    assert written.tokens is not None
    assert spoken.dense is not None
    assert spoken.tokens is not None
    seeing = lite.load()
    words = text_vectors(f"{seeing.id} centred", [question.text for question in corpus.questions], seeing.text_vectors)
    return Encoded(
        corpus,
        np.concatenate([[0], np.cumsum([len(document.sections) for document in corpus.documents])]),
        centred(written.dense.vectors),
        _shown(sections),
        centred(item_vectors(e5.load(), titles).vectors),
        centred(spoken.dense.vectors),
        np.asarray(words.vectors, np.float32),
        late_interaction(spoken.tokens, written.tokens),
    )


def centred(vectors: Floats) -> Array:
    """Text vectors less the mean of all texts, of unit length; zero rows, which have no words, stay zero.

    All vectors of the encoder lie in a narrow cone: without this any text is nearer to a question than a picture is.
    """
    moved = lite.load().centred(np.asarray(vectors, np.float32))
    return np.where(np.any(vectors, axis=1, keepdims=True), moved, 0).astype(np.float32)


def _said(parts: Parts) -> bool:
    return any(not isinstance(part, Image) for part in parts)


def _shown(sections: Sequence[Parts]) -> Array:
    """The mean of every section's pictures in the space of words."""
    encoder = lite.load()
    seen = [(n, part) for n, parts in enumerate(sections) for part in parts if isinstance(part, Image)]
    out = np.zeros((len(sections), encoder.text_dim), np.float32)
    if seen:
        vectors = item_vectors(encoder, [(picture,) for _, picture in seen]).vectors[:, : encoder.text_dim]
        np.add.at(out, [n for n, _ in seen], vectors.astype(np.float32))
    return unit(out)


@dataclass(frozen=True)
class Reranker:
    """r(q, s) = sigmoid(w · [q ∘ s, |q − s|, <q, s>, MaxSim(q, s)] + b), on standardised features.

    Both similarities count less their mean over all sections, by their deviation, as some questions are near to all.
    """

    weights: Values
    mean: Values
    deviation: Values

    def __call__(self, made: Encoded, query: NDArray[np.int64], section: NDArray[np.int64]) -> Values:
        """One logit per pair of a question and a section."""
        scaled = (features(made, query, section) - self.mean) / self.deviation
        logits: Values = scaled @ self.weights[:-1] + self.weights[-1]
        return logits

    @classmethod
    def fit(
        cls,
        made: Encoded,
        questions: NDArray[np.int64],
        negatives: Negatives,
        random: np.random.Generator,
    ) -> Reranker:
        """Binary cross-entropy by Newton's method, the answer against sections that do not."""
        query, section, right = _training_pairs(made, questions, negatives, random)
        raw = features(made, query, section)
        mean, deviation = raw.mean(axis=0), raw.std(axis=0) + 1e-6
        design = np.concatenate([(raw - mean) / deviation, np.ones((len(raw), 1))], axis=1)
        penalty = np.full(design.shape[1], RIDGE)
        penalty[-3:] = RIDGE_OF_SIMILARITIES, RIDGE_OF_SIMILARITIES, 1e-6
        weights = np.zeros(design.shape[1])
        for _ in range(STEPS):
            chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
            slope = design.T @ (right - chance) - penalty * weights
            curve = (design * (chance * (1 - chance))[:, None]).T @ design + np.diag(penalty)
            step = np.linalg.solve(curve, slope)
            weights += step
            if np.abs(step).max() < 1e-6:
                break
        return cls(weights, mean, deviation)


def features(made: Encoded, query: NDArray[np.int64], section: NDArray[np.int64]) -> Values:
    """n pairs → n × 770."""
    q, s = made.asked_written[query], made.written[section]
    near = [scores[query, section][:, None] for scores in (made.cosines, made.calibrated_late)]
    return np.concatenate([q * s, np.abs(q - s), *near], axis=1).astype(np.float64)


def calibrated(scores: Array) -> Array:
    """Less each question's mean, by its deviation; what has no score gets the mean."""
    known = np.where(np.isfinite(scores), scores, np.nan)
    mean, deviation = np.nanmean(known, axis=1, keepdims=True), np.nanstd(known, axis=1, keepdims=True)
    out: Array = np.nan_to_num((known - mean) / (deviation + 1e-6)).astype(np.float32)
    return out


def _training_pairs(
    made: Encoded, questions: NDArray[np.int64], negatives: Negatives, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], Values]:
    """Question and section of every pair, and whether it is an answer."""
    owner, answers, found = made.owner, made.answers(), _found(made, "interleaved")
    rows: list[tuple[int, int, float]] = []
    for number in questions.tolist():
        own = owner == made.corpus.questions[number].document
        pools = {"same document": [own], "any document": [~own], "same and others found": [own, found[number] & ~own]}
        rows += [(number, section, 1.0) for section in np.flatnonzero(answers[number]).tolist()]
        for pool in pools[negatives]:
            others = np.flatnonzero(pool & ~answers[number])
            chosen = random.choice(others, min(NEGATIVES, len(others)), replace=False)
            rows += [(number, section, 0.0) for section in chosen.tolist()]
    query, section, right = zip(*rows, strict=True)
    return np.array(query), np.array(section), np.array(right)


def best_passage(made: Encoded) -> Values:
    """Documents by their best section, as passage retrievers find them: q × d."""
    return np.maximum.reduceat(passages(made), made.bounds[:-1], axis=1)


def passages(made: Encoded) -> Values:
    """Sections by themselves: q × s."""
    return (made.asked @ made.sections("all").T).astype(np.float64)


def coarse_to_fine(made: Encoded, scores: Values, content: Content = "interleaved") -> Values:
    """Scores of sections of the first DOCUMENTS documents by their vectors; all other sections are not ranked."""
    return np.where(_found(made, content), scores, -np.inf)


def _found(made: Encoded, content: Content) -> NDArray[np.bool_]:
    """Which sections are in the first DOCUMENTS documents of a question: q × s."""
    scores = made.asked @ made.documents(content).T
    first = np.argsort(-scores, axis=1, kind="stable")[:, :DOCUMENTS]
    inside: NDArray[np.bool_] = (first[:, :, None] == made.owner[None, None, :]).any(axis=1)
    return inside


def reranked(made: Encoded, reranker: Reranker) -> Values:
    """The re-ranker's score of every question and section: q × s."""
    count = len(made.written)
    rows = [reranker(made, np.full(count, row), np.arange(count)) for row in range(len(made.corpus.questions))]
    return np.stack(rows)


def first_place(scores: Values, right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The place, from 1, of the best of the right ones; beyond all where none is ranked."""
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    place = (scores > best).sum(axis=1) + ((scores == best) & ~right).sum(axis=1) + 1
    places: NDArray[np.int64] = np.where(np.isfinite(best[:, 0]), place, scores.shape[1] + 1)
    return places


def document_places(made: Encoded, scores: NDArray[np.floating]) -> NDArray[np.int64]:
    right = np.arange(scores.shape[1])[None] == made.gold()[:, None]
    return first_place(np.asarray(scores, np.float64), right)

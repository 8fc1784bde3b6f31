"""Answers without a language model: the sentences that best support one, quoted verbatim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import MultiVector
from bowerbird.index.maxsim import maxsim
from bowerbird.items import Query, Text
from bowerbird.pipeline.results import Answer, Citation, Hit
from bowerbird.readers.sentences import sentence_spans

SENTENCES_PER_HIT = 12
QUOTES = 3
LEXICAL = 0.3
NEAR = 0.93
"""Further sentences are quoted if they score at least this share of the best one."""

SUPPORT = 1.2
"""score / 10 + share of the question's words in the sentence, at least. On XQuAD questions with and without their
passage in the collection this accepts 90 % of the first and 7 % of the second."""
SUPPORT_BY_MEANING = 5.5
"""Or the late-interaction score in deviations from chance, for questions in another language: 50 % and 10 %."""

NO_ANSWER = "The collection holds no answer that I can support."


@dataclass(frozen=True)
class _Sentence:
    hit: Hit
    text: str
    score: float
    share: float


def quote_answer(snapshot: Snapshot, query: Query, hits: Sequence[Hit]) -> Answer:
    """The best sentences of the hits with a citation each; unsupported if none comes near enough."""
    sentences = _score(snapshot, query, hits)
    if not sentences:
        return Answer(NO_ANSWER, False, (), None)
    sentences.sort(key=lambda sentence: -sentence.score)
    best = sentences[0]
    supported = best.hit.score / 10 + best.share >= SUPPORT or _surprise(best.hit) >= SUPPORT_BY_MEANING
    chosen = _distinct([sentence for sentence in sentences if sentence.score >= NEAR * best.score])[:QUOTES]
    numbers: dict[str, int] = {}
    for sentence in chosen:
        numbers.setdefault(sentence.hit.item.id, len(numbers) + 1)
    citations = [
        Citation(number, next(s.hit for s in chosen if s.hit.item.id == name), _quotes(chosen, name))
        for name, number in numbers.items()
    ]
    if not supported:
        return Answer(NO_ANSWER, False, tuple(citations), None)
    text = " ".join(f"{sentence.text} [{numbers[sentence.hit.item.id]}]" for sentence in chosen)
    return Answer(text, True, tuple(citations), None)


def _surprise(hit: Hit) -> float:
    return float(hit.matched.get("tokens", 0.0))


def _quotes(chosen: Sequence[_Sentence], name: str) -> str:
    return " … ".join(sentence.text for sentence in chosen if sentence.hit.item.id == name)


def _distinct(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    found: dict[str, _Sentence] = {}
    for sentence in sentences:
        found.setdefault(" ".join(sentence.text.split()).casefold(), sentence)
    return list(found.values())


def _score(snapshot: Snapshot, query: Query, hits: Sequence[Hit]) -> list[_Sentence]:
    """Every sentence of the hits with its MaxSim and its share of the question's words."""
    pairs = [
        (hit, hit.best.text[start:end])
        for hit in hits
        for start, end in sentence_spans(hit.best.text)[:SENTENCES_PER_HIT]
        if end - start > 15
    ]
    if not pairs or not query.text:
        return []
    encoder = snapshot.encoder("text")
    asked = encoder.encode_queries([(Text(query.text),)]).tokens
    answered = encoder.encode_items([(Text(text),) for _, text in pairs]).tokens
    similarity = _similarity(asked, answered, len(pairs))
    words = snapshot.query_words(query.text)
    found = []
    for (hit, text), close in zip(pairs, similarity, strict=True):
        matches = words.find(text, str(hit.best.metadata.get("language", "")))
        share = words.share(number for _, _, number in matches)
        found.append(_Sentence(hit, text, 4 * float(close) + LEXICAL * share, share))
    return found


def _similarity(asked: MultiVector | None, answered: MultiVector | None, count: int) -> NDArray[np.float32]:
    if asked is None or answered is None:
        return np.zeros(count, np.float32)
    return np.nan_to_num(maxsim(asked, answered, np.zeros(count, np.int64)))

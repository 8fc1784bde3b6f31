"""What in a hit answers the query: its best sentences, verbatim, with the words that matched.

Sentences are compared with the query in two ways that need no further run of a model: by the weight of the query's
words in them, and by late interaction of the query with the stored token vectors that fall into them. The second
works across languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.fields import text_input
from bowerbird.collection.snapshot import QueryWords, Snapshot
from bowerbird.embeddings import MultiVector
from bowerbird.encoders.e5 import E5
from bowerbird.items import Item, text_of
from bowerbird.pipeline.results import Evidence
from bowerbird.ranking import Ranking
from bowerbird.readers.sentences import sentence_spans

SNIPPET = 300
"""Characters of a snippet, about."""
LEXICAL = 0.3
"""Share of the query's word weight against a MaxSim, chosen on which sentence holds the answer (XQuAD)."""


@dataclass(frozen=True)
class _Asked:
    """A query as evidence is looked for."""

    words: QueryWords
    tokens: NDArray[np.float32]


def find_evidence(
    snapshot: Snapshot, ranking: Ranking, rows: NDArray[np.int64], items: Sequence[Item]
) -> list[Evidence]:
    """Evidence for every hit of a ranking. rows, items: the best place inside each hit."""
    encoder = snapshot.encoder("text") if "text" in snapshot.fields else None
    tokens = encoder.encode_queries([query.parts for query in ranking.queries]).tokens if encoder else None
    asked = [
        _Asked(
            snapshot.query_words(query.text),
            np.zeros((0, 1), np.float32) if tokens is None else np.asarray(tokens[number], np.float32),
        )
        for number, query in enumerate(ranking.queries)
    ]
    stored = snapshot.tokens(rows) if tokens is not None and len(rows) else None
    return [
        _of_item(asked[query], item, _word_vectors(encoder, item, stored, number))
        for number, (query, item) in enumerate(zip(ranking.query_of_hit, items, strict=True))
    ]


def _word_vectors(
    encoder: object, item: Item, stored: MultiVector | None, row: int
) -> tuple[list[str], NDArray[np.float32]]:
    """The pieces of an item's text and the vector of each; nothing if the encoder cannot tell them apart."""
    if stored is None or not isinstance(encoder, E5) or not len(stored[row]):
        return [], np.zeros((0, 1), np.float32)
    pieces = encoder.token_words(text_of(text_input(item)))
    vectors = np.asarray(stored[row], np.float32)
    return (pieces, vectors) if len(pieces) == len(vectors) else ([], vectors[:0])


def _of_item(asked: _Asked, item: Item, words: tuple[list[str], NDArray[np.float32]]) -> Evidence:
    text = item.text
    spans = sentence_spans(text)
    if not spans:
        return Evidence()
    matches = asked.words.find(text, str(item.metadata.get("language", "")))
    scores = LEXICAL * _word_share(asked, matches, spans) + _token_match(asked, text, spans, words)
    start, end = _window(spans, int(np.argmax(scores)))
    inside = tuple((a - start, b - start) for a, b, _ in matches if start <= a and b <= end)
    return Evidence(text[start:end], inside)


def _word_share(
    asked: _Asked, matches: Sequence[tuple[int, int, int]], spans: Sequence[tuple[int, int]]
) -> NDArray[np.float64]:
    """Per sentence the share of the query's word weight that it holds."""
    starts = np.array([start for start, _ in spans])
    words_of: dict[int, list[int]] = {}
    for place, _, word in matches:
        words_of.setdefault(int(np.searchsorted(starts, place, side="right")) - 1, []).append(word)
    shares = np.zeros(len(spans))
    for sentence, words in words_of.items():
        shares[max(sentence, 0)] = asked.words.share(words)
    return shares


def _token_match(
    asked: _Asked, text: str, spans: Sequence[tuple[int, int]], words: tuple[list[str], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Per sentence the MaxSim of the query with the tokens in it."""
    pieces, vectors = words
    if not pieces or not len(asked.tokens):
        return np.zeros(len(spans))
    sentence = _sentence_of_pieces(pieces, text, spans)
    inside = np.flatnonzero(sentence >= 0)
    scores = np.zeros(len(spans))
    if len(inside):
        sentence = sentence[inside]
        first = np.concatenate([[0], np.flatnonzero(np.diff(sentence)) + 1])  # sentences come in order
        similarity = vectors[inside] @ asked.tokens.T
        scores[sentence[first]] = np.maximum.reduceat(similarity, first, axis=0).mean(axis=1)
    return scores


def _sentence_of_pieces(pieces: Sequence[str], text: str, spans: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The sentence of every piece, -1 for the title before the text.

    Normalisation changes characters, so pieces are placed by their share of the letters, counted from the end.
    """
    letters = np.array([len(piece.replace("▁", "")) for piece in pieces])
    left = np.cumsum(letters[::-1])[::-1]  # letters from each piece to the end
    before = np.concatenate([[0], np.cumsum([not char.isspace() for char in text])])
    remaining = before[-1] - before[[start for start, _ in spans]]  # falling from sentence to sentence
    return np.searchsorted(-remaining, -left, side="right") - 1


def _window(spans: Sequence[tuple[int, int]], best: int) -> tuple[int, int]:
    """The best sentence and its neighbours while they fit."""
    first = last = best
    while True:
        grown = False
        if last + 1 < len(spans) and spans[last + 1][1] - spans[first][0] <= SNIPPET:
            last, grown = last + 1, True
        if first > 0 and spans[last][1] - spans[first - 1][0] <= SNIPPET:
            first, grown = first - 1, True
        if not grown:
            return spans[first][0], min(spans[last][1], spans[first][0] + 2 * SNIPPET)

"""BM25 over hashed terms. Segments keep raw counts, and a search weighs them by what is left of all segments.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3. Rarity and average
length belong to the whole collection, so they would change every stored score with every added document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Sparse
from bowerbird.index.top import top_k

K1 = 1.2
B = 0.75

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Words = Sequence[tuple[int, ...]]
"""A query: per word the hashes of its alternatives."""


class Counts(NamedTuple):
    """How often terms occur in rows: three arrays of one length. The rows of every term ascend."""

    terms: NDArray[np.uint64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]

    @staticmethod
    def of(documents: Sparse) -> Counts:
        """Row i of the batch is row i."""
        rows = np.repeat(np.arange(len(documents), dtype=np.int32), np.diff(documents.offsets))
        return Counts(documents.terms, rows, documents.weights.clip(0, 65535).astype(np.uint16))


@dataclass(frozen=True)
class Postings:
    """Counts sorted by term: term t is in rows[offsets[t]:offsets[t + 1]], that often. lengths: words of every row."""

    terms: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]
    lengths: NDArray[np.int32]

    @classmethod
    def build(cls, found: Counts, count: int) -> Postings:
        """Of `count` rows."""
        order = np.argsort(found.terms, kind="stable")
        terms, start = np.unique(found.terms[order], return_index=True)
        lengths = np.bincount(found.rows, weights=found.counts, minlength=count).astype(np.int32)
        offsets = np.append(start, len(order)).astype(np.int64)
        return cls(terms, offsets, found.rows[order], found.counts[order], lengths)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Postings:
        """What `arrays` gave."""
        return cls(*(arrays[f"lexical.{name}"] for name in cls.__dataclass_fields__))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return {f"lexical.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    def found(self) -> Counts:
        """Everything, by term."""
        return Counts(np.repeat(self.terms, np.diff(self.offsets)), self.rows, self.counts)

    def of_term(self, term: np.uint64) -> slice:
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return slice(0, 0)
        return slice(int(self.offsets[at]), int(self.offsets[at + 1]))


class LexicalIndex:
    """Searches postings as if they were of one segment.

    parts: postings with the position of their first row. row_of: the row that a position stands for, -1 if it is
    gone; None if positions are rows and all are there.
    """

    def __init__(self, parts: Sequence[tuple[Postings, int]], row_of: Rows | None = None) -> None:
        self._parts = parts
        self._row_of = row_of

    @classmethod
    def build(cls, documents: Sparse) -> LexicalIndex:
        """From the term counts of all documents; row i of the batch is row i of the index."""
        return cls([(Postings.build(Counts.of(documents), len(documents)), 0)])

    @cached_property
    def _lengths(self) -> NDArray[np.int32]:
        """Words of every row."""
        lengths = np.concatenate([np.zeros(0, np.int32), *(postings.lengths for postings, _ in self._parts)])
        if self._row_of is None:
            return lengths
        here = self._row_of >= 0
        found = np.zeros(int(np.count_nonzero(here)), np.int32)
        found[self._row_of[here]] = lengths[here]
        return found

    @property
    def count(self) -> int:
        return len(self._lengths)

    @cached_property
    def filled(self) -> int:
        """Rows with words."""
        return int(np.count_nonzero(self._lengths))

    @cached_property
    def _norms(self) -> NDArray[np.float32]:
        """What is added to the count of a term in a row, the longer the row the more."""
        average = float(self._lengths.sum()) / self.filled if self.filled else 1.0
        return (K1 * (1 - B) + (K1 * B / average) * self._lengths).astype(np.float32)

    def search(self, queries: Sequence[Words], k: int, allowed: Mask | None = None) -> tuple[Rows, NDArray[np.float32]]:
        """n queries → n × k rows (-1 pads) and scores, best first. Rows without a common word are no hits."""
        rows = np.full((len(queries), k), -1, np.int64)
        scores = np.zeros((len(queries), k), np.float32)
        for number, query in enumerate(queries):
            found, reached = self._score(query, allowed)
            best = top_k(reached, k)
            rows[number, : len(best)] = found[best]
            scores[number, : len(best)] = reached[best]
        return rows, scores

    def _score(self, query: Words, allowed: Mask | None) -> tuple[Rows, NDArray[np.float32]]:
        """Rows that share a word with the query, in order, and their scores."""
        total = np.zeros(self.count, np.float32)
        for rows, counts in (self._postings(term) for word in query for term in sorted(word)):
            idf = inverse_frequency(np.array([len(rows)]), self.filled)[0]
            total[rows] += (idf * np.float32(K1 + 1)) * (counts / (counts + self._norms[rows]))
        if allowed is not None:
            total[~allowed] = 0
        found = np.flatnonzero(total)
        return found, total[found]

    def _postings(self, term: int) -> tuple[Rows | NDArray[np.int32], NDArray[np.float32]]:
        """The rows with a term, and how often it is there."""
        found = [(one, first, one.of_term(np.uint64(term))) for one, first in self._parts]
        counts = np.concatenate([np.zeros(0, np.float32), *(one.counts[part] for one, _, part in found)])
        if self._row_of is None:
            return found[0][0].rows[found[0][2]], counts
        positions = [one.rows[part] + np.int64(first) for one, first, part in found]
        rows = self._row_of[np.concatenate([np.zeros(0, np.int64), *positions])]
        return rows[rows >= 0], counts[rows >= 0]

    def ceiling(self, queries: Sequence[Words]) -> NDArray[np.float32]:
        """The highest score each query could reach: every word in one document, often. Unknown words count as rare."""
        rarities = [sum(self._rarity(word, max(self.count, 1)) for word in query) for query in queries]
        return (np.array(rarities) * (K1 + 1)).astype(np.float32)

    def weights(self, query: Words) -> list[float]:
        """The inverse document frequency of every word of a query."""
        return [self._rarity(word, self.count) for word in query]

    def _rarity(self, word: tuple[int, ...], documents: int) -> float:
        """That of the rarest known alternative of a word."""
        known = [len(self._postings(term)[0]) for term in word]
        return float(inverse_frequency(np.array([n for n in known if n] or [0]), documents).max())


def inverse_frequency(documents_with: NDArray[np.int64], documents: int) -> NDArray[np.float32]:
    """log(1 + (N - n + 0.5) / (n + 0.5)): never negative."""
    without = np.maximum(documents - documents_with, 0)
    found: NDArray[np.float32] = np.log1p((without + 0.5) / (documents_with + 0.5)).astype(np.float32)
    return found

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
from bowerbird.index import kernels
from bowerbird.index.kernels import Norms, Ranges

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

    def ranges(self, terms: NDArray[np.uint64], first: int) -> Ranges:
        """Where terms stand; empty ranges for those that are unknown. first: the position of row 0."""
        at = np.searchsorted(self.terms, terms)
        known = np.take(self.terms, at, mode="clip") == terms if len(self.terms) else np.zeros(len(terms), bool)
        at = np.where(known, at, 0)
        return Ranges(self.rows, self.counts, self.offsets[at], self.offsets[at + known], first)


class LexicalIndex:
    """Searches postings as if they were of one segment.

    parts: postings with the position of their first row. row_of: the row that a position stands for, -1 if it is
    gone; None if positions are rows and all are there.
    """

    def __init__(self, parts: Sequence[tuple[Postings, int]], row_of: Rows | None = None) -> None:
        self._parts = parts
        self._row_of = row_of
        self._frequencies: dict[int, int] = {}

    @classmethod
    def build(cls, documents: Sparse) -> LexicalIndex:
        """From the term counts of all documents; row i of the batch is row i of the index."""
        return cls([(Postings.build(Counts.of(documents), len(documents)), 0)])

    @cached_property
    def _lengths(self) -> NDArray[np.int32]:
        """Words at every position; -1 for rows that are gone."""
        lengths = np.concatenate([np.zeros(0, np.int32), *(postings.lengths for postings, _ in self._parts)])
        return lengths if self._row_of is None else np.where(self._row_of >= 0, lengths, -1)

    @cached_property
    def count(self) -> int:
        """Rows."""
        return int(np.count_nonzero(self._lengths >= 0))

    @cached_property
    def filled(self) -> int:
        """Rows with words."""
        return int(np.count_nonzero(self._lengths > 0))

    @cached_property
    def _norms(self) -> Norms:
        """The longer a row the more is added to the count of a term."""
        average = float(self._lengths.sum(where=self._lengths > 0)) / max(self.filled, 1) or 1.0
        norms = (K1 * (1 - B) + (K1 * B / average) * self._lengths).astype(np.float32)
        norms[self._lengths < 0] = np.inf
        return Norms.of(norms)

    def search(self, queries: Sequence[Words], k: int, allowed: Mask | None = None) -> tuple[Rows, NDArray[np.float32]]:
        """n queries → n × k rows (-1 pads) and scores, best first. Rows without a common word are no hits."""
        rows = np.full((len(queries), k), -1, np.int64)
        scores = np.zeros((len(queries), k), np.float32)
        norms = self._norms
        if allowed is not None:
            usable = allowed if self._row_of is None else (self._row_of >= 0) & allowed[self._row_of]
            norms = Norms.of(np.where(usable, norms.added, np.float32(np.inf)))
        for number, query in enumerate(queries):
            terms = np.array([term for word in query for term in sorted(word)], np.uint64)
            if len(terms):
                ranges = [postings.ranges(terms, first) for postings, first in self._parts]
                idf = inverse_frequency(self._frequency(terms, ranges), self.filled)
                found, reached = kernels.use().bm25(ranges, idf * np.float32(K1 + 1), norms, min(k, self.count))
                if self._row_of is not None:
                    found = self._row_of[found]
                    order = np.lexsort((found, -reached))
                    found, reached = found[order], reached[order]
                rows[number, : len(found)], scores[number, : len(found)] = found, reached
        return rows, scores

    def _frequency(self, terms: NDArray[np.uint64], ranges: Sequence[Ranges]) -> NDArray[np.int64]:
        """How many rows have each term."""
        found = np.zeros(len(terms), np.int64)
        for part in ranges:
            found += part.ends - part.starts
        if self._row_of is None:
            return found
        for at, term in enumerate(terms.tolist()):
            if term not in self._frequencies:
                norms = [self._norms.added[part.first :][part.rows[part.starts[at] : part.ends[at]]] for part in ranges]
                self._frequencies[term] = sum(int(np.count_nonzero(np.isfinite(some))) for some in norms)
            found[at] = self._frequencies[term]
        return found

    def ceiling(self, queries: Sequence[Words]) -> NDArray[np.float32]:
        """The highest score each query could reach: every word in one document, often. Unknown words count as rare."""
        rarities = [sum(self._rarity(word, max(self.count, 1)) for word in query) for query in queries]
        return (np.array(rarities) * (K1 + 1)).astype(np.float32)

    def weights(self, query: Words) -> list[float]:
        """The inverse document frequency of every word of a query."""
        return [self._rarity(word, self.count) for word in query]

    def _rarity(self, word: tuple[int, ...], documents: int) -> float:
        """That of the rarest known alternative of a word."""
        terms = np.array(word, np.uint64)
        known = self._frequency(terms, [postings.ranges(terms, first) for postings, first in self._parts])
        return float(inverse_frequency(known[known > 0] if known.any() else known[:1], documents).max())


def inverse_frequency(documents_with: NDArray[np.int64], documents: int) -> NDArray[np.float32]:
    """log(1 + (N - n + 0.5) / (n + 0.5)): never negative."""
    without = np.maximum(documents - documents_with, 0)
    found: NDArray[np.float32] = np.log1p((without + 0.5) / (documents_with + 0.5)).astype(np.float32)
    return found

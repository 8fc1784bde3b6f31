"""BM25 over hashed terms, computed when the index is built so that a search adds up short arrays.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section 3; the idea to
score at index time is that of bm25s (arXiv 2407.03618).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Sparse
from bowerbird.index.top import top_k

K1 = 1.2
B = 0.75

Mask = NDArray[np.bool_]
Words = Sequence[tuple[int, ...]]
"""A query: per word the hashes of its alternatives."""


@dataclass(frozen=True)
class LexicalIndex:
    """Postings sorted by term: term t is in rows[offsets[t]:offsets[t + 1]] with these scores."""

    terms: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    count: int

    @classmethod
    def build(cls, documents: Sparse) -> LexicalIndex:
        """From the term counts of all documents; row i of the batch is row i of the index."""
        lengths = np.diff(documents.offsets)
        row = np.repeat(np.arange(len(documents), dtype=np.int32), lengths)
        total = np.bincount(row, weights=documents.weights, minlength=len(documents)).astype(np.float32)
        filled = total[total > 0]
        average = float(filled.mean()) if len(filled) else 1.0
        order = np.argsort(documents.terms, kind="stable")
        terms, start = np.unique(documents.terms[order], return_index=True)
        offsets = np.append(start, len(order)).astype(np.int64)
        frequency = documents.weights[order]
        rows = row[order]
        idf = inverse_frequency(np.diff(offsets), len(filled))
        saturated = frequency * (K1 + 1) / (frequency + K1 * (1 - B + B * total[rows] / average))
        scores = (np.repeat(idf, np.diff(offsets)) * saturated).astype(np.float32)
        return cls(terms, offsets, rows, scores, len(documents))

    def search(
        self, queries: Sequence[Words], k: int, allowed: Mask | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """n queries → n × k rows (-1 pads) and scores, best first. Rows without a common word are no hits."""
        rows = np.full((len(queries), k), -1, np.int64)
        scores = np.zeros((len(queries), k), np.float32)
        for number, query in enumerate(queries):
            found, reached = self._score(query, allowed)
            best = top_k(reached, k)
            rows[number, : len(best)] = found[best]
            scores[number, : len(best)] = reached[best]
        return rows, scores

    def _score(self, query: Words, allowed: Mask | None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows that share a word with the query, in order, and their scores."""
        slices = [slice(self.offsets[at], self.offsets[at + 1]) for word in query for at in self._known(word)]
        if not slices:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        rows = np.concatenate([self.rows[part] for part in slices])
        total = np.bincount(rows, weights=np.concatenate([self.scores[part] for part in slices]), minlength=self.count)
        if allowed is not None:
            total[~allowed] = 0
        found = np.flatnonzero(total)
        return found, total[found].astype(np.float32)

    def ceiling(self, queries: Sequence[Words]) -> NDArray[np.float32]:
        """The highest score each query could reach: every word in one document, often. Unknown words count as rare."""
        filled = max(self.count, 1)
        rare = float(inverse_frequency(np.zeros(1, np.int64), filled)[0])
        highest = np.zeros(len(queries), np.float32)
        for number, query in enumerate(queries):
            for word in query:
                known = [self.offsets[at + 1] - self.offsets[at] for at in self._known(word)]
                idf = float(inverse_frequency(np.array(known), filled).max()) if known else rare
                highest[number] += idf * (K1 + 1)
        return highest

    def weights(self, query: Words) -> list[float]:
        """The inverse document frequency of every word of a query."""
        found = []
        for word in query:
            known = [self.offsets[at + 1] - self.offsets[at] for at in self._known(word)] or [0]
            found.append(float(inverse_frequency(np.array(known), self.count).max()))
        return found

    def _known(self, word: tuple[int, ...]) -> list[int]:
        """Positions of a word's alternatives among the index's terms."""
        hashes = np.array(sorted(word), np.uint64)
        at = np.searchsorted(self.terms, hashes)
        inside = at < len(self.terms)
        return [int(spot) for spot, term in zip(at[inside], hashes[inside], strict=True) if self.terms[spot] == term]

    def save(self, folder: Path) -> None:
        for name in ("terms", "offsets", "rows", "scores"):
            np.save(folder / f"lexical.{name}.npy", getattr(self, name))

    @classmethod
    def open(cls, folder: Path, count: int) -> LexicalIndex:
        """Memory-map a saved index over `count` rows."""
        terms, offsets, rows, scores = (
            np.load(folder / f"lexical.{name}.npy", mmap_mode="r") for name in ("terms", "offsets", "rows", "scores")
        )
        return cls(terms, offsets, rows, scores, count)


def inverse_frequency(documents_with: NDArray[np.int64], documents: int) -> NDArray[np.float32]:
    """log(1 + (N - n + 0.5) / (n + 0.5)): never negative."""
    without = np.maximum(documents - documents_with, 0)
    found: NDArray[np.float32] = np.log1p((without + 0.5) / (documents_with + 0.5)).astype(np.float32)
    return found

"""The plain methods that others are compared with, over contents in memory: every query's score with every content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector
from bowerbird.index.analysis import query_terms, term_counts
from bowerbird.index.language import guess_language
from bowerbird.index.lexical import LexicalIndex
from bowerbird.index.maxsim import maxsim

Array: TypeAlias = NDArray[np.float32]


def bm25(texts: Sequence[str], queries: Sequence[str]) -> Array:
    """q × n, by the library's index over all n texts; 0 where no word is shared."""
    languages = [guess_language(text) for text in texts]
    index = LexicalIndex.build(term_counts(texts, languages))
    known = sorted({language for language in languages if language})
    rows, found = index.search([query_terms(query, known) for query in queries], len(texts))
    scores = np.zeros((len(queries), len(texts)), np.float32)
    query, column = np.nonzero(rows >= 0)
    scores[query, rows[query, column]] = found[query, column]
    return scores


def late_interaction(queries: MultiVector, documents: MultiVector) -> Array:
    """q × n: the mean over a query's tokens of the best token of a document; -inf for documents without tokens."""
    scores = np.full((len(queries), len(documents)), -np.inf, np.float32)
    everything = np.zeros(len(documents), np.int64)
    wide = MultiVector(documents.vectors.astype(np.float32, copy=False), documents.offsets)
    for number in range(len(queries)):
        if len(queries[number]):
            one = maxsim(MultiVector.of([queries[number]]), wide, everything)
            scores[number] = np.nan_to_num(one, nan=-np.inf)
    return scores


def ranks(scores: NDArray[np.floating], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per query the place of the one right content, from 1; contents with an equal score count as before it."""
    own = np.take_along_axis(scores, right[:, None], axis=1)
    found: NDArray[np.int64] = np.maximum((scores >= own).sum(axis=1), 1)
    return found

"""Late interaction: the best document token for every query token (ColBERT, arXiv 2004.12832, section 3.3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector


def maxsim(queries: MultiVector, documents: MultiVector, query_of_document: NDArray[np.int64]) -> NDArray[np.float32]:
    """One score per document: the mean over its query's tokens of the best inner product with a document token.

    query_of_document: for every document the number of the query it is scored for, ascending.
    NaN where the query or the document has no tokens.
    """
    scores = np.full(len(documents), np.nan, np.float32)
    filled = documents.lengths > 0
    for number in np.unique(query_of_document[filled]):
        tokens = queries[int(number)]
        if len(tokens):
            mine = np.flatnonzero((query_of_document == number) & filled)
            scores[mine] = _one(np.asarray(tokens, np.float32), documents, mine)
    return scores


def _one(query: NDArray[np.float32], documents: MultiVector, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """MaxSim of one query with some non-empty documents: one matrix product, one segmented maximum."""
    lengths = documents.lengths[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    first, last = documents.offsets[rows[0]], documents.offsets[rows[-1] + 1]
    if last - first == lengths.sum():
        vectors = documents.vectors[first:last]
    else:
        vectors = documents.vectors[np.concatenate([np.arange(*documents.offsets[row : row + 2]) for row in rows])]
    similarity = vectors.astype(np.float32, copy=False) @ query.T
    best: NDArray[np.float32] = np.maximum.reduceat(similarity, starts, axis=0).mean(axis=1)
    return best

"""Beam search for the likeliest identifiers, whatever network gives the probabilities of their digits.

A trie holds the digits that may follow a beginning, so that nothing is written that names no document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.papers.generative_retrieval.identifiers import Digits, Identifiers

Scores: TypeAlias = NDArray[np.float32]
LogProbs: TypeAlias = Callable[[NDArray[np.int64], Digits], Floats]
"""r query numbers, r × t digits written so far → r × symbols: log-probabilities of the next digit."""
NONE = -1


@dataclass(frozen=True)
class Trie:
    """follows[node, digit]: the node (on the last step: the document) that a digit leads to, NONE if none may.

    Nodes are numbered from the root, 0.
    """

    follows: NDArray[np.int64]
    length: int

    @staticmethod
    def of(identifiers: Identifiers, documents: NDArray[np.int64] | None = None) -> Trie:
        """Of some documents (row numbers), or all of them."""
        rows = np.arange(len(identifiers)) if documents is None else documents
        digits = identifiers.digits[rows]
        rows = rows[np.lexsort(digits.T[::-1])]
        digits = identifiers.digits[rows]
        nodes, count = np.zeros(len(rows), np.int64), 1
        edges: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        for step in range(identifiers.length):
            if step == identifiers.length - 1:
                edges.append((nodes, digits[:, step], rows))
                break
            fresh = np.ones(len(rows), bool)
            fresh[1:] = (np.diff(nodes) != 0) | (np.diff(digits[:, step]) != 0)
            after = count + np.cumsum(fresh) - 1
            edges.append((nodes, digits[:, step], after))
            nodes, count = after, count + int(fresh.sum())
        follows = np.full((count, identifiers.symbols), NONE, np.int64)
        for before, digit, after in edges:
            follows[before, digit] = after
        return Trie(follows, identifiers.length)

    def find(self, digits: Digits) -> NDArray[np.int64]:
        """r strings → r documents, NONE for strings that name none."""
        nodes = np.zeros(len(digits), np.int64)
        for column in digits.T:
            nodes = np.where(nodes == NONE, NONE, self.follows[nodes, column])
        return nodes


@dataclass(frozen=True)
class Written:
    """The likeliest strings per query, best first. digits: q × b × length. scores: q × b, −∞ where there are fewer."""

    digits: Digits
    scores: Scores
    documents: NDArray[np.int64]
    """q × b, NONE for a string that names no document and where there are fewer."""


def constrained(log_probs: LogProbs, queries: int, trie: Trie, beam: int) -> Written:
    """Only what the trie holds: there are `beam` documents wherever it holds as many."""
    return _search(log_probs, queries, trie.follows, trie.length, beam)


def free(log_probs: LogProbs, queries: int, trie: Trie, beam: int) -> Written:
    """Any digits; which documents they name is looked up afterwards."""
    anything = np.zeros((1, trie.follows.shape[1]), np.int64)
    written = _search(log_probs, queries, anything, trie.length, beam)
    documents = trie.find(written.digits.reshape(-1, trie.length)).reshape(written.scores.shape)
    return Written(written.digits, written.scores, documents)


def _search(log_probs: LogProbs, queries: int, follows: NDArray[np.int64], length: int, beam: int) -> Written:
    """All queries' beams at once: a beam is a node, its digits and the sum of their log-probabilities."""
    symbols = follows.shape[1]
    nodes = np.zeros((queries, 1), np.int64)
    scores = np.zeros((queries, 1), np.float32)
    digits = np.zeros((queries, 1, 0), np.int64)
    for written in range(length):
        width = nodes.shape[1]
        query = np.repeat(np.arange(queries), width)
        after = np.where(nodes[..., None] == NONE, NONE, follows[nodes])
        found = log_probs(query, digits.reshape(queries * width, written)).reshape(queries, width, symbols)
        total = np.where(after == NONE, -np.inf, scores[..., None] + found).reshape(queries, -1)
        best = _best(total, min(beam, total.shape[1]))
        scores = np.take_along_axis(total, best, 1).astype(np.float32)
        nodes = np.where(np.isinf(scores), NONE, np.take_along_axis(after.reshape(queries, -1), best, 1))
        kept = np.take_along_axis(digits, (best // symbols)[..., None], 1)
        digits = np.concatenate([kept, (best % symbols)[..., None]], axis=2)
    return Written(digits, scores, nodes)


def _best(total: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Places of the highest per row, best first; the lower place among equals."""
    kept = np.sort(np.argpartition(-total, count - 1, axis=1)[:, :count], axis=1)
    order = np.argsort(-np.take_along_axis(total, kept, 1), axis=1, kind="stable")
    return np.take_along_axis(kept, order, 1)

"""Exact late interaction on any torch device: all documents are scored for all queries. Nothing depends on it.

Documents are sorted by length and scored in batches of like length, so that padding is little; how many at a time
follows from the memory that is given.

On a GPU, products are float16, and a similarity of unit vectors is off by up to 0.001; a score is a sum of them. The
hits of a search are scored again in float32, with documents as float16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector
from bowerbird.errors import MissingExtra
from bowerbird.index.base import Found, Keys, Mask, Scores, check_keys, check_request
from bowerbird.index.top import top_k

if TYPE_CHECKING:
    import torch

Rows = NDArray[np.int64]

MEMORY = 1 << 30
"""Bytes for what is computed at a time: gathered document tokens and their similarities, on the device."""
SPARE = 2
"""Hits that are scored again, by those that are asked for: float16 may put one behind another that is no better."""
QUERY_TOKENS = 4096
"""Query tokens that are multiplied at a time."""


class TorchMaxSim:
    """Documents on a device, as float16 there unless it is a CPU."""

    def __init__(self, keys: Keys, tokens: MultiVector, *, device: str = "cuda", memory: int = MEMORY) -> None:
        """keys: n whole numbers ≥ 0. tokens: n sets of m_i × dim. memory: bytes for what is computed at a
        time, which is at least one document.

        Raises MissingExtra without torch, ValueError for keys that do not fit.
        """
        check_keys(keys, len(tokens))
        self._torch = _torch()
        self._device, self._memory = self._torch.device(device), memory
        kept = self._torch.float32 if self._device.type == "cpu" else self._torch.float16
        self._vectors = self._torch.as_tensor(tokens.vectors).to(self._device, kept)
        self._keys, self._offsets, self._dim = keys.astype(np.int64), tokens.offsets, tokens.dim

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, queries: MultiVector, k: int, *, allowed: Mask | None = None) -> Found:
        """q queries → q × k keys (-1 pads) and MaxSim, best first, lower keys first among equals.

        allowed: a mask over keys; keys beyond its end are not allowed.
        """
        check_request(k, 1.0)
        rows = np.argsort(self._keys, kind="stable")
        if allowed is not None:
            rows = rows[self._keys[rows] < len(allowed)]
            rows = rows[allowed[self._keys[rows]]]
        rounded = self._vectors.dtype == self._torch.float16
        count = SPARE * k if rounded else k
        found = Found.none(len(queries), count)
        for filled, batch, scores in self._scored(queries, rows):
            parts = [Found(found.keys[filled], found.scores[filled]), self._hits(rows[batch], scores, count)]
            best = Found.best(parts, len(filled), count)
            found.keys[filled], found.scores[filled] = best.keys, best.scores
        return self._again(queries, found, k) if rounded else found

    def scores(self, queries: MultiVector, rows: Rows | None = None) -> Scores:
        """q × n float32: sums over query tokens of the best document token; -inf without tokens on either side.

        rows: the documents to score, all if None. Not scored again: see above for what a GPU rounds off.
        """
        rows = np.arange(len(self)) if rows is None else rows
        scores = np.full((len(queries), len(rows)), -np.inf, np.float32)
        for filled, batch, part in self._scored(queries, rows):
            scores[np.ix_(filled, batch)] = part
        return scores

    def _scored(self, queries: MultiVector, rows: Rows) -> Iterator[tuple[Rows, Rows, Scores]]:
        """Numbers of some queries, ascending places of some documents in `rows`, and the scores of all pairs."""
        if queries.dim != self._dim:
            raise ValueError(f"queries have {queries.dim} dimensions, the documents {self._dim}")
        lengths = np.diff(self._offsets)[rows]
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        for start, end in _runs(queries.offsets, QUERY_TOKENS):
            tokens, owner = self._asked(queries, start, end, self._vectors.dtype)
            filled = start + np.flatnonzero(queries.lengths[start:end])
            for batch in _batches(order, lengths, self._at_a_time(tokens)) if len(filled) else ():
                batch = np.sort(batch)
                yield filled, batch, self._batch(tokens, owner, rows[batch], lengths[batch])[filled - start]

    def _at_a_time(self, tokens: torch.Tensor) -> int:
        """How many document tokens fit the memory: vectors as kept and as multiplied, similarities, maxima."""
        vector = (self._vectors.element_size() + tokens.element_size()) * self._dim
        return max(self._memory // int(8 * len(tokens) + vector + 16), 1)

    def _hits(self, rows: Rows, scores: Scores, k: int) -> Found:
        """The k best documents of some rows with ascending keys. scores: q × len(rows)."""
        hits = Found.none(len(scores), k)
        for number, row in enumerate(scores):
            best = top_k(row, k)
            best = best[np.isfinite(row[best])]
            hits.keys[number, : len(best)], hits.scores[number, : len(best)] = self._keys[rows[best]], row[best]
        return hits

    def _again(self, queries: MultiVector, found: Found, k: int) -> Found:
        """The k best of what was found by products in float32."""
        by_key = np.argsort(self._keys, kind="stable")
        exact = Found.none(*found.keys.shape)
        for number, keys in enumerate(found.keys):
            rows = by_key[np.searchsorted(self._keys, keys[keys >= 0], sorter=by_key)]
            lengths = np.diff(self._offsets)[rows]
            tokens, owner = self._asked(queries, number, number + 1, self._torch.float32)
            exact.keys[number] = keys
            for batch in _batches(np.argsort(lengths, kind="stable"), lengths, self._at_a_time(tokens)):
                exact.scores[number, batch] = self._batch(tokens, owner, rows[batch], lengths[batch])[0]
        return Found.best([exact], len(queries), k)

    def _asked(
        self, queries: MultiVector, start: int, end: int, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens of some queries, t × dim, and which query they belong to, t × queries of ones and zeros."""
        first, last = queries.offsets[start], queries.offsets[end]
        tokens = self._torch.as_tensor(np.asarray(queries.vectors[first:last], np.float32))
        owner = np.repeat(np.arange(end - start), queries.lengths[start:end])
        ones = np.zeros((len(owner), end - start), np.float32)
        ones[np.arange(len(owner)), owner] = 1
        return tokens.to(self._device, dtype), self._torch.as_tensor(ones).to(self._device)

    def _batch(self, tokens: torch.Tensor, owner: torch.Tensor, rows: Rows, lengths: NDArray[np.int64]) -> Scores:
        """Queries × documents of one batch; shorter documents repeat their last token, which changes no maximum."""
        places = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1) + self._offsets[rows][:, None]
        padded = self._vectors[self._torch.as_tensor(places).to(self._device)].to(tokens.dtype)
        best = (padded @ tokens.T).amax(dim=1).to(self._torch.float32)
        found: Scores = (best @ owner).T.cpu().numpy()
        return found


def _batches(order: NDArray[np.int64], lengths: NDArray[np.int64], most: int) -> Iterator[NDArray[np.int64]]:
    """Documents in ascending order of length, at most `most` tokens with padding, or one document."""
    end = len(order)
    while end:
        count = max(most // int(lengths[order[end - 1]]), 1)
        yield order[max(end - count, 0) : end]
        end = max(end - count, 0)


def _runs(offsets: NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Queries start … end - 1 of at most `most` tokens, or one query."""
    start = 0
    while start < len(offsets) - 1:
        end = max(int(np.searchsorted(offsets, offsets[start] + most, "right")) - 1, start + 1)
        yield start, end
        start = end


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("colpali", "late interaction on a GPU") from error
    return torch

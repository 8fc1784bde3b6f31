"""Exact late interaction on any torch device: all documents are scored for all queries. Nothing depends on it.

Documents are sorted by length and scored in batches of like length, so that padding is little; how many at a time
follows from the memory that is given.
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

MEMORY = 1 << 30
"""Bytes for similarities of tokens, on the device."""
QUERY_TOKENS = 4096
"""Query tokens that are multiplied at a time."""


class TorchMaxSim:
    """Documents on a device, as float16 there unless it is a CPU."""

    def __init__(self, keys: Keys, tokens: MultiVector, *, device: str = "cuda", memory: int = MEMORY) -> None:
        """keys: n whole numbers ≥ 0. tokens: n sets of m_i × dim. memory: bytes for similarities.

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
        found, scores = Found.none(len(queries), k), self.scores(queries, rows)
        for number, row in enumerate(scores):
            best = top_k(row, k)
            best = best[np.isfinite(row[best])]
            found.keys[number, : len(best)], found.scores[number, : len(best)] = self._keys[rows[best]], row[best]
        return found

    def scores(self, queries: MultiVector, rows: NDArray[np.int64] | None = None) -> Scores:
        """q × n float32: sums over query tokens of the best document token; -inf without tokens on either side.

        rows: the documents to score, all if None.
        """
        if queries.dim != self._dim:
            raise ValueError(f"queries have {queries.dim} dimensions, the documents {self._dim}")
        rows = np.arange(len(self)) if rows is None else rows
        scores = np.full((len(queries), len(rows)), -np.inf, np.float32)
        lengths = np.diff(self._offsets)[rows]
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        for start, end in _runs(queries.offsets, QUERY_TOKENS):
            asked = self._asked(queries, start, end)
            filled = start + np.flatnonzero(queries.lengths[start:end])
            for batch in _batches(order, lengths, max(self._memory // (8 * max(len(asked[0]), 1)), 1)):
                if len(filled):
                    scores[np.ix_(filled, batch)] = self._batch(*asked, rows[batch], lengths[batch])[filled - start]
        return scores

    def _asked(self, queries: MultiVector, start: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens of some queries, t × dim, and which query they belong to, t × queries of ones and zeros."""
        first, last = queries.offsets[start], queries.offsets[end]
        tokens = self._torch.as_tensor(np.asarray(queries.vectors[first:last], np.float32))
        owner = np.repeat(np.arange(end - start), queries.lengths[start:end])
        ones = np.zeros((len(owner), end - start), np.float32)
        ones[np.arange(len(owner)), owner] = 1
        return tokens.to(self._device, self._vectors.dtype), self._torch.as_tensor(ones).to(self._device)

    def _batch(
        self, tokens: torch.Tensor, owner: torch.Tensor, rows: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> Scores:
        """Queries × documents of one batch; shorter documents repeat their last token, which changes no maximum."""
        places = np.minimum(np.arange(lengths.max()), lengths[:, None] - 1) + self._offsets[rows][:, None]
        padded = self._vectors[self._torch.as_tensor(places).to(self._device)]
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

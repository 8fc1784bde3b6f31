"""Which documents a query's tokens are worth comparing with, for those who keep the tokens themselves.

It is a late-interaction index without tokens: centroids, and for every document those that its tokens are nearest to.

    seen      uint16, seen_offsets int64 n + 1     the different centroids of every document
    lists     int32, list_offsets int64            documents of every centroid; only where there are many
    centroids.*                    see centroids.py
    ranks, list_ranks int32        see calibration.Ranks
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.index.multivector.calibration import PROBES, Ranks, questions, ranks_of
from bowerbird.index.multivector.centroids import SAMPLE, Centroids, how_many
from bowerbird.index.multivector.search import Effort, nominate, parts
from bowerbird.index.multivector.segment import LISTED, document_codes, list_arrays, seen_arrays

BATCH = 1_000_000
"""Tokens whose centroids are sought at a time."""
SPARE = 4
"""Candidates per hit, at least."""

Mask = NDArray[np.bool_]
Places = NDArray[np.int32]


class Tokens(Protocol):
    """Token vectors of documents 0 … n - 1, wherever they are."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of every document."""

    def values(self, start: int, end: int) -> NDArray[np.int8]:
        """Of documents start … end - 1, one after the other: m × dim; what scales them does not matter."""

    def vectors(self, document: int) -> NDArray[np.float32]:
        """Of one document, m × dim."""

    def maxsim(self, query: Query, rows: Places | None) -> NDArray[np.float32]:
        """Of one query with some documents, or all; -inf for documents without tokens."""


@dataclass(frozen=True)
class Nominator:
    """Immutable; made by `build`, or of the arrays of one."""

    arrays: Mapping[str, NDArray[Any]]

    @classmethod
    def build(cls, tokens: Tokens, *, seed: int = 0, threads: int = 2) -> Nominator:
        """There is at least one token. The same tokens and seed give the same arrays."""
        offsets = np.concatenate([[0], np.cumsum(tokens.lengths)])
        count = how_many(int(offsets[-1]))
        centroids = Centroids.train(_sample(tokens, SAMPLE * count, seed), count, seed=seed, threads=threads)
        codes = [centroids.nearest(tokens.values(*run), threads).astype(np.uint16) for run in _runs(offsets)]
        pairs = document_codes(np.concatenate(codes), offsets)
        arrays = {**centroids.arrays(), **seen_arrays(pairs, len(offsets) - 1)}
        if len(pairs) >= LISTED:
            arrays |= list_arrays(pairs, count)
        asked = _Documents(cls(arrays), tokens)
        found = ranks_of(asked, centroids, questions(asked, seed))
        return cls(
            arrays | {"ranks": np.array(found.ranks, np.int32), "list_ranks": np.array(found.list_ranks, np.int32)}
        )

    def __len__(self) -> int:
        return len(self.code_offsets) - 1

    @property
    def codes(self) -> NDArray[np.uint16]:
        return self.arrays["seen"]

    @property
    def code_offsets(self) -> NDArray[np.int64]:
        return self.arrays["seen_offsets"]

    @property
    def listed(self) -> bool:
        return "lists" in self.arrays

    @cached_property
    def centroids(self) -> Centroids:
        return Centroids.of(self.arrays)

    def effort(self, k: int, recall: float) -> Effort:
        """What a recall of the true best ten takes, and SPARE candidates per hit. Raises ValueError for a recall that
        cannot be."""
        listed = self._ranks.listed_candidates(recall, len(self))
        candidates = self._ranks.candidates(recall, len(self)) if listed is None else listed
        return Effort(max(candidates, SPARE * k), 0 if listed is None else PROBES)

    def nominate(self, query: Query, k: int, *, usable: Mask | None = None, recall: float = 0.95) -> Places:
        """Numbers of the documents to compare a query with to find k; at least k, if there are as many.

        usable: the documents that may be found, None for all. recall: share of the true best ten to aim at. Raises
        ValueError unless 0 < recall ≤ 1.
        """
        effort = self.effort(k, recall)
        left = np.arange(len(self), dtype=np.int32) if usable is None else np.flatnonzero(usable).astype(np.int32)
        if len(left) <= effort.candidates:
            return left
        run, points = kernels.use(), self.centroids
        tables = [run.table(part, points.blocks, len(points)) for part in parts(query)]
        chosen = nominate(run, [self], [usable], tables, len(query), effort)[0]
        return left if chosen is None else chosen

    @cached_property
    def _ranks(self) -> Ranks:
        return Ranks(self.arrays["ranks"].tolist(), len(self), self.arrays["list_ranks"].tolist())


class _Documents:
    """What calibration asks of a nominator and its tokens together."""

    def __init__(self, coded: Nominator, tokens: Tokens) -> None:
        self.arrays, self.listed = coded.arrays, coded.listed
        self.codes, self.code_offsets = coded.codes, coded.code_offsets
        self.token_count = int(tokens.lengths.sum())
        self.maxsim, self.vectors = tokens.maxsim, tokens.vectors

    def __len__(self) -> int:
        return len(self.code_offsets) - 1


def _sample(tokens: Tokens, count: int, seed: int) -> NDArray[np.float32]:
    """About `count` tokens, of documents by lot."""
    order = np.random.default_rng(seed).permutation(len(tokens.lengths))
    enough = int(np.searchsorted(np.cumsum(tokens.lengths[order]), count)) + 1
    return np.concatenate([tokens.vectors(int(document)) for document in np.sort(order[:enough])])


def _runs(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Documents start … end - 1 of about BATCH tokens."""
    bounds = np.searchsorted(offsets, np.arange(0, int(offsets[-1]), BATCH))
    yield from pairwise(np.unique(np.append(bounds, len(offsets) - 1)).tolist())

"""How many candidates a recall takes on this collection, and how long, measured when the index is built and when it has
grown.

Queries are not known yet, so documents stand for them: some tokens of two or three documents, with noise. A query
about one document would be found too easily, above all where others nearly repeat it. For each we look where
the ten documents with the best MaxSim stand in the order by centroids; the recall at n candidates is the share of
them among the first n. Where there are lists, we look from how many candidates on these let them through, too. The same
queries are timed with few and with many candidates, on the machine of the build.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.index.multivector.centroids import Centroids
from bowerbird.index.multivector.search import Coded, Effort, interact, parts, reach, search
from bowerbird.index.multivector.segment import Model, Segment

ASKED = 128
TOKENS = 20
NOISE = 0.6
"""Length of the noise that is added to a token of length 1: a query's words are not the document's."""
DEPTH = 500_000
"""Tokens of the documents whose MaxSim is computed to find the best ten, the best by centroids."""
TEN = 10
LEAST = 40
TIMED = 1000
"""Candidates of a slow search, which is timed beside one of LEAST."""
PROBES = 64


class Documents(Coded, Protocol):
    """Documents whose tokens can be asked for."""

    @property
    def token_count(self) -> int: ...

    def maxsim(self, query: Query, rows: NDArray[np.int32] | None) -> NDArray[np.float32]:
        """Of one query with some of them."""

    def vectors(self, document: int) -> NDArray[np.float32]:
        """Of one, m × dim."""


@dataclass(frozen=True)
class Ranks:
    """ranks: where true hits stood in the order by centroids, ascending. documents: among how many."""

    ranks: list[int]
    documents: int
    list_ranks: list[int] = field(default_factory=list)
    """The same behind lists, `documents` for hits that are in none of those read; empty without lists."""

    def candidates(self, recall: float, documents: int) -> int:
        """How many candidates among `documents` have the share `recall` of the true hits.

        Raises ValueError unless 0 < recall ≤ 1.
        """
        return self._enough(self.ranks, recall, documents)

    def listed_candidates(self, recall: float, documents: int) -> int | None:
        """How many of those in the lists have that share; None if the lists leave more of the true hits out.

        Raises ValueError unless 0 < recall ≤ 1.
        """
        if not self.list_ranks or self.list_ranks[_place(self.list_ranks, recall)] >= self.documents:
            return None
        return self._enough(self.list_ranks, recall, documents)

    def _enough(self, ranks: list[int], recall: float, documents: int) -> int:
        return max(LEAST, int(np.ceil((ranks[_place(ranks, recall)] + 1) * self._grown(documents))))

    def _grown(self, documents: int) -> float:
        return max(1.0, documents / self.documents)


@dataclass(frozen=True)
class Calibration(Ranks):
    """A search takes fixed_ms, which grows with the documents, and candidate_ms per candidate: medians of processor
    time."""

    fixed_ms: float = 0.0
    candidate_ms: float = 0.0
    probes: int = PROBES
    """Lists to read per query token."""

    def affordable(self, latency_ms: float, documents: int) -> int:
        """How many candidates among `documents` can be scored in a time; LEAST if it is too short for any.

        Raises ValueError unless latency_ms > 0.
        """
        if not latency_ms > 0:
            raise ValueError(f"latency_ms must be above 0, got {latency_ms}")
        left = latency_ms - self.fixed_ms * self._grown(documents)
        return max(LEAST, int(min(left / max(self.candidate_ms, 1e-6), documents)))

    def milliseconds(self, candidates: int, documents: int) -> float:
        """What a search with so many candidates is expected to take."""
        return self.fixed_ms * self._grown(documents) + self.candidate_ms * candidates

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)


def calibrate(segments: Sequence[Segment], model: Model, seed: int) -> Calibration:
    """Measure on the largest segment."""
    segment = max(segments, key=len)
    asked = questions(segment, seed)
    found = ranks_of(segment, model.centroids, asked)
    fixed, each = _times(segment, model, asked)
    return Calibration(found.ranks, found.documents, found.list_ranks, fixed, each)


def questions(documents: Documents, seed: int) -> list[NDArray[np.float32]]:
    """Queries about two or three documents each, of those that have tokens."""
    random, filled = np.random.default_rng(seed), np.flatnonzero(np.diff(documents.code_offsets))
    chosen, count = random.permutation(filled), min(ASKED, -(-len(filled) // 3))
    groups = [np.resize(chosen[3 * number :], 2 + number % 2) for number in range(count)]
    return [question([documents.vectors(int(one)) for one in group], random) for group in groups]


def ranks_of(documents: Documents, centroids: Centroids, asked: Sequence[NDArray[np.float32]]) -> Ranks:
    """Where true hits of some queries stand."""
    both = [_ranks(documents, centroids, Query.of(one)) for one in asked]
    ranks, listed = (sorted(rank for found in side for rank in found) for side in zip(*both, strict=True))
    return Ranks(ranks, len(documents), listed)


def _place(ranks: Sequence[int], recall: float) -> int:
    """Where the last rank is that a recall asks for."""
    if not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
    return min(int(np.ceil(recall * len(ranks))), len(ranks)) - 1


def _times(segment: Segment, model: Model, questions: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Milliseconds of a search but for its candidates, and of a candidate."""
    probes = PROBES if segment.listed else 0
    many = max(min(TIMED, len(segment) - 1), 1)  # a search that scores all documents does not look for candidates
    few = min(LEAST, many)
    fast, slow = (_median_ms(segment, model, questions, Effort(count, probes)) for count in (few, many))
    each = max(slow - fast, 0.0) / max(many - few, 1)
    return max(fast - few * each, 0.0), each


def _median_ms(segment: Segment, model: Model, questions: Sequence[NDArray[np.float32]], effort: Effort) -> float:
    took = []
    for question in questions:
        started = time.thread_time()
        search([segment], [None], model, question, TEN, effort)
        took.append(time.thread_time() - started)
    return 1000 * float(np.median(took))


def _ranks(documents: Documents, centroids: Centroids, query: Query) -> tuple[list[int], list[int]]:
    """Where the best ten stand in a pass, and from how many candidates on, less one, lists let them through."""
    run = kernels.use()
    tables = [run.table(part, centroids.blocks, len(centroids)) for part in parts(query)]
    depth = max(TEN, DEPTH * len(documents) // max(documents.token_count, 1))
    scores = interact(run, documents, tables, None)
    kept = run.top(scores, depth)
    by_centroids = kept[np.argsort(-scores[kept], kind="stable")]
    exact = documents.maxsim(query, by_centroids)
    ranks = np.argsort(-exact, kind="stable")[:TEN]
    if not documents.listed:
        return ranks.tolist(), []
    scores = np.zeros(len(documents), np.int64)
    found, reached = reach(run, documents, tables, len(query), PROBES)
    scores[found] = reached
    best = scores[by_centroids[ranks]]
    before = np.array([np.count_nonzero(scores >= score) - 1 for score in best])
    listed = np.maximum(ranks, before // Effort(1).reached)
    return ranks.tolist(), np.where(best > 0, listed, len(documents)).tolist()


def question(documents: Sequence[NDArray[np.float32]], random: np.random.Generator) -> NDArray[np.float32]:
    """Some tokens of each document, TOKENS in all, with noise, for a query."""
    share = TOKENS // len(documents)
    chosen = np.concatenate([tokens[np.sort(random.permutation(len(tokens))[:share])] for tokens in documents])
    noise = random.standard_normal(chosen.shape).astype(np.float32)
    moved = chosen + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return unit

"""How many candidates a recall takes on this collection, measured when the index is built.

Queries are not known yet, so documents stand for them: some tokens of a document, with noise. For each we look where
the ten documents with the best MaxSim stand in the order by centroids; the recall at n candidates is the share of
them among the first n.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.index.multivector.search import interact, parts
from bowerbird.index.multivector.segment import Model, Segment

ASKED = 64
TOKENS = 20
NOISE = 0.6
"""Length of the noise that is added to a token of length 1: a query's words are not the document's."""
DEPTH = 4000
"""Documents whose MaxSim is computed to find the best ten."""
TEN = 10
LEAST = 40
PROBES = 16


@dataclass(frozen=True)
class Calibration:
    """ranks: where true hits stood in the order by centroids, ascending. documents: among how many."""

    ranks: list[int]
    documents: int
    probes: int = PROBES
    """Lists to read per query token."""

    def candidates(self, recall: float, documents: int) -> int:
        """How many candidates among `documents` have the share `recall` of the true hits.

        Raises ValueError unless 0 < recall ≤ 1.
        """
        if not 0 < recall <= 1:
            raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
        at = min(int(np.ceil(recall * len(self.ranks))), len(self.ranks)) - 1
        grown = max(1.0, documents / self.documents)
        return max(LEAST, int(np.ceil((self.ranks[at] + 1) * grown)))

    def to_json(self) -> Mapping[str, Any]:
        return asdict(self)


def calibrate(segments: Sequence[Segment], model: Model, seed: int) -> Calibration:
    """Measure on the largest segment."""
    segment = max(segments, key=len)
    random = np.random.default_rng(seed)
    ranks: list[int] = []
    for document in random.permutation(len(segment))[:ASKED]:
        query = Query.of(_question(_tokens(segment, int(document), model), random))
        ranks += _ranks(segment, model, query)
    return Calibration(sorted(ranks), len(segment))


def _ranks(segment: Segment, model: Model, query: Query) -> list[int]:
    run = kernels.use()
    tables = [run.table(part, model.centroids.blocks, len(model.centroids)) for part in parts(query)]
    by_centroids = np.argsort(-interact(run, segment, tables, None), kind="stable")[:DEPTH].astype(np.int32)
    exact = run.maxsim(query.ordered(model.order), segment.tokens, segment.offsets, by_centroids)
    return [int(rank) for rank in np.argsort(-exact, kind="stable")[:TEN]]


def _question(tokens: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    chosen = tokens[np.sort(random.permutation(len(tokens))[:TOKENS])]
    noise = random.standard_normal(chosen.shape).astype(np.float32)
    moved = chosen + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _tokens(segment: Segment, document: int, model: Model) -> NDArray[np.float32]:
    """The vectors of a document, as they are stored."""
    start, end = int(segment.offsets[document]), int(segment.offsets[document + 1])
    scales = segment.tokens.scales[start:end].astype(np.float32)
    vectors: NDArray[np.float32] = segment.tokens.rows(start, end).astype(np.float32) * scales[:, None]
    return vectors if model.order is None else vectors[:, np.argsort(model.order)]

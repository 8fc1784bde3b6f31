"""Late interaction: the first candidates re-scored by MaxSim over token vectors (ColBERT, arXiv 2004.12832)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import MultiVector
from bowerbird.index.maxsim import maxsim
from bowerbird.pipeline.retrieve import words_of
from bowerbird.pipeline.stage import Stage
from bowerbird.ranking import Ranking

SAMPLE = 128
"""Items that stand for the whole collection when a MaxSim is compared with chance."""


@dataclass(frozen=True)
class LateInteraction(Stage):
    """Adds calibrated MaxSim to the scores of the first `depth` hits of every query; the rest is cut.

    MaxSim is the mean over query tokens of the best document token. It is calibrated like other vector scores:
    minus the mean, divided by the deviation, over a sample of the collection. Hits without tokens keep their score.
    """

    snapshot: Snapshot
    depth: int = 100

    def __call__(self, ranking: Ranking) -> Ranking:
        ranking = ranking.top(self.depth)
        parts = [query.parts if words_of(query) else () for query in ranking.queries]
        queries = self.snapshot.encoder("text").encode_queries(parts).tokens
        if queries is None or not len(ranking.ids):
            return ranking
        mean, deviation = self.chance(queries)
        query = ranking.query_of_hit
        rows = self.snapshot.rows_of(ranking.ids)
        raw = np.full(len(rows), np.nan, np.float32)
        for number in np.flatnonzero(queries.lengths):  # one query at a time bounds the memory of its candidates
            mine = slice(ranking.offsets[number], ranking.offsets[number + 1])
            documents = self.snapshot.tokens(rows[mine])
            raw[mine] = maxsim(queries, documents, np.full(len(documents), number))
        scores = (raw - mean[query]) / deviation[query]
        matched = {**ranking.matched, "tokens": scores}
        return Ranking.from_hits(
            ranking.queries, query, ranking.ids, ranking.scores + np.nan_to_num(scores), matched, ranking.places
        )

    def chance(self, queries: MultiVector) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and deviation of every query's MaxSim to the sampled items."""
        sample = self.snapshot.sample_tokens(SAMPLE)
        scores = (
            np.stack([maxsim(queries, sample, np.full(len(sample), number)) for number in range(len(queries))])
            if sample.lengths.any()
            else np.zeros((len(queries), 1), np.float32)
        )
        return np.nan_to_num(scores.mean(axis=1)), np.nan_to_num(scores.std(axis=1)) + np.float32(1e-3)

    def __repr__(self) -> str:
        return "LateInteraction"

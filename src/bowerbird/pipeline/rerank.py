"""Late interaction: the first candidates re-scored by MaxSim over token vectors (ColBERT, arXiv 2004.12832)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bowerbird.collection.snapshot import Snapshot
from bowerbird.index import kernels
from bowerbird.index.kernels import Query
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
        query = ranking.query_of_hit
        rows = self.snapshot.rows_of(ranking.ids)
        scores = np.full(len(rows), np.nan, np.float32)
        for number in np.flatnonzero(queries.lengths):
            asked = Query.of(queries[int(number)])
            mean, deviation = self.chance(asked)
            mine = slice(ranking.offsets[number], ranking.offsets[number + 1])
            scores[mine] = (self.snapshot.maxsim(asked, rows[mine]) - mean) / deviation
        matched = {**ranking.matched, "tokens": scores}
        return Ranking.from_hits(
            ranking.queries, query, ranking.ids, ranking.scores + np.nan_to_num(scores), matched, ranking.places
        )

    def chance(self, query: Query) -> tuple[float, float]:
        """Mean and deviation of a query's MaxSim to the sampled items."""
        blocks, offsets = self.snapshot.sample_tokens(SAMPLE)
        if len(offsets) == 1:
            return 0.0, 1.0
        scores = kernels.use().maxsim(query, blocks, offsets) / len(query)
        return float(scores.mean()), float(scores.std()) + 1e-3

    def __repr__(self) -> str:
        return "LateInteraction"

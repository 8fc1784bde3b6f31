"""Late interaction: hits re-scored by MaxSim over token vectors (ColBERT, arXiv 2004.12832)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.pipeline.retrieve import asked_parts
from bowerbird.pipeline.source import rows_of
from bowerbird.pipeline.stage import Names, Over, shown
from bowerbird.ranking import Ranking

SAMPLE = 128
"""Items that stand for the whole collection when a MaxSim is compared with chance."""


@dataclass(frozen=True)
class LateInteraction(Over):
    """Adds calibrated MaxSim to the scores of all hits, or of the first `depth` and cuts the rest.

    MaxSim is the mean over query tokens of the best document token. It is calibrated like other vector scores:
    minus the mean, divided by the deviation, over a sample of the collection. Hits without tokens keep their score.
    """

    depth: int | None = None
    field: str = "text"

    def run(self, ranking: Ranking) -> Ranking:
        snapshot = self.snapshot
        if self.depth is not None:
            ranking = ranking.top(self.depth)
        if not len(ranking.ids):
            return ranking
        queries = snapshot.encoder(self.field).encode_queries(asked_parts(snapshot, self.field, ranking.queries)).tokens
        if queries is None:
            raise PipelineError(
                f"field {self.field!r} has no token vectors, as {snapshot.encoder(self.field).id.spec!r} gives one "
                f"vector for each text: search it by Dense, or give the field another encoder with Library.reembed"
            )
        rows = rows_of(snapshot, ranking.ids, self)
        scores = np.full(len(rows), np.nan, np.float32)
        for number in np.flatnonzero(queries.lengths):
            asked = Query.of(queries[int(number)])
            mean, deviation = self.chance(snapshot, asked)
            mine = slice(ranking.offsets[number], ranking.offsets[number + 1])
            scores[mine] = (snapshot.maxsim(asked, rows[mine], self.field) - mean) / deviation
        return ranking.rescored(ranking.scores + np.nan_to_num(scores), tokens=scores)

    def chance(self, snapshot: Snapshot, query: Query) -> tuple[float, float]:
        """Mean and deviation of a query's MaxSim to the sampled items."""
        blocks, offsets = snapshot.sample_tokens(SAMPLE, self.field)
        if len(offsets) == 1:
            return 0.0, 1.0
        scores = kernels.use().maxsim(query, blocks, offsets) / len(query)
        return float(scores.mean()), float(scores.std()) + 1e-3

    @property
    def needs(self) -> Names:
        return frozenset({"hits", f"field {self.field!r}"})

    def __repr__(self) -> str:
        return shown("LateInteraction", [], depth=(self.depth, None), field=(self.field, "text"))

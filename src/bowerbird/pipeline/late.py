"""Late interaction: hits re-scored by MaxSim over token vectors (ColBERT, arXiv 2004.12832)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bowerbird import items
from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import MultiVector
from bowerbird.errors import PipelineError
from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.pipeline.retrieve import RETRIEVED, K, asked_parts, by_filter, to_ranking
from bowerbird.pipeline.source import rows_of
from bowerbird.pipeline.stage import Names, Over, shown
from bowerbird.ranking import Ranking

SAMPLE = 128
"""Items that stand for the whole collection when a MaxSim is compared with chance."""


@dataclass(frozen=True)
class MaxSim(Over):
    """Items of a field with the highest MaxSim, up to k of each query: for fields that have token vectors only.

    In a large collection those are scored that centroids of tokens nominate (`bowerbird stats` shows which index a
    field has), in a small one all. Scores are calibrated as those of LateInteraction are.
    """

    field: str
    k: int = K

    def run(self, ranking: Ranking) -> Ranking:
        snapshot = self.snapshot
        queries = token_queries(snapshot, self.field, ranking.queries)
        found = np.full((len(queries), self.k), -1, np.int64), np.zeros((len(queries), self.k), np.float32)
        for numbers, mask in by_filter(snapshot, ranking.queries):
            for number in numbers:
                asked = Query.of(queries[number])
                if len(asked):
                    mean, deviation = chance(snapshot, asked, self.field)
                    rows, scores = snapshot.late(self.field, asked, self.k, mask)
                    found[0][number, : len(rows)], found[1][number, : len(rows)] = rows, (scores - mean) / deviation
        return to_ranking(snapshot, ranking.queries, self.field, *found)

    @property
    def needs(self) -> Names:
        return frozenset({f"field {self.field!r}"})

    @property
    def gives(self) -> Names:
        return RETRIEVED

    def __repr__(self) -> str:
        return shown("MaxSim", [repr(self.field)], k=(self.k, K))


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
        queries = token_queries(snapshot, self.field, ranking.queries)
        rows = rows_of(snapshot, ranking.ids, self)
        scores = np.full(len(rows), np.nan, np.float32)
        for number in np.flatnonzero(queries.lengths):
            asked = Query.of(queries[int(number)])
            mean, deviation = chance(snapshot, asked, self.field)
            mine = slice(ranking.offsets[number], ranking.offsets[number + 1])
            scores[mine] = (snapshot.maxsim(asked, rows[mine], self.field) - mean) / deviation
        return ranking.rescored(ranking.scores + np.nan_to_num(scores), tokens=scores)

    @property
    def needs(self) -> Names:
        return frozenset({"hits", f"field {self.field!r}"})

    def __repr__(self) -> str:
        return shown("LateInteraction", [], depth=(self.depth, None), field=(self.field, "text"))


def token_queries(snapshot: Snapshot, field: str, queries: Sequence[items.Query]) -> MultiVector:
    """The token vectors of every query. Raises PipelineError where the field's encoder gives none."""
    encoder = snapshot.encoder(field)
    tokens = encoder.encode_queries(asked_parts(snapshot, field, queries)).tokens
    if tokens is None:
        raise PipelineError(
            f"field {field!r} has no token vectors, as {encoder.id.spec!r} gives one vector for each text: search it "
            f"by Dense, or give the field another encoder with Library.reembed"
        )
    return tokens


def chance(snapshot: Snapshot, query: Query, field: str) -> tuple[float, float]:
    """Mean and deviation of a query's MaxSim to the sampled items."""
    blocks, offsets = snapshot.sample_tokens(SAMPLE, field)
    if len(offsets) == 1:
        return 0.0, 1.0
    scores = kernels.use().maxsim(query, blocks, offsets) / len(query)
    return float(scores.mean()), float(scores.std()) + 1e-3

"""Hits re-scored by a model that sees query and item together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bowerbird.chat.base import Chat, ChatWithLogits
from bowerbird.errors import PipelineError
from bowerbird.pipeline.scorers.base import Pair, PairScorer
from bowerbird.pipeline.scorers.judge import GradeJudge, YesNoJudge
from bowerbird.pipeline.source import Source, rows_of, store_of
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking, Scores

BATCH = 256
"""Pairs that a scorer gets at once; their items are in memory."""


@dataclass(frozen=True)
class Rerank(Stage):
    """Scores of all hits replaced by calibrated relevance in [0, 1]; cut before it what is too much to judge.

    judge: a PairScorer, or a chat, which judges by the probability of "yes" if it tells, else by a grade.
    source: where hits are looked up that come from a run, not from a stage.
    """

    judge: PairScorer | Chat
    source: Source | None = field(default=None, repr=False)

    @property
    def scorer(self) -> PairScorer:
        if isinstance(self.judge, PairScorer):
            return self.judge
        if isinstance(self.judge, ChatWithLogits):
            return YesNoJudge(self.judge)
        if isinstance(self.judge, Chat):
            return GradeJudge(self.judge)
        raise PipelineError(f"Rerank takes a PairScorer or a chat, got {type(self.judge).__name__}")

    def run(self, ranking: Ranking) -> Ranking:
        scorer, store = self.scorer, store_of(ranking, self.source, self)
        rows = rows_of(store, ranking.ids, self)
        query = ranking.query_of_hit
        scores = np.zeros(len(rows), np.float32)
        for start in range(0, len(rows), BATCH):
            mine = slice(start, start + BATCH)
            wanted, number = np.unique(rows[mine], return_inverse=True)
            items = store.items(wanted)
            pairs = [(ranking.queries[q], items[n]) for q, n in zip(query[mine], number, strict=True)]
            scores[mine] = judged(scorer, pairs)
        return ranking.rescored(scores, **{scorer.name: scores})

    @property
    def needs(self) -> Names:
        return frozenset({"hits", "items"}) | getattr(self.scorer, "needs", frozenset())

    def __repr__(self) -> str:
        return f"Rerank({self.scorer!r})"


def judged(scorer: PairScorer, pairs: Sequence[Pair]) -> Scores:
    """The scores of some pairs. Raises PipelineError if they are not one probability each."""
    scores = np.asarray(scorer.score(pairs), np.float32)
    if scores.shape != (len(pairs),):
        raise PipelineError(f"{scorer!r} gave scores of shape {scores.shape} for {len(pairs)} pairs: one each is due")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise PipelineError(f"{scorer!r} gave scores outside 0 … 1 (or NaN): calibrate it, for example by Logistic")
    return scores

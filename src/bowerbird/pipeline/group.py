"""Hits of one page, photo, shot or document shown as one hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bowerbird.pipeline.source import rows_of
from bowerbird.pipeline.stage import Names, Over
from bowerbird.ranking import Ranking

Level = Literal["page", "document", "none"]


@dataclass(frozen=True)
class Group(Over):
    """One hit per group, with the score of its best member, which stays known as the hit's place.

    level "page": the page, slide, photo or shot that a hit belongs to; "document": the whole file.
    Evidence columns hold the best value in the group.
    """

    level: Level = "page"

    def run(self, ranking: Ranking) -> Ranking:
        if self.level == "none" or not len(ranking.ids):
            return ranking
        snapshot = self.snapshot
        leader = snapshot.groups if self.level == "page" else snapshot.documents
        group = leader[rows_of(snapshot, ranking.ids, self)]
        query = ranking.query_of_hit
        key = query * len(snapshot) + group
        # hits are sorted best first within a query, so the first of every key is its best member
        _, first, group_of_hit = np.unique(key, return_index=True, return_inverse=True)
        matched = {}
        for name, column in ranking.matched.items():
            best = np.full(len(first), -np.inf, np.float32)
            np.maximum.at(best, group_of_hit, np.where(np.isnan(column), -np.inf, column))
            matched[name] = np.where(np.isinf(best), np.nan, best).astype(np.float32)
        return Ranking.from_hits(
            ranking.queries,
            query[first],
            snapshot.ids_of(group[first]),
            ranking.scores[first],
            matched,
            (ranking.ids if ranking.places is None else ranking.places)[first],
            snapshot,
        )

    @property
    def needs(self) -> Names:
        return frozenset({"hits"})

    def __repr__(self) -> str:
        return f"Group({self.level!r})"

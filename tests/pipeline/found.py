"""A stage whose hits are known beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking


@dataclass(frozen=True)
class Found(Stage):
    ranking: Ranking
    name: str = "Found"

    def run(self, ranking: Ranking) -> Ranking:
        return self.ranking

    @property
    def gives(self) -> Names:
        return frozenset({"hits"})

    def __repr__(self) -> str:
        return self.name

"""Stages that fuse the rankings of others: reciprocal rank fusion and the Comb family.

Scores of unlike stages are put on one scale by `Normalise` first; reciprocal ranks need no scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bowerbird.errors import PipelineError
from bowerbird.pipeline import merge
from bowerbird.pipeline.stage import Composite, Stage
from bowerbird.ranking import Ranking

K = 60
"""Of reciprocal rank fusion, as its authors chose it; a larger one levels the ranks."""

Rule: TypeAlias = Literal["mnz", "anz", "max", "min", "med"]

RULES: dict[Rule, merge.Reduction] = {
    "mnz": merge.mnz,
    "anz": merge.anz,
    "max": merge.highest,
    "min": merge.lowest,
    "med": merge.median,
}


@dataclass(frozen=True)
class ReciprocalRanks(Composite):
    """Sum over stages of 1 / (k + rank) (Cormack, Clarke and Büttcher, SIGIR 2009); made by `rrf`."""

    k: int = K

    def run(self, ranking: Ranking) -> Ranking:
        found = [merge.reciprocal_ranks(stage.run(ranking), self.k) for stage in self.stages]
        table = merge.merge(found, ranking.queries)
        return table.ranking(merge.total(table.scores))

    def __repr__(self) -> str:
        k = "" if self.k == K else f", k={self.k}"
        return f"rrf({', '.join(map(repr, self.stages))}{k})"

    @property
    def label(self) -> str:
        return "rrf" if self.k == K else f"rrf k={self.k}"


@dataclass(frozen=True)
class Comb(Composite):
    """Scores of several stages combined by a rule of Fox and Shaw (TREC-2, 1994); made by `comb`."""

    rule: Rule

    def run(self, ranking: Ranking) -> Ranking:
        table = merge.merge([stage.run(ranking) for stage in self.stages], ranking.queries)
        return table.ranking(RULES[self.rule](table.scores))

    def __repr__(self) -> str:
        return f"comb({self.rule!r}, {', '.join(map(repr, self.stages))})"

    @property
    def label(self) -> str:
        return f"comb {self.rule}"


def rrf(*stages: Stage, k: int = K) -> Stage:
    """Reciprocal rank fusion of two or more stages: only ranks count, so scores need no common scale."""
    if k < 0:
        raise PipelineError(f"rrf takes k >= 0, got {k}")
    return ReciprocalRanks(_some(stages, "rrf"), k)


def comb(rule: Rule, *stages: Stage) -> Stage:
    """Fusion of scores: CombMNZ ("mnz"), CombANZ ("anz"), CombMAX, CombMIN, CombMED; CombSUM is `a + b`."""
    if rule not in RULES:
        raise PipelineError(f"unknown rule {rule!r}: choose one of {', '.join(RULES)}; for sums write a + b")
    return Comb(_some(stages, "comb"), rule)


def _some(stages: tuple[Stage, ...], name: str) -> tuple[Stage, ...]:
    if not stages:
        raise PipelineError(f"{name} needs stages to fuse: {name}(Lexical(library), Dense(library, 'text'))")
    for stage in stages:
        if not isinstance(stage, Stage):
            raise PipelineError(
                f"{name} fuses stages, got {type(stage).__name__}: write {name}(a, b), not {name}([a, b])"
            )
    return stages

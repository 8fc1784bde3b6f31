"""Where the time of a pipeline goes, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bowerbird.errors import PipelineError
from bowerbird.items import Query, QueryLike
from bowerbird.pipeline.check import as_ranking, check
from bowerbird.pipeline.identity import identity
from bowerbird.pipeline.stage import Composite, Names, Stage, Then, at_one_version
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Timing:
    """One stage: its own seconds without those of the stages inside it, and the hits that it gave."""

    label: str
    depth: int
    """How many operators it is inside of."""
    seconds: float
    hits: int


@dataclass(frozen=True)
class Profile:
    """Timings of all stages in the order of the expression, for one run on a batch of queries."""

    pipeline: str
    queries: int
    timings: tuple[Timing, ...]

    @property
    def seconds(self) -> float:
        return sum(timing.seconds for timing in self.timings)

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=self.pipeline, title_justify="left", caption=self._summary(), caption_justify="left")
        for column in ("stage", "ms", "share", "ms per query", "hits per query"):
            table.add_column(column, justify="left" if column == "stage" else "right")
        for cells in self._cells():
            table.add_row(*cells)
        return table

    def __str__(self) -> str:
        rows = [("stage", "ms", "share", "ms/query", "hits/query"), *self._cells()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        return "\n".join([*lines, self._summary()])

    def _cells(self) -> list[tuple[str, ...]]:
        total, count = max(self.seconds, 1e-12), max(self.queries, 1)
        return [
            (
                "  " * timing.depth + timing.label,
                f"{timing.seconds * 1000:.1f}",
                f"{timing.seconds / total:.0%}",
                f"{timing.seconds * 1000 / count:.2f}",
                f"{timing.hits / count:.1f}",
            )
            for timing in self.timings
        ]

    def _summary(self) -> str:
        return f"{self.queries} queries in {self.seconds * 1000:.1f} ms"


@dataclass
class Clock:
    label: str
    depth: int
    seconds: float = 0.0
    """With the stages inside."""
    inside: float = 0.0
    hits: int = 0


@dataclass(frozen=True)
class Timed(Stage):
    """A stage that is watched; it prints as the stage itself."""

    stage: Stage
    clock: Clock = field(repr=False)
    around: Clock | None = field(repr=False, default=None)
    """The clock of the operator that the stage is inside of."""

    def run(self, ranking: Ranking) -> Ranking:
        started = time.perf_counter()
        found = self.stage.run(ranking)
        took = time.perf_counter() - started
        self.clock.seconds += took
        self.clock.hits = len(found.ids)
        if self.around is not None:
            self.around.inside += took
        return found

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        return self.stage.flow(offered, queries)

    @property
    def identity(self) -> str:
        """So that a cache knows what it has remembered of the stage."""
        return identity(self.stage)

    def __repr__(self) -> str:
        return repr(self.stage)


def profile(pipeline: Stage, queries: Ranking | Sequence[QueryLike], runs: int = 1) -> Profile:
    """The fastest of some runs, after one that warms up: it opens indexes and loads models."""
    if runs < 1:
        raise PipelineError(f"a profile takes one or more runs, got {runs}")
    ranking = queries if isinstance(queries, Ranking) else as_ranking(queries)
    ready = at_one_version(pipeline)
    check(ready, ranking)
    ready.run(ranking)
    return min((_one_run(ready, ranking) for _ in range(runs)), key=lambda profile: profile.seconds)


def _one_run(pipeline: Stage, ranking: Ranking) -> Profile:
    clocks: list[Clock] = []
    watched(pipeline, 0, None, clocks).run(ranking)
    timings = tuple(Timing(clock.label, clock.depth, clock.seconds - clock.inside, clock.hits) for clock in clocks)
    return Profile(repr(pipeline), len(ranking), timings)


def watched(stage: Stage, depth: int, around: Clock | None, clocks: list[Clock]) -> Stage:
    """The same pipeline with a clock at every stage and operator, appended to `clocks`; `>>` takes no time itself."""
    if isinstance(stage, Then):
        return replace(stage, stages=tuple(watched(inner, depth, around, clocks) for inner in stage.stages))
    clock = Clock(stage.label, depth)
    clocks.append(clock)
    if isinstance(stage, Composite):
        stage = replace(stage, stages=tuple(watched(inner, depth + 1, clock, clocks) for inner in stage.stages))
    return Timed(stage, clock, around)

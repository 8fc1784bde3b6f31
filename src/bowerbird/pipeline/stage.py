"""Stages and the operators that compose them into pipelines (the meaning PyTerrier gave them in this field).

a >> b           then
0.7 * a + b      weighted sum of scores; a hit that one side lacks counts 0 there
a | b, a & b     union and intersection of hits, scores added
a % 10           the first ten

Python's own precedence holds: `%` and `*` bind tightest, then `+`, `>>`, `&`, `|`. So `a >> b % 10` cuts after b.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.items import Query, QueryLike
from bowerbird.pipeline import merge
from bowerbird.pipeline.check import as_ranking, given, require
from bowerbird.pipeline.source import Source, snapshot_of
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from bowerbird.pipeline.diagram import Diagram
    from bowerbird.pipeline.profile import Profile

Names = frozenset[str]
ATOM = 9


class Stage(ABC):
    """A function from rankings to rankings, over a whole batch of queries at once.

    Subclasses are frozen dataclasses that say what they `run`, what they need and what they give (see `check`).
    A stage that searches a library has it in a field `source`.
    """

    binds: ClassVar[int] = ATOM
    """How tight the expression holds together: the precedence of its operator."""

    @abstractmethod
    def run(self, ranking: Ranking) -> Ranking:
        """One pass over the batch. The caller has checked what the stage needs."""

    @property
    def needs(self) -> Names:
        return frozenset()

    @property
    def gives(self) -> Names:
        return frozenset()

    def __call__(self, queries: Ranking | Sequence[QueryLike]) -> Ranking:
        """Check the pipeline, then run it on a batch of queries, every stage on the same version of its library.

        Raises PipelineError if a stage does not get what it needs.
        """
        ranking = queries if isinstance(queries, Ranking) else as_ranking(queries)
        ready = at_one_version(self)
        ready.flow(given(ranking), ranking.queries)
        return ready.run(ranking)

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        """What is on offer after the stage. Raises PipelineError if it needs something else."""
        source = getattr(self, "source", None)
        fields = [] if source is None else [f"field {name!r}" for name in snapshot_of(source).fields]
        require(self, self.needs, offered | {*fields} | ({"items"} if fields else set()), queries)
        return offered | self.gives

    @property
    def label(self) -> str:
        """The stage as it is shown in diagrams and profiles."""
        return repr(self)

    def diagram(self) -> Diagram:
        """A drawing as SVG; shows itself in notebooks, and `save(path)` writes it."""
        from bowerbird.pipeline.diagram import draw

        return draw(self)

    def profile(self, queries: Ranking | Sequence[QueryLike], *, runs: int = 1) -> Profile:
        """Where the time goes: seconds and hits per stage, best of `runs` after one run to warm up."""
        from bowerbird.pipeline.profile import profile

        return profile(self, queries, runs)

    def __rshift__(self, after: Stage) -> Stage:
        return Then(joined(Then, self, after)) if isinstance(after, Stage) else NotImplemented

    def __mul__(self, weight: float) -> Stage:
        return Weighted((self,), weight) if isinstance(weight, int | float) else NotImplemented

    __rmul__ = __mul__

    def __add__(self, other: Stage) -> Stage:
        return Sum(joined(Sum, self, other)) if isinstance(other, Stage) else NotImplemented

    def __or__(self, other: Stage) -> Stage:
        return Union(joined(Union, self, other)) if isinstance(other, Stage) else NotImplemented

    def __and__(self, other: Stage) -> Stage:
        return Intersection(joined(Intersection, self, other)) if isinstance(other, Stage) else NotImplemented

    def __mod__(self, k: int) -> Stage:
        return Top((self,), k)


@dataclass(frozen=True)
class Over(Stage):
    """A stage over a library: as it is at the time of the call, or one snapshot of it."""

    source: Source

    @property
    def snapshot(self) -> Snapshot:
        return snapshot_of(self.source)


@dataclass(frozen=True)
class Composite(Stage):
    """A stage that is made of others, each of which gets the same ranking unless it says otherwise."""

    stages: tuple[Stage, ...]

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        require(self, self.needs, offered, queries)
        return frozenset.intersection(*(stage.flow(offered, queries) for stage in self.stages))

    def infix(self, operator: str) -> str:
        """The stages joined by an operator, in parentheses where Python needs them."""
        first, *others = self.stages
        return operator.join([within(first, self.binds), *(within(stage, self.binds + 1) for stage in others)])


class Then(Composite):
    """One after the other."""

    binds = 2

    def run(self, ranking: Ranking) -> Ranking:
        return reduce(lambda found, stage: stage.run(found), self.stages, ranking)

    def flow(self, offered: Names, queries: Sequence[Query]) -> Names:
        return reduce(lambda known, stage: stage.flow(known, queries), self.stages, offered)

    def __repr__(self) -> str:
        return self.infix(" >> ")


class Sum(Composite):
    """Sum of scores; a hit that one stage lacks counts 0 there. The queries stay those that were asked."""

    binds = 3
    label = "+"

    def run(self, ranking: Ranking) -> Ranking:
        table = merge.merge([stage.run(ranking) for stage in self.stages], ranking.queries)
        return table.ranking(merge.total(table.scores))

    def __repr__(self) -> str:
        return self.infix(f" {self.label} ")


class Union(Sum):
    """All hits of any stage. PyTerrier leaves the scores of a union undefined; here they are added, as in a sum."""

    binds = 0
    label = "|"


class Intersection(Sum):
    """Hits that every stage has. PyTerrier leaves their scores undefined; here they are added."""

    binds = 1
    label = "&"

    def run(self, ranking: Ranking) -> Ranking:
        table = merge.merge([stage.run(ranking) for stage in self.stages], ranking.queries)
        return table.ranking(merge.total(table.scores), merge.held(table.scores) == len(self.stages))


@dataclass(frozen=True)
class Weighted(Composite):
    """Scores times a number."""

    weight: float
    binds = 4

    def __post_init__(self) -> None:
        if not isfinite(self.weight):
            raise PipelineError(f"a weight is a finite number, got {self.weight} for {self.stages[0]!r}")

    def run(self, ranking: Ranking) -> Ranking:
        found = self.stages[0].run(ranking)
        return found.rescored(found.scores * found.scores.dtype.type(self.weight))

    def __repr__(self) -> str:
        return f"{self.weight:g} * {within(self.stages[0], self.binds + 1)}"

    @property
    def label(self) -> str:
        return f"× {self.weight:g}"


@dataclass(frozen=True)
class Top(Composite):
    """The first k hits of every query."""

    k: int
    binds = 4

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise PipelineError(f"a cut keeps one or more hits, got {self.stages[0]!r} % {self.k!r}")

    def run(self, ranking: Ranking) -> Ranking:
        return self.stages[0].run(ranking).top(self.k)

    def __repr__(self) -> str:
        return f"{within(self.stages[0], self.binds)} % {self.k}"

    @property
    def label(self) -> str:
        return f"first {self.k}"


def joined(kind: type[Composite], left: Stage, right: Stage) -> tuple[Stage, ...]:
    """The stages of a chain of one operator, side by side."""
    return tuple(
        inner
        for stage in (left, right)
        for inner in (stage.stages if isinstance(stage, Composite) and type(stage) is kind else (stage,))
    )


def within(stage: Stage, tightness: int) -> str:
    """A stage as an operand, in parentheses if it holds together less than its surroundings."""
    return repr(stage) if stage.binds >= tightness else f"({stage!r})"


def shown(name: str, always: Sequence[str], **settings: tuple[object, object]) -> str:
    """A stage with its arguments, and those settings that are not what they are by default: (value, default)."""
    others = [f"{key}={value!r}" for key, (value, default) in settings.items() if value != default]
    inside = ", ".join([*always, *others])
    return f"{name}({inside})" if inside else name


def mapped(stage: Stage, change: Callable[[Stage], Stage]) -> Stage:
    """The same expression with every stage that is not made of others replaced."""
    if isinstance(stage, Composite):
        return replace(stage, stages=tuple(mapped(inner, change) for inner in stage.stages))
    return change(stage)


def at_one_version(pipeline: Stage) -> Stage:
    """The same pipeline over snapshots: a writer that commits during the call does not come between its stages."""
    seen: dict[int, Snapshot] = {}

    def pin(stage: Stage) -> Stage:
        source = getattr(stage, "source", None)
        if source is None or isinstance(source, Snapshot):
            return stage
        if id(source) not in seen:
            seen[id(source)] = snapshot_of(source)
        return replace(stage, source=seen[id(source)])  # type: ignore[type-var]

    return mapped(pipeline, pin)

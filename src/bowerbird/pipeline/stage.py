"""Stages and the operators that compose them into pipelines (the meaning PyTerrier gave them in this field).

a >> b           then
0.7 * a + b      weighted sum of scores; a hit that one side lacks counts 0 there
a | b, a & b     union and intersection of hits, scores added
a % 10           the first ten
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from bowerbird.pipeline.fusion import combine
from bowerbird.ranking import Ranking


class Stage(ABC):
    """A function from rankings to rankings, over a whole batch of queries at once."""

    @abstractmethod
    def __call__(self, ranking: Ranking) -> Ranking: ...

    def __rshift__(self, after: Stage) -> Stage:
        return Then(self, after)

    def __rmul__(self, weight: float) -> Stage:
        return Weighted(weight, self)

    def __add__(self, other: Stage) -> Stage:
        return Sum(self, other)

    def __or__(self, other: Stage) -> Stage:
        return Union(self, other)

    def __and__(self, other: Stage) -> Stage:
        return Intersection(self, other)

    def __mod__(self, k: int) -> Stage:
        return Top(self, k)


@dataclass(frozen=True)
class Then(Stage):
    before: Stage
    after: Stage

    def __call__(self, ranking: Ranking) -> Ranking:
        return self.after(self.before(ranking))

    def __repr__(self) -> str:
        return f"{self.before!r} >> {self.after!r}"


@dataclass(frozen=True)
class Weighted(Stage):
    weight: float
    stage: Stage

    def __call__(self, ranking: Ranking) -> Ranking:
        return combine([self.stage(ranking)], [self.weight])

    def __repr__(self) -> str:
        return f"{self.weight:g} * {self.stage!r}"


@dataclass(frozen=True)
class Sum(Stage):
    left: Stage
    right: Stage

    def __call__(self, ranking: Ranking) -> Ranking:
        return combine([self.left(ranking), self.right(ranking)], [1.0, 1.0])

    def __repr__(self) -> str:
        return f"({self.left!r} + {self.right!r})"


class Union(Sum):
    def __repr__(self) -> str:
        return f"({self.left!r} | {self.right!r})"


class Intersection(Sum):
    def __call__(self, ranking: Ranking) -> Ranking:
        return combine([self.left(ranking), self.right(ranking)], [1.0, 1.0], need_all=True)

    def __repr__(self) -> str:
        return f"({self.left!r} & {self.right!r})"


@dataclass(frozen=True)
class Top(Stage):
    stage: Stage
    k: int

    def __call__(self, ranking: Ranking) -> Ranking:
        return self.stage(ranking).top(self.k)

    def __repr__(self) -> str:
        return f"{self.stage!r} % {self.k}"

"""Early exit: not as many candidates for every query, but fewer where the best ten are soon found.

fixed   n candidates, those with the best centroids; what the index does
quiet   MaxSim in the order of the centroid scores, 32 documents at a time, until so many rounds brought nothing new
        into the best ten
margin  the documents whose centroid score is at most so far below the tenth best, × √query tokens
line    rounds as in quiet; a line is fitted through the MaxSim and the centroid scores seen so far, and the search ends
        where a document so many standard deviations above it would not come among the best ten

All are compared at equal recall of the candidates on real queries; and with a setting that is calibrated for a recall
on questions made of documents (see calibration.py), as the index has to do, on what they then reach and take.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.arrays import Floats, Ids, best, offsets_of
from benchmarks.engine.sets import BenchSet
from benchmarks.engine.truth import maxsim
from bowerbird.index import kernels
from bowerbird.index.kernels import Query
from bowerbird.index.multivector import MultiVectorIndex, calibration
from bowerbird.index.multivector.search import interact, parts
from bowerbird.index.multivector.segment import Model, Segment

ROUND = 32
MOST = 2400
"""Documents that are scored at the utmost."""
TEN = 10
LEVELS = (0.95, 0.99)

Answer = tuple[Ids, NDArray[np.float32]]


@dataclass(frozen=True)
class Asked:
    """One query and the scores of all documents by centroids."""

    run: ModuleType
    segment: Segment
    tokens: Query
    scores: NDArray[np.int32]

    @staticmethod
    def of(query: Floats, segment: Segment, model: Model) -> Asked:
        run, tokens = kernels.use(), Query.of(query)
        tables = [run.table(part, model.centroids.blocks, len(model.centroids)) for part in parts(tokens)]
        return Asked(run, segment, tokens.ordered(model.order), interact(run, segment, tables, None))

    def maxsim(self, rows: Ids) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.run.maxsim(self.tokens, self.segment.tokens, self.segment.offsets, rows)
        return found

    def in_order(self) -> Ids:
        """The best MOST by centroids, best first."""
        kept = self.run.top(self.scores, MOST)
        return kept[np.argsort(-self.scores[kept], kind="stable")]


def fixed(asked: Asked, count: float) -> Answer:
    rows = asked.run.top(asked.scores, int(count))
    return rows, asked.maxsim(rows)


def margin(asked: Asked, width: float) -> Answer:
    kept = asked.run.top(asked.scores, MOST)
    scores = asked.scores[kept]
    tenth = np.partition(scores, len(scores) - TEN)[len(scores) - TEN]
    rows = kept[scores >= tenth - width * np.sqrt(len(asked.tokens))]
    return rows, asked.maxsim(rows)


def quiet(asked: Asked, rounds: float) -> Answer:
    order, scores = asked.in_order(), np.zeros(0, np.float32)
    tenth, waited = -np.inf, 0
    while waited < rounds and len(scores) < len(order):
        scores = np.concatenate([scores, asked.maxsim(order[len(scores) : len(scores) + ROUND])])
        before, tenth = tenth, _tenth(scores)
        waited = 0 if tenth > before else waited + 1
    return order[: len(scores)], scores


def line(asked: Asked, deviations: float) -> Answer:
    order, scores = asked.in_order(), np.zeros(0, np.float32)
    while len(scores) < len(order):
        scores = np.concatenate([scores, asked.maxsim(order[len(scores) : len(scores) + ROUND])])
        seen = asked.scores[order[: len(scores)]].astype(np.float32)
        across, along = scores - scores.mean(), seen - seen.mean()
        slope = float(along @ across) / max(float(along @ along), 1e-9)
        spread = float(np.std(across - slope * along))
        following = float(asked.scores[order[min(len(scores), len(order) - 1)]]) - float(seen.mean())
        if float(scores.mean()) + slope * following + deviations * spread < _tenth(scores):
            break
    return order[: len(scores)], scores


def _tenth(scores: NDArray[np.float32]) -> float:
    place = max(len(scores) - TEN, 0)
    return float(np.partition(scores, place)[place])


RULES: dict[str, tuple[Callable[[Asked, float], Answer], list[float]]] = {
    "fixed": (fixed, [float(round(40 * 1.2**step)) for step in range(23)]),
    "quiet": (quiet, [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24]),
    "margin": (margin, [40 + 6.0 * step for step in range(18)]),
    "line": (line, [1.6 + 0.2 * step for step in range(13)]),
}


@dataclass(frozen=True)
class Point:
    """What a setting does: recall of the candidates, how many they are, milliseconds of a search."""

    setting: float
    recall: float
    candidates: float
    ms: float


@dataclass(frozen=True)
class Row:
    """A rule at a recall: on real queries, and where its setting was calibrated for that recall. Points may lie between
    settings; None if the recall is not reached."""

    rule: str
    level: float
    equal: Point | None
    calibrated: Point | None


def compare(index: MultiVectorIndex, given: BenchSet) -> list[Row]:
    """Rows of all rules at LEVELS. The index has one segment, whose keys are its rows."""
    model, segment = index._model, index._segments.ready()[0].segment
    own = calibration.questions(segment, 0)
    on_own = _points(own, [_best(query, segment, model) for query in own], segment, model)
    on_real = _points(given.queries, given.truth[:, :TEN], segment, model)
    return [
        Row(rule, level, reached(on_real[rule], level), _calibrated(on_own[rule], on_real[rule], level))
        for level in LEVELS
        for rule in RULES
    ]


def shortened(given: BenchSet, longest: int) -> BenchSet:
    """The set with the first tokens of its documents only."""
    lengths = np.minimum(np.diff(given.offsets), longest)
    offsets = offsets_of(lengths)
    rows = np.arange(offsets[-1]) + np.repeat(given.offsets[:-1] - offsets[:-1], lengths)
    vectors = given.vectors[rows]
    truth = np.array([best(row, 100) for row in maxsim(vectors, offsets, given.queries)], np.int32)
    return BenchSet(f"{given.name}, first {longest} tokens", vectors, offsets, given.queries, truth)


def _best(query: Floats, segment: Segment, model: Model) -> Ids:
    """The ten best documents by their stored tokens."""
    rows = np.arange(len(segment), dtype=np.int32)
    return np.argsort(-Asked.of(query, segment, model).maxsim(rows), kind="stable")[:TEN]


def _points(queries: Sequence[Floats], truth: Sequence[Ids], segment: Segment, model: Model) -> dict[str, list[Point]]:
    """All settings of all rules on each query in turn."""
    seen: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for query, wanted in zip(queries, truth, strict=True):
        started = time.thread_time()
        asked = Asked.of(query, segment, model)
        first = time.thread_time() - started
        for name, (rule, settings) in RULES.items():
            for setting in settings:
                started = time.thread_time()
                rows, scores = rule(asked, setting)
                np.argsort(-scores[scores >= _tenth(scores)])
                took = first + time.thread_time() - started
                seen.setdefault((name, setting), []).append((float(np.isin(wanted, rows).mean()), len(rows), took))
    points: dict[str, list[Point]] = {name: [] for name in RULES}
    for (name, setting), found in seen.items():
        recall, candidates, _ = np.mean(found, axis=0)
        points[name].append(Point(setting, float(recall), float(candidates), 1000 * float(_middle(found))))
    return points


def _middle(found: Sequence[tuple[float, float, float]]) -> float:
    """The mean of times without the slowest and fastest tenth: a rule that takes long for some queries shows."""
    times = np.sort([took for _, _, took in found])
    cut = len(times) // 10
    return float(times[cut : len(times) - cut].mean())


def reached(points: Sequence[Point], level: float) -> Point | None:
    """Where a rule reaches a recall, between the settings on both sides."""
    for low, high in pairwise(points):
        if low.recall < level <= high.recall:
            share = (level - low.recall) / (high.recall - low.recall)
            between = (a + share * (b - a) for a, b in zip(_numbers(low), _numbers(high), strict=True))
            return Point(*between)
    return None


def _numbers(point: Point) -> tuple[float, float, float, float]:
    return point.setting, point.recall, point.candidates, point.ms


def _calibrated(own: Sequence[Point], real: Sequence[Point], level: float) -> Point | None:
    """What the first setting that reaches a recall on own questions does on real queries."""
    return next((there for here, there in zip(own, real, strict=True) if here.recall >= level), None)

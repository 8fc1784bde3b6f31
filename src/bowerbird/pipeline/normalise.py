"""Scores of every query put on one scale, so that those of unlike stages can be added."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import PipelineError
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking

Floats: TypeAlias = NDArray[np.float64]
Lengths: TypeAlias = NDArray[np.int64]
"""Hits per query, for queries that have some."""

Scale: TypeAlias = Literal["min-max", "z", "softmax", "rank"]

LEAST = 1e-9
"""Smallest spread of scores that is divided by, so that equal scores stay equal."""


@dataclass(frozen=True)
class Normalise(Stage):
    """Scores per query on a common scale; the order of hits does not change.

    "min-max": (score - lowest) / (highest - lowest). "z": (score - mean) / deviation.
    "softmax": shares of exp(score), which sum to 1. "rank": from 1 for the first down to 1 / n for the last of n hits.
    """

    scale: Scale = "min-max"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise PipelineError(f"unknown scale {self.scale!r}: choose one of {', '.join(SCALES)}")

    def run(self, ranking: Ranking) -> Ranking:
        lengths = np.diff(ranking.offsets)
        scores = SCALES[self.scale](ranking.scores.astype(np.float64), lengths[lengths > 0])
        return ranking.rescored(scores.astype(np.float32))

    @property
    def needs(self) -> Names:
        return frozenset({"hits"})

    def __repr__(self) -> str:
        return f"Normalise({self.scale!r})"


def min_max(scores: Floats, lengths: Lengths) -> Floats:
    lowest, highest = _each(np.minimum, scores, lengths), _each(np.maximum, scores, lengths)
    scaled: Floats = (scores - np.repeat(lowest, lengths)) / np.repeat(np.maximum(highest - lowest, LEAST), lengths)
    return scaled


def z(scores: Floats, lengths: Lengths) -> Floats:
    centred = scores - np.repeat(_each(np.add, scores, lengths) / lengths, lengths)
    deviation = np.sqrt(_each(np.add, centred**2, lengths) / lengths)
    scaled: Floats = centred / np.repeat(np.maximum(deviation, LEAST), lengths)
    return scaled


def softmax(scores: Floats, lengths: Lengths) -> Floats:
    powers: Floats = np.exp(scores - np.repeat(_each(np.maximum, scores, lengths), lengths))
    return powers / np.repeat(_each(np.add, powers, lengths), lengths)


def rank(scores: Floats, lengths: Lengths) -> Floats:
    """By place, as hits come best first."""
    place = np.arange(len(scores)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return 1 - place / np.repeat(lengths, lengths)


def _each(reduction: np.ufunc, scores: Floats, lengths: Lengths) -> Floats:
    """One value per query."""
    starts = np.cumsum(lengths) - lengths
    return np.asarray(reduction.reduceat(scores, starts)) if len(lengths) else np.zeros(0)


SCALES: dict[Scale, Callable[[Floats, Lengths], Floats]] = {
    "min-max": min_max,
    "z": z,
    "softmax": softmax,
    "rank": rank,
}

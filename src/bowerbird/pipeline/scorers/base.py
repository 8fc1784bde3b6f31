"""What every pair scorer is, and how raw scores become probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bowerbird.errors import PipelineError
from bowerbird.items import Item, Query
from bowerbird.ranking import Scores

Pair: TypeAlias = tuple[Query, Item]

STEPS = 100
"""Of Newton's method at most; some ten are enough for two parameters."""


@runtime_checkable
class PairScorer(Protocol):
    """Judges how relevant an item is to a query, for a batch of pairs.

    A scorer may have `needs`, names of `pipeline.check` that must be on offer, such as "image" or "logits".
    """

    @property
    def name(self) -> str:
        """The evidence column that its scores go to."""
        ...

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """n pairs → n probabilities of relevance, float32 in [0, 1]."""
        ...


@dataclass(frozen=True)
class Logistic:
    """A raw score as a probability: 1 / (1 + exp(-(slope · score + bias)))."""

    slope: float = 1.0
    bias: float = 0.0

    def __call__(self, scores: ArrayLike) -> Scores:
        logits = self.slope * np.asarray(scores, np.float64) + self.bias
        return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)


PLAIN = Logistic()
"""What stands where nothing was fitted."""


def fit_logistic(scores: ArrayLike, relevant: ArrayLike) -> Logistic:
    """The logistic curve of greatest likelihood (Platt 1999; targets and ending by Lin, Lin and Weng 2007).

    scores, relevant: n raw scores, n labels. Targets are drawn in from 0 and 1 by the counts of both classes, so that
    a few labels that the scores separate perfectly do not give certainty.
    Raises PipelineError if a class is missing or a score is not finite.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(relevant, bool)
    if x.shape != y.shape or x.ndim != 1 or not np.isfinite(x).all():
        raise PipelineError(f"calibration takes n finite scores and n labels, got shapes {x.shape} and {y.shape}")
    positive = int(y.sum())
    if not 0 < positive < len(y):
        raise PipelineError(f"calibration needs relevant and other pairs, got {positive} of {len(y)} relevant")
    target = np.where(y, (positive + 1) / (positive + 2), 1 / (len(y) - positive + 2))
    centre, spread = x.mean(), max(float(x.std()), 1e-12)
    design = np.stack([(x - centre) / spread, np.ones_like(x)], axis=1)
    beta = np.array([0.0, np.log((positive + 1) / (len(y) - positive + 1))])
    for _ in range(STEPS):
        step = _newton_step(design, target, beta)
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    slope = float(beta[0]) / spread
    return Logistic(slope, float(beta[1]) - slope * float(centre))


def _newton_step(design: NDArray[np.float64], target: NDArray[np.float64], beta: NDArray[np.float64]) -> ArrayLike:
    """Halved until the likelihood does not fall."""
    logits = design @ beta
    probability = 0.5 * (1 + np.tanh(0.5 * logits))
    gradient = design.T @ (target - probability)
    hessian = (design * (probability * (1 - probability))[:, None]).T @ design + 1e-12 * np.eye(2)
    step = np.linalg.solve(hessian, gradient)
    before = _loss(logits, target)
    while _loss(design @ (beta + step), target) > before + 1e-12 and np.abs(step).max() > 1e-12:
        step = step / 2
    return step


def _loss(logits: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0, logits) - target * logits))

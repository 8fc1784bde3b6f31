"""Cross-encoders of sentence-transformers: both texts read together by one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bowerbird.errors import MissingExtra, PipelineError
from bowerbird.pipeline.scorers.base import PLAIN, Logistic, Pair, fit_logistic
from bowerbird.ranking import Scores

BATCH = 32
"""Pairs per run of the model."""


@dataclass(frozen=True)
class CrossEncoderScorer:
    """A model by its name on the hub or its folder, such as 'cross-encoder/ms-marco-MiniLM-L6-v2'; words only.

    Most models are trained so that the plain logistic curve of their one output is a probability; `calibrated` fits
    it to judged pairs of one's own.
    """

    model: str
    calibration: Logistic = PLAIN

    @property
    def name(self) -> str:
        return "cross-encoder"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        return self.calibration(self.raw(pairs))

    def calibrated(self, pairs: Sequence[Pair], relevant: ArrayLike) -> CrossEncoderScorer:
        """The same scorer, fitted to n judged pairs."""
        return replace(self, calibration=fit_logistic(self.raw(pairs), relevant))

    def raw(self, pairs: Sequence[Pair]) -> Scores:
        """n outputs of the model, before any activation."""
        from torch.nn import Identity

        if not pairs:
            return np.zeros(0, np.float32)
        texts = [(query.text, item.text) for query, item in pairs]
        outputs = _load(self.model).predict(
            texts, batch_size=BATCH, activation_fn=Identity(), show_progress_bar=False, convert_to_numpy=True
        )
        return np.asarray(outputs, np.float32).reshape(len(pairs))


@cache
def _load(model: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "a cross-encoder") from error
    try:
        loaded = CrossEncoder(model)
    except (OSError, ValueError) as error:
        raise PipelineError(f"no cross-encoder can be loaded from {model!r}: {error}") from error
    if loaded.num_labels != 1:
        raise PipelineError(f"{model!r} gives {loaded.num_labels} scores per pair: choose a model with one")
    return loaded

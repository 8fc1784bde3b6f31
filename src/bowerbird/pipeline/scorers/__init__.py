"""(query, item) pairs → relevance. One file per family of models."""

from __future__ import annotations

from bowerbird.pipeline.scorers.base import Logistic, Pair, PairScorer, fit_logistic
from bowerbird.pipeline.scorers.cross_encoder import CrossEncoderScorer
from bowerbird.pipeline.scorers.encoder import EncoderScorer
from bowerbird.pipeline.scorers.judge import GradeJudge, YesNoJudge

__all__ = [
    "CrossEncoderScorer",
    "EncoderScorer",
    "GradeJudge",
    "Logistic",
    "Pair",
    "PairScorer",
    "YesNoJudge",
    "fit_logistic",
]

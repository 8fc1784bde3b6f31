"""Any encoder as a pair scorer: cosine or MaxSim of query and item, calibrated by a logistic curve."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bowerbird.embeddings import Dense, MultiVector
from bowerbird.encoders.base import Encoder
from bowerbird.errors import PipelineError
from bowerbird.index.maxsim import maxsim
from bowerbird.pipeline.scorers.base import PLAIN, Logistic, Pair, fit_logistic
from bowerbird.ranking import Scores

Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True)
class EncoderScorer:
    """Similarity of dense vectors ("cosine") or the mean over query tokens of the best item token ("maxsim").

    Without calibration a similarity goes through the plain logistic curve: in order, but no probability.
    """

    encoder: Encoder
    similarity: Literal["cosine", "maxsim"] = "cosine"
    calibration: Logistic = PLAIN

    @property
    def name(self) -> str:
        return self.similarity

    def score(self, pairs: Sequence[Pair]) -> Scores:
        return self.calibration(self.raw(pairs))

    def calibrated(self, pairs: Sequence[Pair], relevant: ArrayLike) -> EncoderScorer:
        """The same scorer, fitted to n judged pairs. Raises PipelineError if all or none are relevant."""
        return replace(self, calibration=fit_logistic(self.raw(pairs), relevant))

    def raw(self, pairs: Sequence[Pair]) -> Scores:
        """n similarities. A query or an item that comes in several pairs is encoded once."""
        if not pairs:
            return np.zeros(0, np.float32)
        queries, query = _distinct([query.parts for query, _ in pairs])
        items, item = _distinct([item.parts for _, item in pairs])
        asked, found = self.encoder.encode_queries(queries), self.encoder.encode_items(items)
        if self.similarity == "cosine" and asked.dense is not None and found.dense is not None:
            return _cosines(asked.dense, found.dense, query, item)
        if self.similarity == "maxsim" and asked.tokens is not None and found.tokens is not None:
            return _maxsims(asked.tokens, found.tokens, query, item)
        kind = "dense" if self.similarity == "cosine" else "token"
        raise PipelineError(f"{self.encoder.id.spec!r} gives no {kind} vectors: choose the other similarity")

    def __repr__(self) -> str:
        return f"EncoderScorer({self.encoder.id.spec!r}, {self.similarity!r})"


def _distinct(contents: Sequence[Thing]) -> tuple[list[Thing], NDArray[np.int64]]:
    """Every content once, and for each given one its number there."""
    number = {content: n for n, content in enumerate(dict.fromkeys(contents))}
    return list(number), np.array([number[content] for content in contents], np.int64)


def _cosines(asked: Dense, found: Dense, query: NDArray[np.int64], item: NDArray[np.int64]) -> Scores:
    left, right = asked.normalized().vectors, found.normalized().vectors
    cosines: Scores = np.einsum("nd,nd->n", left[query], right[item]).astype(np.float32)
    return cosines


def _maxsims(asked: MultiVector, found: MultiVector, query: NDArray[np.int64], item: NDArray[np.int64]) -> Scores:
    """Pairs without tokens on a side count 0."""
    order = np.argsort(query, kind="stable")
    documents = MultiVector.of([np.asarray(found[int(number)], np.float32) for number in item[order]])
    scores = np.zeros(len(query), np.float32)
    scores[order] = np.nan_to_num(maxsim(asked, documents, query[order]))
    return scores

"""A relevancy score: a learned reading of words and picture together that says how likely they belong.

The paper fine-tunes a vision-language model; here a logistic curve weighs three similarities of the default encoders'
frozen vectors, two of which are learned from photos with captions (ridge regression, in closed form):

    cosine  of words and picture as they are
    mapped  cosine of the words and the picture's likeliest caption
    tags    what is likely said of the picture, weighed by how much it means the same as the words

As a PairScorer it fits wherever one is asked for, such as `Rerank`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.encoders import lite
from bowerbird.encoders.lite import unit
from bowerbird.evaluate.vectors import item_vectors, text_vectors
from bowerbird.items import Image
from bowerbird.pipeline.scorers.base import Pair
from bowerbird.ranking import Scores

RIDGE = 3.0
ALIKE = 0.3
"""Cosine of two statements from which one counts for the other."""
TURNS = 30
"""Of Newton's method."""

Thing = TypeVar("Thing", bound=Hashable)


@dataclass(frozen=True)
class Pairs:
    """n pairs as rows of the vectors of words (q × dim) and of pictures (p × wide, the first dim as words have)."""

    words: Floats
    pictures: Floats
    query: NDArray[np.int64]
    item: NDArray[np.int64]


@dataclass(frozen=True)
class RelevancyScore:
    """What was learned: the mean picture, ridge maps to captions (wide × dim) and to tags (wide × t), and the tags.

    weights: of the three similarities and of 1.
    """

    mean: Floats
    to_caption: Floats
    to_tags: Floats
    tags: Floats
    weights: Floats

    name = "relevancy"
    needs = frozenset({"text"})

    def __repr__(self) -> str:
        return "RelevancyScore"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """n pairs of words and a picture → n probabilities. Raises ValueError for an item without a picture."""
        if not pairs:
            return np.zeros(0, np.float32)
        asked, query = _distinct([query.text for query, _ in pairs])
        shown, item = _distinct([_picture(item.id, item.parts) for _, item in pairs])
        return self.judge(Pairs(words(asked), pictures(shown), query, item))

    def judge(self, pairs: Pairs) -> Scores:
        """n probabilities."""
        return _curve(self.features(pairs) @ self.weights)

    def features(self, pairs: Pairs) -> Floats:
        """n × 4: the three similarities, and 1."""
        shown, dim = pairs.pictures - self.mean, pairs.words.shape[1]
        alike = np.maximum(pairs.words @ self.tags.T - ALIKE, 0) ** 2
        alike /= np.maximum(alike.sum(axis=1, keepdims=True), 1e-9)
        similarities = (
            pairs.words @ pairs.pictures[:, :dim].T,
            pairs.words @ unit(shown @ self.to_caption).T,
            alike @ (shown @ self.to_tags).T,
        )
        found = [matrix[pairs.query, pairs.item] for matrix in similarities]
        return np.stack([*found, np.ones(len(pairs.query), np.float32)], axis=1)

    @staticmethod
    def learn(statements: Floats, shown: Floats, said: NDArray[np.int64]) -> RelevancyScore:
        """statements: t × dim. shown: p × wide pictures. said: t × p, how many captions of a picture say what.

        The weights are still those of the cosine alone; `calibrated` fits them.
        """
        mean = shown.mean(axis=0)
        captions = unit(said.T.astype(np.float32) @ statements)
        spoken = np.minimum(said.T, 2).astype(np.float32) / 2
        spoken = (spoken - spoken.mean(axis=0)) / (spoken.std(axis=0) + 1e-3)
        targets = np.concatenate([captions - captions.mean(axis=0), spoken], axis=1)
        gram = (shown - mean).T @ (shown - mean) + np.float32(RIDGE) * np.eye(shown.shape[1], dtype=np.float32)
        maps = np.linalg.solve(gram, (shown - mean).T @ targets).astype(np.float32)
        dim = statements.shape[1]
        return RelevancyScore(mean, maps[:, :dim], maps[:, dim:], statements, np.array([1, 0, 0, 0], np.float32))

    def calibrated(self, pairs: Pairs, relevant: NDArray[np.bool_], ridge: float = 1.0) -> RelevancyScore:
        """Weights of greatest likelihood for n judged pairs that nothing was learned from; ridge on their size."""
        features = np.asarray(self.features(pairs), np.float64)
        scale = np.append(features[:, :-1].std(axis=0) + 1e-9, 1.0)
        design, weights = features / scale, np.zeros(features.shape[1])
        penalty = ridge * np.diag([1.0] * (len(weights) - 1) + [0.0])
        for _ in range(TURNS):
            probability = np.asarray(_curve(design @ weights), np.float64)
            gradient = design.T @ (relevant - probability) - penalty @ weights
            curvature = (design * (probability * (1 - probability))[:, None]).T @ design + penalty
            weights = weights + np.linalg.solve(curvature + 1e-9 * np.eye(len(weights)), gradient)
        return replace(self, weights=(weights / scale).astype(np.float32))


def words(texts: Sequence[str]) -> Floats:
    """n × 384 vectors of what is asked for, centred, of unit length."""
    encoder = lite.load()
    return text_vectors(f"{encoder.id} centred", texts, encoder.text_vectors).vectors


def pictures(images: Sequence[Image]) -> Floats:
    """n × 640: what of a picture's vector lies in the space of words, and how it looks; each of unit length."""
    encoder = lite.load()
    found = item_vectors(encoder, [(image,) for image in images]).vectors
    return np.concatenate([unit(found[:, : encoder.text_dim]), unit(found[:, encoder.text_dim :])], axis=1)


def _curve(logits: Floats) -> Scores:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)


def _picture(name: str, parts: Sequence[object]) -> Image:
    found = next((part for part in parts if isinstance(part, Image)), None)
    if found is None:
        raise ValueError(f"item {name!r} has no picture; a relevancy score judges words against pictures")
    return found


def _distinct(contents: Sequence[Thing]) -> tuple[list[Thing], NDArray[np.int64]]:
    """Every content once, and for each given one its number there."""
    number = {content: n for n, content in enumerate(dict.fromkeys(contents))}
    return list(number), np.array([number[content] for content in contents], np.int64)

"""Composed queries: a picture, and words that say how the answer differs from it.

The query is the weighted sum of both in the joint space of an encoder (WeiMoCIR, arXiv 2409.04918, equation 1):
normalise((1 - words) · picture + words · text).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird import embeddings
from bowerbird.embeddings import Floats
from bowerbird.errors import PipelineError
from bowerbird.items import Image, Query
from bowerbird.pipeline.retrieve import RETRIEVED, K, nearest
from bowerbird.pipeline.stage import Names, Over, shown
from bowerbird.ranking import Ranking


@dataclass(frozen=True)
class Compose(Over):
    """Items nearest to picture and words of each query, weighed in the space of a field's encoder.

    words: the share of the words, from 0 (picture only) to 1; WeiMoCIR chose 0.8 for CLIP, 0.95 for BLIP. Both vectors
    have unit length before they are added, so the share does not depend on the norms that a model gives.
    """

    field: str = "image"
    words: float = 0.5
    k: int = K

    def __post_init__(self) -> None:
        if not 0 <= self.words <= 1:
            raise PipelineError(f"Compose takes a share of words from 0 to 1, got {self.words}")

    def run(self, ranking: Ranking) -> Ranking:
        snapshot = self.snapshot
        return nearest(snapshot, self.field, ranking.queries, self.vectors(ranking.queries), self.k)

    def vectors(self, queries: tuple[Query, ...]) -> embeddings.Dense:
        """n × dim unit vectors."""
        encoder = self.snapshot.encoder(self.field)
        if not {"image", "text"} <= encoder.inputs:
            raise PipelineError(
                f"{self!r} needs an encoder of pictures and words, but {encoder.id.spec!r} takes "
                f"{', '.join(sorted(encoder.inputs))}: choose a field with a joint encoder, such as clip"
            )
        pictures = [tuple(part for part in query.parts if isinstance(part, Image)) for query in queries]
        texts = [tuple(part for part in query.parts if not isinstance(part, Image)) for query in queries]
        both = encoder.encode_queries([*pictures, *texts]).dense
        if both is None:
            raise PipelineError(f"{self!r} needs dense vectors, but {encoder.id.spec!r} gives token vectors only")
        unit = both.normalized().vectors
        return embeddings.Dense(weighted(unit[: len(queries)], unit[len(queries) :], self.words))

    @property
    def needs(self) -> Names:
        return frozenset({"image", "text", f"field {self.field!r}"})

    @property
    def gives(self) -> Names:
        return RETRIEVED

    def __repr__(self) -> str:
        return shown("Compose", [repr(self.field), f"words={self.words:g}"], k=(self.k, K))


def weighted(pictures: Floats, words: Floats, share: float) -> NDArray[np.float32]:
    """n × dim unit vectors of pictures and of words → n × dim unit vectors; share: of the words, 0 to 1."""
    return embeddings.Dense(np.asarray((1 - share) * pictures + share * words, np.float32)).normalized().vectors

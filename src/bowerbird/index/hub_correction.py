"""Items that are near to everything are pushed down by one more coordinate, so that any inner-product index does it.

The inverted softmax and its kin (Smith et al. 2017; DBNorm, arXiv 2310.11612) rank items g for a query q by
β <q, g> - penalty(g), where the penalty, a log-sum-exp over a bank of queries, does not depend on q. This is the inner
product of [β q, w] with [g, (m - penalty(g)) / w], but for a constant m. The weight w is chosen so that the
coordinate is about as large in queries as in documents: int8 vectors have one scale for all their coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bowerbird.embeddings import Dense
from bowerbird.index.base import Scores


@dataclass(frozen=True)
class HubCorrection:
    """What has to be kept with an index. beta: of the similarity. middle: of the penalties. weight: see above."""

    beta: float
    middle: float
    weight: float

    @staticmethod
    def fit(penalties: Scores, beta: float) -> HubCorrection:
        """penalties: of n documents, in units of beta × similarity. Raises ValueError unless beta > 0."""
        if not beta > 0 or not np.isfinite(penalties).all():
            raise ValueError(f"beta is above 0 and penalties are numbers, got beta {beta}")
        spread = float(np.std(penalties)) if len(penalties) else 0.0
        middle = float(np.mean(penalties)) if len(penalties) else 0.0
        return HubCorrection(float(beta), middle, max(float(np.sqrt(spread * beta)), 1e-3))

    def documents(self, vectors: Dense, penalties: Scores) -> Dense:
        """n × dim vectors and their n penalties → n × (dim + 1) float32."""
        if len(penalties) != len(vectors):
            raise ValueError(f"{len(penalties)} penalties for {len(vectors)} vectors; give one per vector")
        last = (self.middle - penalties) / self.weight
        return Dense(np.column_stack([vectors.vectors, last]).astype(np.float32))

    def queries(self, vectors: Dense) -> Dense:
        """n × dim → n × (dim + 1) float32; inner products with documents are β <q, g> - penalty(g) + middle."""
        wide = self.beta * vectors.vectors.astype(np.float32)
        return Dense(np.column_stack([wide, np.full(len(wide), self.weight, np.float32)]))

"""The best k of many scores, with ties broken the same way every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; among equals the lower position comes first, NaN is last."""
    if k <= 0:
        return np.empty(0, np.int64)
    if np.isnan(scores.max(initial=-np.inf)):
        scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > threshold)
        level = np.flatnonzero(scores == threshold)[: k - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")]

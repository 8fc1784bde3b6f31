"""The best k of many scores, with ties broken the same way every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowerbird.index import kernels


def top_k(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; among equals the lower position comes first, NaN is like -inf."""
    found: NDArray[np.int64] = kernels.use().best(np.ascontiguousarray(scores, np.float32), k)
    return found

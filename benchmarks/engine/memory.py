"""How fast this machine reads memory: what bounds a search that has to touch so many bytes."""

from __future__ import annotations

import time

import numpy as np

SIZE = 1 << 29
TURNS = 7


def bandwidth() -> float:
    """Bytes per second that one thread reads, the best of some passes over half a gigabyte."""
    values = np.ones(SIZE // 4, np.float32)
    best = float("inf")
    for _ in range(TURNS):
        started = time.perf_counter()
        np.dot(values, values)
        best = min(best, time.perf_counter() - started)
    return SIZE / best

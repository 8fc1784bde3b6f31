"""Exact MaxSim in float32 by maxsim-cpu: over everything, and of chosen items for the two-stage methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import maxsim_cpu
import numpy as np

from benchmarks.engine.arrays import Floats, Ids, Offsets, best


class Tokens:
    """All items' vectors in memory as float32, which is what maxsim-cpu takes."""

    def __init__(self, vectors: Floats, offsets: Offsets) -> None:
        flat = np.asarray(vectors, np.float32)
        self._items = [flat[start:end] for start, end in pairwise(offsets)]

    def best(self, query: Floats, k: int, among: Ids | None = None) -> Ids:
        items = self._items if among is None else [self._items[row] for row in among]
        found = best(np.asarray(maxsim_cpu.maxsim_scores_variable(query, items)), k)
        return found if among is None else among[found]


_kept: dict[int, Tokens] = {}


def tokens(vectors: Floats, offsets: Offsets) -> Tokens:
    """One copy of a set for all adapters of a process."""
    if id(vectors) not in _kept:
        _kept[id(vectors)] = Tokens(vectors, offsets)
    return _kept[id(vectors)]


@dataclass(frozen=True)
class Everything:
    """No parameters."""


class MaxSimCpu:
    name = "maxsim-cpu"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        """Nothing to build."""

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._tokens = tokens(vectors, offsets)

    def settings(self) -> Sequence[Everything]:
        return (Everything(),)

    def search(self, query: Floats, k: int, setting: Everything) -> Ids:
        return self._tokens.best(query, k)

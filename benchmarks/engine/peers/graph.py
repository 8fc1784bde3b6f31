"""Graph indexes on dense vectors, all with 16 links and the same effort of construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.engine.arrays import Floats, Ids

LINKS = 16
EFFORT = 100


@dataclass(frozen=True)
class Ef:
    ef: int


class Graph:
    """What the graphs share."""

    def settings(self) -> Sequence[Ef]:
        return [Ef(100), Ef(128), Ef(256), Ef(512)]

    def search(self, query: Floats, k: int, setting: Ef) -> Ids:
        return self.search_batch([query], k, setting)[0]

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Ef) -> list[Ids]:
        raise NotImplementedError

"""turbovec: a scan over vectors of four bits per dimension, alone and with the best ones scored by float16 vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import turbovec

from benchmarks.engine.arrays import Floats, Ids, Offsets, best

BITS = 4
SAMPLED = 1024
"""Vectors its quantiser is calibrated on, as its documentation advises."""


@dataclass(frozen=True)
class Refined:
    refine: int
    """Candidates scored with the vectors as given; 0 for none."""


class Turbovec:
    name = "turbovec"
    counts: tuple[int, ...] = (0,)

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        index = turbovec.TurboQuantIndex(dim=vectors.shape[1], bit_width=BITS)
        sample = np.random.default_rng(1).permutation(len(vectors))[:SAMPLED]
        index.calibrate(np.asarray(vectors[np.sort(sample)], np.float32))
        index.add(np.asarray(vectors, np.float32))
        index.write(str(folder / "turbovec"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = turbovec.TurboQuantIndex.load(str(folder / "turbovec"))
        self._vectors = vectors

    def settings(self) -> Sequence[Refined]:
        return [Refined(count) for count in self.counts]

    def search(self, query: Floats, k: int, setting: Refined) -> Ids:
        return self.search_batch([query], k, setting)[0]

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Refined) -> list[Ids]:
        found = self._index.search(np.concatenate(queries), max(k, setting.refine))[1].astype(np.int64)
        if not setting.refine:
            return list(found)
        return [self._refine(query[0], among, k) for query, among in zip(queries, found, strict=True)]

    def _refine(self, query: Floats, among: Ids, k: int) -> Ids:
        return among[best(self._vectors[among].astype(np.float32) @ query, k)]


class TurbovecRefined(Turbovec):
    name = "turbovec + refine"
    counts = (150, 300, 1000)

"""usearch: HNSW on vectors of 16 or 8 bits per dimension."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from usearch.index import Index

from benchmarks.engine.arrays import Floats, Ids, Offsets
from benchmarks.engine.peers.graph import EFFORT, LINKS, Ef, Graph
from benchmarks.engine.threads import allowed


class UsearchF16(Graph):
    name = "usearch f16"
    kind = "f16"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        index = Index(ndim=vectors.shape[1], metric="cos", dtype=self.kind, connectivity=LINKS, expansion_add=EFFORT)
        index.add(np.arange(len(vectors)), np.asarray(vectors, np.float32), threads=allowed())
        index.save(str(folder / "usearch"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = Index.restore(str(folder / "usearch"))

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Ef) -> list[Ids]:
        self._index.expansion_search = setting.ef
        found = self._index.search(np.concatenate(queries), k, threads=allowed())
        return list(found.keys.reshape(len(queries), -1).astype(np.int64))


class UsearchI8(UsearchF16):
    name = "usearch i8"
    kind = "i8"

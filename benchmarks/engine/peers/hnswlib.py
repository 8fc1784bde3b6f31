"""hnswlib: HNSW on float32 vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import hnswlib
import numpy as np

from benchmarks.engine.arrays import Floats, Ids, Offsets
from benchmarks.engine.peers.graph import EFFORT, LINKS, Ef, Graph
from benchmarks.engine.threads import allowed


class HnswLib(Graph):
    name = "hnswlib"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        index = hnswlib.Index("ip", vectors.shape[1])
        index.init_index(len(vectors), ef_construction=EFFORT, M=LINKS)
        index.add_items(np.asarray(vectors, np.float32), num_threads=allowed())
        index.save_index(str(folder / "hnswlib"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = hnswlib.Index("ip", vectors.shape[1])
        self._index.load_index(str(folder / "hnswlib"))
        self._index.set_num_threads(allowed())

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Ef) -> list[Ids]:
        self._index.set_ef(setting.ef)
        return list(self._index.knn_query(np.concatenate(queries), k)[0].astype(np.int64))

"""voyager: HNSW on 8-bit floats, by Spotify."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import voyager

from benchmarks.engine.arrays import Floats, Ids, Offsets
from benchmarks.engine.peers.graph import EFFORT, LINKS, Ef, Graph
from benchmarks.engine.threads import allowed


class Voyager(Graph):
    name = "voyager"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        index = voyager.Index(
            voyager.Space.InnerProduct,
            vectors.shape[1],
            M=LINKS,
            ef_construction=EFFORT,
            storage_data_type=voyager.StorageDataType.E4M3,
        )
        index.add_items(np.asarray(vectors, np.float32), num_threads=allowed())
        index.save(str(folder / "voyager"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = voyager.Index.load(str(folder / "voyager"))

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Ef) -> list[Ids]:
        found = self._index.query(np.concatenate(queries), k, num_threads=allowed(), query_ef=setting.ef)[0]
        return list(found.astype(np.int64))

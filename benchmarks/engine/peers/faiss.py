"""faiss on dense vectors: scans and graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.engine.arrays import Floats, Ids, Offsets

TRAINED = 60_000
BLOCK = 50_000


class Faiss:
    """An index made by `factory`, inner product."""

    factory: str

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        index = faiss.index_factory(vectors.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        self.prepare(index)
        index.train(np.asarray(vectors[:: max(1, len(vectors) // TRAINED)], np.float32))
        for start in range(0, len(vectors), BLOCK):
            index.add(np.asarray(vectors[start : start + BLOCK], np.float32))
        faiss.write_index(index, str(folder / "faiss"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = faiss.read_index(str(folder / "faiss"))

    def search(self, query: Floats, k: int, setting: Any) -> Ids:
        self.apply(setting)
        found: Ids = self._index.search(query, k)[1][0]
        return found

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Any) -> list[Ids]:
        self.apply(setting)
        return list(self._index.search(np.concatenate(queries), k)[1])

    def prepare(self, index: Any) -> None:
        """Parameters of the build."""

    def apply(self, setting: Any) -> None:
        """Parameters of a search."""


@dataclass(frozen=True)
class Scan:
    """No parameters."""


class FlatSq8(Faiss):
    name = "faiss flat SQ8"
    factory = "SQ8"

    def settings(self) -> Sequence[Scan]:
        return (Scan(),)


@dataclass(frozen=True)
class Probed:
    probes: int
    refine: int
    """Times k candidates are scored with their float32 vectors."""


class IvfFastScan(Faiss):
    name = "faiss IVF-PQ fast scan + refine"
    factory = "IVF1024,PQ96x4fs,RFlat"

    def settings(self) -> Sequence[Probed]:
        return [Probed(16, 2), Probed(64, 4), Probed(256, 4), Probed(256, 20)]

    def apply(self, setting: Probed) -> None:
        faiss.extract_index_ivf(self._index.base_index).nprobe = setting.probes
        self._index.k_factor = setting.refine


@dataclass(frozen=True)
class Ef:
    ef: int


class Hnsw(Faiss):
    name = "faiss HNSW"
    factory = "HNSW16"

    def prepare(self, index: Any) -> None:
        index.hnsw.efConstruction = 100

    def settings(self) -> Sequence[Ef]:
        return [Ef(100), Ef(128), Ef(256), Ef(512)]

    def apply(self, setting: Ef) -> None:
        self._index.hnsw.efSearch = setting.ef


class HnswSq8(Hnsw):
    name = "faiss HNSW-SQ8"
    factory = "HNSW16_SQ8"

"""Late interaction on top of a dense index: one vector per item finds candidates, exact MaxSim orders them.

The vector is the mean of an item's vectors, or MUVERA's fixed dimensional encoding (arXiv 2405.19504) as Google's own
code computes it (muvfde).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import faiss
import muvfde
import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.arrays import Floats, Ids, Offsets, unit
from benchmarks.engine.peers.exact import tokens

Encode = Callable[[Floats], NDArray[np.float32]]
TRAINED = 8000
BLOCK = 4096


@dataclass(frozen=True)
class Rescored:
    candidates: int


class TwoStage:
    """Candidates by inner product in a faiss index made by `factory`."""

    factory: str
    counts: tuple[int, ...]

    def item(self, vectors: Floats) -> NDArray[np.float32]:
        raise NotImplementedError

    def query(self, vectors: Floats) -> NDArray[np.float32]:
        raise NotImplementedError

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        encoded = np.stack([self.item(vectors[start:end]) for start, end in pairwise(offsets)])
        index = faiss.index_factory(encoded.shape[1], self.factory, faiss.METRIC_INNER_PRODUCT)
        index.train(encoded[:TRAINED])
        for start in range(0, len(encoded), BLOCK):
            index.add(encoded[start : start + BLOCK])
        faiss.write_index(index, str(folder / "faiss"))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = faiss.read_index(str(folder / "faiss"))
        self._tokens = tokens(vectors, offsets)

    def settings(self) -> Sequence[Rescored]:
        return [Rescored(count) for count in self.counts]

    def search(self, query: Floats, k: int, setting: Rescored) -> Ids:
        _, found = self._index.search(self.query(query)[None], setting.candidates)
        return self._tokens.best(query, k, found[0][found[0] >= 0])


class MeanPooling(TwoStage):
    name = "mean pooling + MaxSim"
    factory = "SQ8"
    counts = (200, 800, 3200)

    def item(self, vectors: Floats) -> NDArray[np.float32]:
        mean: NDArray[np.float32] = unit(vectors.astype(np.float32).mean(axis=0, keepdims=True))[0]
        return mean

    query = item


class Muvera(TwoStage):
    repetitions = 20
    partitions: int
    """As a power of two."""
    projected: int
    counts = (200, 800)

    def _encode(self, vectors: Floats, kind: muvfde.encoding_type) -> NDArray[np.float32]:
        config = muvfde.fixed_dimensional_encoding_config()
        config.set_num_repetitions(self.repetitions)
        config.set_num_simhash_projections(self.partitions)
        config.set_projection_dimension(self.projected)
        config.set_projection_type(muvfde.projection_type.AMS_SKETCH)
        config.set_encoding_type(kind)
        config.enable_fill_empty(kind == muvfde.encoding_type.AVERAGE)
        config.set_seed(1)
        encoded: NDArray[np.float32] = muvfde.generate_fixed_dimensional_encoding(
            np.ascontiguousarray(vectors, np.float32), config
        )
        return encoded

    def item(self, vectors: Floats) -> NDArray[np.float32]:
        return self._encode(vectors, muvfde.encoding_type.AVERAGE)

    def query(self, vectors: Floats) -> NDArray[np.float32]:
        return self._encode(vectors, muvfde.encoding_type.DEFAULT_SUM)


class Muvera2560(Muvera):
    name = "MUVERA FDE 2560 + MaxSim"
    partitions, projected = 4, 8
    factory = "PQ640x4fs"


class Muvera10240(Muvera):
    name = "MUVERA FDE 10240 + MaxSim"
    partitions, projected = 5, 16
    factory = "PQ2560x4fs"

"""bowerbird's own indexes in the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.engine.arrays import Floats, Ids, Offsets
from bowerbird import embeddings
from bowerbird.embeddings import MultiVector
from bowerbird.index.coding import Coding
from bowerbird.index.dense import DenseIndex
from bowerbird.index.multivector import MultiVectorIndex
from bowerbird.index.multivector.codec import Bits
from bowerbird.index.pooling import pooled

TOKENS = ("blocks", "scales", "residuals", "codes")
"""Arrays that a candidate is scored with."""
DEPTH = 100
"""Hits that are asked for."""
SAMPLED = 50
"""Vectors that are asked for to see how many are scored again."""
QUERY_TOKENS = 21
"""Of the average query."""


@dataclass(frozen=True)
class Recall:
    """The only knob: the share of true hits to aim at, calibrated when the index is built."""

    recall: float


class Tokens:
    """Late interaction over int8 tokens."""

    name = "bowerbird"
    bits: Bits = 8
    exact = False

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        tokens = MultiVector(vectors, np.asarray(offsets, np.int64))
        MultiVectorIndex.build(np.arange(len(tokens)), tokens, folder=folder, bits=self.bits, exact=self.exact)

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = MultiVectorIndex.open(folder)

    def settings(self) -> Sequence[Recall]:
        return tuple(Recall(share) for share in (0.8, 0.9, 0.95, 0.99, 0.999))

    def search(self, query: Floats, k: int, setting: Recall) -> Ids:
        return self._found([query], k, setting, 1)[0]

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Recall) -> Sequence[Ids]:
        return self._found(queries, k, setting, 2)

    def _found(self, queries: Sequence[Floats], k: int, setting: Recall, threads: int) -> Sequence[Ids]:
        found = self._index.search(MultiVector.of(list(queries)), k, recall=setting.recall, threads=threads)
        return [keys[keys >= 0] for keys in found.keys]

    def touched(self, setting: Recall) -> float:
        """Centroids once, the codes of every document or the lists of every token, the tokens of the candidates."""
        effort, held = self._index.effort(setting.recall), self._index._segments.held
        arrays = [one.segment.arrays for one in held]
        documents, codes = len(self._index), sum(len(one.segment.codes) for one in held)
        tokens = sum(array.nbytes for one in arrays for name, array in one.items() if name in TOKENS)
        centroids = self._index._model.centroids
        read = 2.0 * codes
        if effort.probes:
            lists = sum(one["lists"].nbytes for one in arrays) / len(centroids)
            read = QUERY_TOKENS * effort.probes * lists + 2 * codes * min(1, effort.reached / documents)
        return float(centroids.points.size + read + tokens * min(1, effort.candidates / documents))


class TokensExact(Tokens):
    """int8, and float16 tokens that the best few documents are scored with."""

    name = "bowerbird + float16"
    exact = True


class TokensPooled(Tokens):
    """int8, and of every document half as many vectors: means of those that say nearly the same."""

    name = "bowerbird, pooled by 2"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        fewer = pooled(MultiVector(vectors, np.asarray(offsets, np.int64)), 2)
        super().build(fewer.vectors, fewer.offsets, folder)


class Tokens4(Tokens):
    """Half a byte per dimension."""

    name = "bowerbird 4 bit"
    bits = 4


class Tokens2(Tokens):
    """A quarter of a byte per dimension."""

    name = "bowerbird 2 bit"
    bits = 2


class Tokens2Exact(Tokens2):
    """A quarter of a byte per dimension in memory, and float16 tokens on disk that the best few documents are scored
    with."""

    name = "bowerbird 2 bit + float16"
    exact = True


class Dense:
    """Single vectors: int8 lists, the best re-scored with float16."""

    name = "bowerbird dense"
    coding: Coding = "int8"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        DenseIndex.build(np.arange(len(vectors)), embeddings.Dense(vectors), folder=folder, coding=self.coding)

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = DenseIndex.open(folder)

    def settings(self) -> Sequence[Recall]:
        return tuple(Recall(share) for share in (0.8, 0.85, 0.9, 0.95, 0.98, 0.99))

    def search(self, query: Floats, k: int, setting: Recall) -> Ids:
        return self._found([query], k, setting, 1)[0]

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Recall) -> Sequence[Ids]:
        return self._found(queries, k, setting, 2)

    def _found(self, queries: Sequence[Floats], k: int, setting: Recall, threads: int) -> Sequence[Ids]:
        vectors = embeddings.Dense(np.concatenate(queries))
        found = self._index.search(vectors, k, recall=setting.recall, threads=threads)
        return [keys[keys >= 0] for keys in found.keys]

    def touched(self, setting: Recall) -> float:
        """All points of lists, the lists that are looked into, and the vectors that are scored again, as many as for
        some of the vectors as queries."""
        read, dim = 0.0, self._index.dim
        for segment in (one.segment for one in self._index._segments.held):
            if not segment.pass_bytes:
                read += segment.vectors.nbytes
                continue
            probes, wanted = (
                segment.calibration.probes(setting.recall),
                segment.calibration.wanted(setting.recall, DEPTH),
            )
            share = probes / len(segment.lists) if segment.listed else 1.0
            read += len(segment.lists) * dim + min(share, 1.0) * segment.pass_bytes
            some = segment.vectors[:: max(len(segment) // SAMPLED, 1)].astype(np.float32)
            again = [len(one.places) for one in segment._nominated(some, wanted, None, probes)]
            read += 2 * dim * float(np.mean(again))
        return read


class DenseProduct(Dense):
    """Product codes of two bits per dimension in place of int8."""

    name = "bowerbird dense, product codes"
    coding = "product"

"""Nearest neighbours by inner product: add, remove, search, save, open.

What a segment does is in dense_segment.py, how segments change and are kept in segments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bowerbird.embeddings import Dense
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats, Keys, Mask, check_keys, check_queries, check_request, in_threads
from bowerbird.index.coding import Coding, check_coding, coding_of_json, coding_to_json
from bowerbird.index.dense_segment import Arrays, DenseSegment
from bowerbird.index.manifest import Manifest
from bowerbird.index.segments import SegmentedIndex, Segments, opened

KIND = "dense"


class DenseIndex(SegmentedIndex[DenseSegment]):
    """Vectors with a value that is no number are kept but not found."""

    def __init__(self, manifest: Manifest, folder: Path | None) -> None:
        self._dim, self._seed = int(manifest.head["dim"]), int(manifest.head["seed"])
        self._coding = coding_of_json(manifest.head.get("coding", "int8"))
        self._segments = Segments(manifest, folder, DenseSegment, self._joined)

    @classmethod
    def build(
        cls,
        keys: Keys,
        vectors: Dense,
        *,
        folder: str | Path | None = None,
        coding: Coding = "int8",
        seed: int = 0,
        threads: int = 2,
        version: int = 0,
    ) -> DenseIndex:
        """keys: n whole numbers ≥ 0. folder: where it is kept, in place of what is there; without one, in memory.

        coding: what a first pass reads; the best are always re-scored with float16. "int8" takes a byte per dimension,
        "product" a quarter of one, `Prefix(128)` a byte for the first 128 dimensions of encoders that allow it. A
        recall is reached with each, as measured when the index is built.

        >>> index = DenseIndex.build(np.arange(2), Dense(np.eye(2, 64, dtype=np.float32)), coding="product")
        >>> index.search(Dense(np.eye(1, 64, dtype=np.float32)), 1).keys.tolist()
        [[0]]

        The same input and seed give the same files. Raises ValueError for keys or a coding that do not fit.
        """
        check_keys(keys, len(vectors))
        check_coding(coding, vectors.dim)
        head = {"dim": vectors.dim, "seed": seed, "coding": coding_to_json(coding)}
        index = cls(Manifest(KIND, head), None if folder is None else Path(folder))
        first = DenseSegment.build(keys, vectors.vectors, coding=coding, seed=seed, threads=threads)
        index._segments.create([first.arrays], version)
        return index

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> DenseIndex:
        """Map an index that is in a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """
        home = Path(folder)
        return opened(home, KIND, lambda manifest: cls(manifest, home), version, count)

    @property
    def dim(self) -> int:
        return self._dim

    def add(self, keys: Keys, vectors: Dense) -> None:
        """Add vectors, or replace those with the same keys. They are durable and found when this returns."""
        self.update(keys, vectors)

    def update(self, keys: Keys, vectors: Dense, *, gone: Keys | None = None, version: int | None = None) -> None:
        """Add some and take out others as one change: a crash leaves all of it or nothing, with the version.

        Raises ValueError for keys or vectors that do not fit.
        """
        check_keys(keys, len(vectors))
        if vectors.dim != self.dim:
            raise ValueError(f"vectors have {vectors.dim} dimensions, the index has vectors of {self.dim}")
        replaced = keys if gone is None else np.concatenate([keys, gone])
        fresh = DenseSegment.build(keys, vectors.vectors, coding=self._coding, seed=self._seed)
        self._segments.update(replaced, [fresh.arrays], version)

    def search(
        self, queries: Dense, k: int, *, allowed: Mask | None = None, recall: float = 0.95, threads: int = 1
    ) -> Found:
        """q queries → q × k keys (-1 pads) and inner products, best first, lower keys first among equals.

        allowed: a mask over keys; keys beyond its end are not allowed. recall: share of the true best ten to aim at.
        threads: that share a batch.
        Raises ValueError for queries of another size or with values that are no numbers.
        """
        check_request(k, recall)
        check_queries(queries, self.dim)
        segments = [(one.segment, one.usable(allowed)) for one in self._segments.ready()]

        def found(rows: slice) -> Found:
            asked = Dense(queries.vectors[rows])
            parts = [segment.search(asked, k, usable=usable, recall=recall) for segment, usable in segments]
            return Found.merged(parts, len(asked), k)

        return in_threads(found, len(queries), threads)

    def vectors_of(self, keys: Keys) -> Dense:
        """float16, as they are stored. Raises KeyError for a key that is not there."""
        vectors, there = np.zeros((len(keys), self.dim), np.float16), np.zeros(len(keys), bool)
        for one in self._segments.held:
            order = np.argsort(one.segment.keys, kind="stable")
            rows = order[np.minimum(np.searchsorted(one.segment.keys, keys, sorter=order), len(order) - 1)]
            here = (one.segment.keys[rows] == keys) & one.left[rows]
            vectors[here] = one.segment.vectors[rows[here]]
            there |= here
        if not there.all():
            raise KeyError(f"no vector with key {keys[~there][0]}")
        return Dense(vectors)

    def stats(self) -> IndexStats:
        held = self._segments.held
        listed = [one.segment for one in held if one.segment.listed]
        detail = {
            "strategy": "lists" if listed else "scan",
            "segments": len(held),
            "coding": self._coding if isinstance(self._coding, str) else f"first {self._coding.dims} as int8",
            "bytes of a first pass": sum(one.segment.pass_bytes for one in held),
            "lists": sum(len(segment.lists) for segment in listed),
            "lists at recall 0.95": sum(segment.calibration.probes(0.95) for segment in listed),
            "kernels": kernels.name(),
        }
        return IndexStats(KIND, len(self), self.dim, self._segments.bytes, detail)

    def _joined(self, parts: Sequence[tuple[DenseSegment, Mask]]) -> Arrays:
        """The arrays of one segment; it keeps the centroids of the largest while they fit."""
        keys = np.concatenate([segment.keys[left] for segment, left in parts])
        vectors = np.concatenate([segment.vectors[left] for segment, left in parts])
        largest = max((segment for segment, _ in parts), key=len)
        return largest.rebuilt(keys, vectors, coding=self._coding, seed=self._seed, threads=1).arrays

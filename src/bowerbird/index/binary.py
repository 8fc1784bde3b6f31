"""Exact nearest binary codes by Hamming distance: add, remove, search, save, open.

What a segment does is in binary_segment.py, how segments change and are kept in segments.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bowerbird.embeddings import Binary, Dense
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats, Keys, Mask, check_keys, check_queries, check_request, in_threads
from bowerbird.index.binary_segment import BinarySegment
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.held import Arrays
from bowerbird.index.manifest import Manifest
from bowerbird.index.segments import SegmentedIndex, Segments, opened
from bowerbird.storage.packs import Pack

KIND = "binary"
MEANS = "means"
"""What the head of a manifest calls the file of an index's means, and the array in it."""
HASHED = 4_000_000
"""Codes from which a segment gets hash tables: the scan of fewer takes no longer than looking them up."""


class BinaryIndex(SegmentedIndex[BinarySegment]):
    """Codes of one length, whole bytes. means: what their bits stand for, if it was built with them."""

    def __init__(self, manifest: Manifest, folder: Path | None, means: BitMeans | None = None) -> None:
        self.means = means
        self._bits, self._hashed = int(manifest.head["bits"]), int(manifest.head["hashed"])
        attached = {} if means is None else {MEANS: {MEANS: means.values}}
        self._segments = Segments(manifest, folder, self._segment, self._joined, attached)

    @classmethod
    def build(
        cls,
        keys: Keys,
        codes: Binary,
        *,
        folder: str | Path | None = None,
        means: BitMeans | None = None,
        hashed: int = HASHED,
        version: int = 0,
    ) -> BinaryIndex:
        """keys: n whole numbers ≥ 0. folder: where it is kept, in place of what is there; without one, in memory.

        means: what the bits stand for, for `rescore`; kept with the index. hashed: codes from which a segment gets hash
        tables. Raises ValueError for keys or means that do not fit.

        >>> vectors = np.array([[1, -2, 3, 1, -1, 1, 1, -1], [2, 2, -1, 1, 2, -1, 1, 1]], np.float32)
        >>> codes = Binary(np.packbits(vectors > 0, axis=1))
        >>> index = BinaryIndex.build(np.arange(2), codes, means=BitMeans.fit(Dense(vectors), codes))
        >>> index.rescore(Dense(vectors), index.search(codes, 2)).keys.tolist()
        [[0, 1], [1, 0]]
        """
        check_keys(keys, len(codes))
        if means is not None and -(-len(means.values) // 8) * 8 != codes.bits:
            raise ValueError(f"means of {len(means.values)} bits do not fit codes of {codes.bits}")
        head = {"bits": codes.bits, "hashed": hashed}
        index = cls(Manifest(KIND, head), None if folder is None else Path(folder), means)
        index._segments.create([BinarySegment.build(keys, codes.codes, hashed).arrays], version)
        return index

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> BinaryIndex:
        """Map an index that is in a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """
        home = Path(folder)

        def made(manifest: Manifest) -> BinaryIndex:
            if MEANS not in manifest.head:
                return cls(manifest, home)
            return cls(manifest, home, BitMeans(Pack(home / manifest.file(MEANS)).checked(MEANS)))

        return opened(home, KIND, made, version, count)

    def add(self, keys: Keys, vectors: Binary) -> None:
        """Add codes, or replace those with the same keys. They are durable and found when this returns."""
        self.update(keys, vectors)

    def update(self, keys: Keys, codes: Binary, *, gone: Keys | None = None, version: int | None = None) -> None:
        """Add some and take out others as one change: a crash leaves all of it or nothing, with the version.

        Raises ValueError for keys or codes that do not fit.
        """
        check_keys(keys, len(codes))
        self._check_bits(codes, "codes")
        replaced = keys if gone is None else np.concatenate([keys, gone])
        self._segments.update(replaced, [BinarySegment.build(keys, codes.codes, self._hashed).arrays], version)

    def search(
        self, queries: Binary, k: int, *, allowed: Mask | None = None, recall: float = 1.0, threads: int = 1
    ) -> Found:
        """q queries → q × k keys (-1 pads) and minus the bits that differ, best first, lower keys first among equals.

        allowed: a mask over keys; keys beyond its end are not allowed. recall: not used, the result is exact.
        threads: of a batch.
        """
        check_request(k, recall)
        self._check_bits(queries, "queries")
        asked = np.ascontiguousarray(queries.codes)
        segments = [(one.segment, one.usable(allowed)) for one in self._segments.ready()]

        def found(rows: slice) -> Found:
            parts = [segment.search(asked[rows], k, usable) for segment, usable in segments]
            return Found.merged(parts, rows.stop - rows.start, k)

        return in_threads(found, len(asked), threads)

    def rescore(self, queries: Dense, found: Found) -> Found:
        """The same hits in the order of inner products of real-valued queries with what the codes stand for.

        Raises ValueError for queries of another size or number, and if the index was built without means.
        """
        if self.means is None:
            raise ValueError("the index does not know what its bits stand for; build it with means=BitMeans.fit(…)")
        check_queries(queries, len(self.means.values))
        if len(queries) != len(found.keys):
            raise ValueError(f"{len(queries)} queries for the hits of {len(found.keys)}")
        again = Found.none(*found.keys.shape)
        for number, query in enumerate(queries.vectors.astype(np.float32, copy=False)):
            present = found.keys[number][found.keys[number] >= 0]
            reached = self.means.scores(query, self.codes_of(present).codes)
            best = np.lexsort((present, -reached))
            again.keys[number, : len(best)], again.scores[number, : len(best)] = present[best], reached[best]
        return again

    def codes_of(self, keys: Keys) -> Binary:
        """Raises KeyError for a key that is not there."""
        codes, there = np.zeros((len(keys), self._bits // 8), np.uint8), np.zeros(len(keys), bool)
        for one in self._segments.held:
            rows = one.segment.rows_of(keys)
            here = (rows >= 0) & one.left[rows]
            codes[here] = one.segment.codes(rows[here])
            there |= here
        if not there.all():
            raise KeyError(f"no code with key {keys[~there][0]}")
        return Binary(codes)

    def stats(self) -> IndexStats:
        held = self._segments.held
        hashed = sum(one.segment.tables is not None for one in held)
        detail = {"segments": len(held), "segments with hash tables": hashed, "kernels": kernels.name()}
        return IndexStats(KIND, len(self), self._bits, self._segments.bytes, detail)

    def _check_bits(self, codes: Binary, what: str) -> None:
        if codes.bits != self._bits:
            raise ValueError(f"{what} have {codes.bits} bits, the index has codes of {self._bits}")

    def _segment(self, arrays: Arrays) -> BinarySegment:
        return BinarySegment(arrays, self._bits // 8)

    def _joined(self, parts: Sequence[tuple[BinarySegment, Mask]]) -> Arrays:
        keys = np.concatenate([segment.keys[left] for segment, left in parts])
        codes = np.concatenate([segment.codes(np.flatnonzero(left)) for segment, left in parts])
        return BinarySegment.build(keys, codes, self._hashed).arrays

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
from bowerbird.index.manifest import Manifest
from bowerbird.index.segments import Arrays, SegmentedIndex, Segments, opened

KIND = "binary"
HASHED = 4_000_000
"""Codes from which a segment gets hash tables: the scan of fewer takes no longer than looking them up."""


class BinaryIndex(SegmentedIndex[BinarySegment]):
    """Codes of one length, whole bytes."""

    def __init__(self, manifest: Manifest, folder: Path | None) -> None:
        self._bits, self._hashed = int(manifest.head["bits"]), int(manifest.head["hashed"])
        self._segments = Segments(manifest, folder, self._segment, self._joined)

    @classmethod
    def build(
        cls,
        keys: Keys,
        codes: Binary,
        *,
        folder: str | Path | None = None,
        hashed: int = HASHED,
        version: int = 0,
    ) -> BinaryIndex:
        """keys: n whole numbers ≥ 0. folder: where it is kept, in place of what is there; without one, in memory.

        hashed: codes from which a segment gets hash tables. Raises ValueError for keys that do not fit.
        """
        check_keys(keys, len(codes))
        manifest = Manifest(KIND, {"bits": codes.bits, "hashed": hashed})
        index = cls(manifest, None if folder is None else Path(folder))
        first = BinarySegment.build(keys, codes.codes, hashed)
        index._segments.create([index._segments.kept(first.arrays)], version)
        return index

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> BinaryIndex:
        """Map an index that is in a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """
        home = Path(folder)
        return opened(home, KIND, lambda manifest: cls(manifest, home), version, count)

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
            return Found.best(parts, rows.stop - rows.start, k)

        return in_threads(found, len(asked), threads)

    def rescore(self, queries: Dense, found: Found, means: BitMeans) -> Found:
        """The same hits in the order of inner products of real-valued queries with what the codes stand for."""
        check_queries(queries, len(means.values))
        again = Found.none(*found.keys.shape)
        for number, query in enumerate(queries.vectors.astype(np.float32, copy=False)):
            present = found.keys[number][found.keys[number] >= 0]
            reached = means.scores(query, self.codes_of(present).codes)
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

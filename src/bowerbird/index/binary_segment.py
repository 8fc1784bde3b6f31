"""Some binary codes, written once, ordered by key: nearest by a scan, or by hash tables where there are many.

keys    int64 n, ascending
groups  uint64 n / 8 × words × 8     codes, eight at a time (kernels.BitGroups)
hash_rows, hash_bounds               hash tables of large segments (hashing.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.index import kernels
from bowerbird.index.base import Found, Keys, Mask
from bowerbird.index.hashing import HashTables
from bowerbird.index.kernels import BitGroups

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class BinarySegment:
    """width: bytes of a code."""

    arrays: Mapping[str, NDArray[Any]]
    width: int

    @staticmethod
    def build(keys: Keys, codes: Codes, hashed: int) -> BinarySegment:
        """n keys and n × width codes. hashed: codes from which there are hash tables."""
        order = np.argsort(keys)
        codes = np.ascontiguousarray(codes[order])
        tables = HashTables.of(codes).arrays() if len(codes) >= hashed and codes.shape[1] % 2 == 0 else {}
        keys = keys[order].astype(np.int64)
        return BinarySegment({"keys": keys, "groups": BitGroups.of(codes).words, **tables}, codes.shape[1])

    @property
    def keys(self) -> Keys:
        return self.arrays["keys"]

    @cached_property
    def groups(self) -> BitGroups:
        return BitGroups(self.arrays["groups"], len(self.keys))

    @cached_property
    def tables(self) -> HashTables | None:
        return HashTables.among(self.arrays)

    def codes(self, rows: NDArray[np.int64]) -> Codes:
        return np.ascontiguousarray(self.groups.rows(rows)).view(np.uint8)[:, : self.width]

    def rows_of(self, keys: Keys) -> NDArray[np.int64]:
        """The row of every key, -1 for one that is not here."""
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, rows, -1)

    def search(self, queries: Codes, k: int, usable: Mask | None) -> Found:
        """q × width queries → keys and minus the bits that differ, lower keys first. usable: a mask over rows."""
        k = min(k, len(self.keys))
        distances = np.full((len(queries), k), -1, np.int32)
        rows = np.full((len(queries), k), -1, np.int32)
        scanned = []
        for number, query in enumerate(queries if k else ()):
            hits = None if self.tables is None else self.tables.nearest(query, self.groups, k, usable)
            if hits is None:
                scanned.append(number)
            else:
                distances[number], rows[number] = hits
        if scanned:
            distances[scanned], rows[scanned] = kernels.use().hamming(queries[scanned], self.groups, k, usable)
        present = rows >= 0
        return Found(np.where(present, self.keys[rows], -1), np.where(present, -distances, -np.inf).astype(np.float32))

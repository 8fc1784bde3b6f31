"""The index of binary codes: exact nearest codes by Hamming distance; add, remove, search, save, open.

Codes lie in immutable parts, ordered by key. An addition is merged with the parts that are not more than twice as
large, so there are few of them; a removal clears bits of a part's mask. Every change writes packs first and then
replaces the manifest, so a crash leaves the index before or after the change. Searches run on the parts they began
with.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Binary, Dense
from bowerbird.errors import CollectionError
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.hashing import HashTables
from bowerbird.index.kernels import BitGroups
from bowerbird.storage.files import write_atomically
from bowerbird.storage.packs import Pack, write_pack

MANIFEST = "manifest.json"
FORMAT = 1
HASHED = 4_000_000
"""Codes from which a part gets hash tables: the scan of fewer takes no longer than looking them up."""

Mask = NDArray[np.bool_]
Keys = NDArray[np.int64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """Some codes, written once. keys: ascending. width: bytes of a code. alive: which are left, None for all.

    name, mask: of the packs with the codes and with what is alive; empty in memory, and where nothing is removed.
    """

    keys: Keys
    groups: BitGroups
    width: int
    tables: HashTables | None = None
    alive: Mask | None = None
    name: str = ""
    mask: str = ""

    @staticmethod
    def of(keys: Keys, codes: Codes, hashed: int) -> Part:
        order = np.argsort(keys)
        codes = codes[order]
        listed = len(codes) >= hashed and codes.shape[1] % 2 == 0
        return Part(keys[order], BitGroups.of(codes), codes.shape[1], HashTables.of(codes) if listed else None)

    def __len__(self) -> int:
        return len(self.keys) if self.alive is None else int(self.alive.sum())

    def arrays(self) -> dict[str, NDArray[Any]]:
        tables = {} if self.tables is None else self.tables.arrays()
        return {"keys": self.keys, "groups": self.groups.words, **tables}

    @staticmethod
    def among(arrays: Mapping[str, NDArray[Any]], width: int) -> Part:
        groups = BitGroups(arrays["groups"], len(arrays["keys"]))
        return Part(arrays["keys"], groups, width, HashTables.among(arrays))

    def without(self, keys: Keys) -> Part:
        gone = np.isin(self.keys, keys)
        if self.alive is not None:
            gone &= self.alive
        if not gone.any():
            return self
        return replace(self, alive=~gone if self.alive is None else self.alive & ~gone, mask="")

    def left(self) -> tuple[Keys, Codes]:
        """Keys and codes of what is alive."""
        rows = np.arange(len(self.keys)) if self.alive is None else np.flatnonzero(self.alive)
        return self.keys[rows], self.codes(rows)

    def codes(self, rows: NDArray[np.int64]) -> Codes:
        return np.ascontiguousarray(self.groups.rows(rows)).view(np.uint8)[:, : self.width]

    def place(self, keys: Keys) -> NDArray[np.int64]:
        """The row of every key, -1 for one that is not alive here."""
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        here = self.keys[rows] == keys
        return np.where(here if self.alive is None else here & self.alive[rows], rows, -1)

    def search(self, queries: Codes, k: int, allowed: Mask | None) -> tuple[Keys, NDArray[np.float32]]:
        """Keys and Hamming distances, q × k or all there are; -1 and infinity past the last hit."""
        usable, k = self._usable(allowed), min(k, len(self.keys))
        distances = np.full((len(queries), k), -1, np.int32)
        rows = np.full((len(queries), k), -1, np.int32)
        scanned = []
        for number, query in enumerate(queries):
            hits = None if self.tables is None else self.tables.nearest(query, self.groups, k, usable)
            if hits is None:
                scanned.append(number)
            else:
                distances[number], rows[number] = hits
        if scanned:
            distances[scanned], rows[scanned] = kernels.use().hamming(queries[scanned], self.groups, k, usable)
        present = rows >= 0
        return np.where(present, self.keys[rows], -1), np.where(present, distances, np.inf).astype(np.float32)

    def _usable(self, allowed: Mask | None) -> Mask | None:
        if allowed is None:
            return self.alive
        mask = np.zeros(len(self.keys), bool)
        inside = int(np.searchsorted(self.keys, len(allowed)))
        mask[:inside] = allowed[self.keys[:inside]]
        return mask if self.alive is None else mask & self.alive


class BinaryIndex:
    """Keys are whole numbers ≥ 0 that the caller gives. bits: of a code, a multiple of 8."""

    def __init__(self, bits: int, folder: Path | None, hashed: int) -> None:
        self._bits = bits
        self._folder = folder
        self._hashed = hashed
        self._parts: tuple[Part, ...] = ()
        self._changing = threading.RLock()

    @classmethod
    def build(cls, keys: Keys, codes: Binary, *, folder: str | Path | None = None, hashed: int = HASHED) -> BinaryIndex:
        """folder: where it is kept; without one it lives in memory. hashed: codes from which a part gets hash tables.

        Raises ValueError for keys that repeat or are negative.
        """
        index = cls(codes.bits, None if folder is None else Path(folder), hashed)
        if index._folder is not None:
            index._folder.mkdir(parents=True, exist_ok=True)
        index.add(keys, codes)
        return index

    @classmethod
    def open(cls, folder: str | Path) -> BinaryIndex:
        """Map an index that was built in a folder. Raises CollectionError if it is missing or damaged."""
        home = Path(folder)
        try:
            manifest = json.loads((home / MANIFEST).read_text("utf8"))
            known = manifest["format"] == FORMAT
            index = cls(int(manifest["bits"]), home, int(manifest["hashed"]))
            names = [(str(part["name"]), str(part["mask"])) for part in manifest["parts"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CollectionError(f"{home / MANIFEST} cannot be read ({error}); build the index again") from error
        if not known:
            raise CollectionError(f"{home} has index format {manifest['format']}, not {FORMAT}; build the index again")
        index._parts = tuple(_load(home, name, mask, index._bits // 8) for name, mask in names)
        return index

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def add(self, keys: Keys, vectors: Binary) -> None:
        """Add codes, or replace those with the same keys. They are durable and found when this returns."""
        self._check(keys, vectors)
        with self._changing:
            parts = [part.without(keys) for part in self._parts]
            fresh = [(keys.astype(np.int64), vectors.codes)]
            while parts and len(parts[-1]) <= 2 * sum(len(some) for some, _ in fresh):
                fresh.append(parts.pop().left())
            self._change([*parts, *self._joined(fresh)])

    def remove(self, keys: Keys) -> int:
        """Take codes out; keys that are not there are left out. How many there were."""
        with self._changing:
            before, parts = len(self), []
            for part in (part.without(keys) for part in self._parts):
                mostly_gone = len(part) * 2 < len(part.keys)
                parts += self._joined([part.left()]) if mostly_gone else [part]
            self._change(parts)
            return before - len(self)

    def search(self, queries: Binary, k: int, *, allowed: Mask | None = None, recall: float = 1.0) -> Found:
        """q queries → q × k keys (-1 pads) and minus the bits that differ, best first, lower keys first among equals.

        allowed: a mask over keys; keys beyond its end are not allowed. recall: not used, the result is exact.
        """
        if queries.bits != self._bits:
            raise ValueError(f"queries have {queries.bits} bits, the index has codes of {self._bits}")
        asked = np.ascontiguousarray(queries.codes)
        none = (np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.inf, np.float32))
        hits = [none] + [part.search(asked, k, allowed) for part in self._parts if k > 0]
        keys, distances = (np.concatenate(side, axis=1) for side in zip(*hits, strict=True))
        best = np.lexsort((keys, distances))[:, :k]
        return Found(np.take_along_axis(keys, best, 1), -np.take_along_axis(distances, best, 1))

    def rescore(self, queries: Dense, found: Found, means: BitMeans) -> Found:
        """The same hits in the order of inner products of real-valued queries with what the codes stand for."""
        keys, scores = found.keys.copy(), np.full(found.keys.shape, -np.inf, np.float32)
        for number, query in enumerate(queries.vectors.astype(np.float32, copy=False)):
            present = found.keys[number][found.keys[number] >= 0]
            reached = means.scores(query, self.codes_of(present).codes)
            best = np.lexsort((present, -reached))
            keys[number, : len(best)], scores[number, : len(best)] = present[best], reached[best]
        return Found(keys, scores)

    def codes_of(self, keys: Keys) -> Binary:
        """Raises KeyError for a key that is not there."""
        codes, there = np.zeros((len(keys), self._bits // 8), np.uint8), np.zeros(len(keys), bool)
        for part in self._parts:
            rows = part.place(keys)
            codes[rows >= 0] = part.codes(rows[rows >= 0])
            there |= rows >= 0
        if not there.all():
            raise KeyError(f"no code with key {keys[~there][0]}")
        return Binary(codes)

    def verify(self) -> list[str]:
        """Names of the files whose bytes are not those that were written."""
        damaged = []
        for name in [name for part in self._parts for name in (part.name, part.mask) if name]:
            try:
                Pack(self._folder / name).verify()  # type: ignore[operator]
            except CollectionError:
                damaged.append(name)
        return damaged

    def stats(self) -> IndexStats:
        size = sum(array.nbytes for part in self._parts for array in part.arrays().values())
        hashed = sum(part.tables is not None for part in self._parts)
        detail = {"parts": len(self._parts), "parts with hash tables": hashed, "kernels": kernels.name()}
        return IndexStats("binary", len(self), self._bits, size, detail)

    def _check(self, keys: Keys, codes: Binary) -> None:
        if len(keys) != len(codes):
            raise ValueError(f"{len(keys)} keys for {len(codes)} codes; give one key per code")
        if len(np.unique(keys)) != len(keys):
            raise ValueError("keys repeat; give every code a key of its own")
        if len(keys) and int(keys.min()) < 0:
            raise ValueError(f"keys are whole numbers from 0, got {int(keys.min())}")
        if codes.bits != self._bits:
            raise ValueError(f"codes have {codes.bits} bits, the index has codes of {self._bits}")

    def _joined(self, pieces: Sequence[tuple[Keys, Codes]]) -> list[Part]:
        """One part of some keys and codes; none if there are none."""
        keys, codes = (np.concatenate(side) for side in zip(*pieces, strict=True))
        return [Part.of(keys, codes, self._hashed)] if len(keys) else []

    def _change(self, parts: Sequence[Part]) -> None:
        home = self._folder
        kept = tuple(parts) if home is None else tuple(_saved(home, part) for part in parts)
        if home is not None:
            named = [{"name": part.name, "mask": part.mask} for part in kept]
            manifest = {"format": FORMAT, "bits": self._bits, "hashed": self._hashed, "parts": named}
            write_atomically(home / MANIFEST, json.dumps(manifest).encode())
            _tidy(home, {name for part in kept for name in (part.name, part.mask)})
        self._parts = kept


def _saved(home: Path, part: Part) -> Part:
    """A part whose packs are written, mapped."""
    mask = part.mask
    if part.alive is not None and not mask:
        mask = write_pack(home, {"alive": np.packbits(part.alive)})
    if not part.name:
        name = write_pack(home, part.arrays())
        return _load(home, name, mask, part.width)
    return replace(part, mask=mask)


def _load(home: Path, name: str, mask: str, width: int) -> Part:
    """A mapped part. Raises CollectionError if a file is missing or damaged."""
    pack = Pack(home / name)
    part = Part.among({section: pack[section] for section in pack.names}, width)
    alive = np.unpackbits(Pack(home / mask).checked("alive"), count=len(part.keys)).astype(bool) if mask else None
    return replace(part, alive=alive, name=name, mask=mask)


def _tidy(home: Path, named: set[str]) -> None:
    """Delete packs that the manifest does not name. Searches keep what they have mapped (POSIX)."""
    for path in home.iterdir():
        if path.suffix in (".pack", ".partial") and path.name not in named:
            path.unlink(missing_ok=True)

"""Some vectors, written once: a first pass over what stands for them (coding.py), the best re-scored exactly.

Small sets are passed over whole. From LISTED vectors on they are sorted by centroid and a query looks into the lists
that promise most. How many lists a recall takes, and which vectors have to be re-scored, is measured when the segment
is built (dense_calibration.py).

    keys      int64 n         what the caller calls the vectors, in the order of the lists
    exact     float16 n × dim         what the best are re-scored with
    blocks, scales | nibbles, words   what the first pass reads; not in segments that are always scored exactly
    bounds int64 L + 1                which vectors lie in which list
    lists.points float16 L × dim, lists.spreads float32 L   see Lists
    centroids.*                       by which vectors are sorted into lists
    middle    float16 dim     mean of the vectors, where there are product codes and no lists
    broken    int64           vectors with values that are no numbers, which are not found
    ranks int32, slacks float32   see Calibration
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats
from bowerbird.index import kernels
from bowerbird.index.base import Found, Mask, check_keys, check_width
from bowerbird.index.coding import (
    BATCH,
    CHUNK,
    Coding,
    FirstPass,
    Lists,
    Nominated,
    Wanted,
    arrays_of,
    first_pass,
    scaled,
)
from bowerbird.index.dense_calibration import Calibration, calibrate
from bowerbird.index.multivector.centroids import Centroids
from bowerbird.index.top import top_k
from bowerbird.storage.packs import Pack, write_pack

LISTED = 50_000
PER_LIST = 128
"""Vectors per list, about; lists are a power of two."""
REGIONS = 16
"""Of the centroids, that a vector's is sought in."""
EXACT = 4096
"""Up to so many vectors, or so many that a filter leaves, are scored exactly at once."""

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.int64]
Singles = NDArray[np.float32]


def coding_for(count: int) -> Coding:
    """The fastest for so many vectors: product codes read less, which counts where there are many."""
    return "product" if count >= LISTED else "int8"


@dataclass(frozen=True)
class DenseSegment:
    """Immutable; made by `build` or `open`."""

    arrays: Arrays

    @classmethod
    def build(
        cls, keys: NDArray[np.int64], vectors: Floats, *, coding: Coding = "int8", seed: int = 0, threads: int = 2
    ) -> DenseSegment:
        """keys: n whole numbers ≥ 0. vectors: n × dim, float16 or float32.

        Raises ValueError for keys that do not fit.
        """
        check_keys(keys, len(vectors))
        if len(keys) < LISTED:
            return cls._made(_stored(keys, vectors, np.arange(len(keys))), coding, seed, threads)
        count = 2 ** round(np.log2(len(keys) / PER_LIST))
        centroids = Centroids.train(_whole(vectors), count, seed=seed, threads=threads)
        return cls._sorted(keys, vectors, centroids, coding, seed, threads)

    def rebuilt(
        self, keys: NDArray[np.int64], vectors: Floats, *, coding: Coding = "int8", seed: int = 0, threads: int = 2
    ) -> DenseSegment:
        """A segment of other vectors that keeps these centroids, while the number of vectors is of the same order."""
        if not self.listed or not LISTED <= len(keys) <= 2 * len(self) or len(self) > 4 * len(keys):
            return self.build(keys, vectors, coding=coding, seed=seed, threads=threads)
        return self._sorted(keys, vectors, Centroids.of(self.arrays), coding, seed, threads)

    @classmethod
    def _sorted(
        cls,
        keys: NDArray[np.int64],
        vectors: Floats,
        centroids: Centroids,
        coding: Coding,
        seed: int,
        threads: int,
    ) -> DenseSegment:
        """Vectors in the order of their centroids."""
        nearest = centroids.nearest(_whole(vectors), threads, probes=REGIONS)
        order = np.argsort(nearest, kind="stable")
        bounds = np.searchsorted(nearest[order], np.arange(len(centroids) + 1)).astype(np.int64)
        stored = _stored(keys, vectors, order)
        lists = Lists.around(_whole(stored["exact"]), bounds)
        return cls._made({**stored, **centroids.arrays(), **lists.arrays()}, coding, seed, threads)

    @classmethod
    def _made(cls, stored: Arrays, coding: Coding, seed: int, threads: int) -> DenseSegment:
        """With what the first pass reads."""
        vectors, arrays = _whole(stored["exact"]), dict(stored)
        if len(vectors) <= EXACT:
            return cls(arrays)
        if coding == "product" and "bounds" not in arrays:
            arrays["middle"] = Lists.one(vectors).points[0]
        arrays |= arrays_of(coding, vectors, cls(arrays).lists, seed=seed, threads=threads)
        measured = calibrate(vectors, cls(arrays).lists, first_pass(arrays), cls(arrays)._found_at_all(None), seed)
        return cls(arrays | measured.arrays())

    @classmethod
    def open(cls, path: str | Path) -> DenseSegment:
        """Map an index. Raises CollectionError if the file is missing, cut off or has a damaged header."""
        pack = Pack(Path(path))
        return cls({name: pack[name] for name in pack.names})

    def save(self, folder: Path) -> str:
        """Write and sync a file; its name."""
        return write_pack(folder, self.arrays)

    def __len__(self) -> int:
        return len(self.arrays["keys"])

    @property
    def dim(self) -> int:
        return int(self.arrays["exact"].shape[1])

    @property
    def listed(self) -> bool:
        return "bounds" in self.arrays

    @property
    def form(self) -> str:
        """What the first pass reads."""
        return "product codes" if "nibbles" in self.arrays else "int8"

    @cached_property
    def lists(self) -> Lists:
        """One for all vectors where they are not listed."""
        whole, none = np.array([0, len(self)], np.int64), np.zeros(self.dim, np.float32)
        if not self.listed:
            return Lists(whole, self.arrays.get("middle", none)[None], np.zeros(1, np.float32))
        if "lists.points" in self.arrays:
            return Lists(self.arrays["bounds"], self.arrays["lists.points"], self.arrays["lists.spreads"])
        points = self.arrays["centroids.points"]  # of an older version
        return Lists(self.arrays["bounds"], points, np.zeros(len(points), np.float32))

    @cached_property
    def calibration(self) -> Calibration:
        return Calibration.of(self.arrays)

    @cached_property
    def pass_bytes(self) -> int:
        """Of what a first pass reads."""
        return sum(self.arrays[name].nbytes for name in ("blocks", "scales", "nibbles", "words") if name in self.arrays)

    @cached_property
    def _first(self) -> FirstPass:
        return first_pass(self.arrays)

    @property
    def keys(self) -> NDArray[np.int64]:
        return self.arrays["keys"]

    @property
    def vectors(self) -> Floats:
        """n × dim in the order of keys."""
        return self.arrays["exact"]

    def search(
        self, queries: Dense, k: int, *, usable: Mask | None = None, recall: float = 0.95, probes: int = 0
    ) -> Found:
        """q queries → q × k keys (-1 pads) and inner products, best first.

        usable: which rows may be found. recall: share of the true best ten to aim at; `probes` lists instead, if given.
        Raises ValueError unless 0 < recall ≤ 1, and for queries of another size.
        """
        check_width(queries, self.dim)
        usable, found = self._found_at_all(usable), Found.none(len(queries), k)
        count = len(self) if usable is None else int(np.count_nonzero(usable))
        wanted = self.calibration.wanted(recall, max(k, 1))
        for start in range(0, len(queries) if k else 0, BATCH):
            part = queries.vectors[start : start + BATCH].astype(np.float32, copy=False)
            if count <= max(EXACT, wanted.k):
                hits = self._exact(part, usable, k)
            else:
                nominated = self._nominated(part, wanted, usable, self._probes(recall, probes, count))
                hits = [self._refine(query, one.places, k) for query, one in zip(part, nominated, strict=True)]
            for number, (places, reached) in enumerate(hits, start):
                found.keys[number, : len(places)], found.scores[number, : len(places)] = self.keys[places], reached
        return found

    def nominate(self, queries: Dense, count: int, *, usable: Mask | None, recall: float = 0.95) -> list[Places]:
        """For every query `count` places, or all that are usable, in the order of the first pass, best first.

        Raises ValueError unless 0 < recall ≤ 1, and for queries of another size.
        """
        check_width(queries, self.dim)
        usable, wide = self._found_at_all(usable), queries.vectors.astype(np.float32, copy=False)
        left = len(self) if usable is None else int(np.count_nonzero(usable))
        if "ranks" not in self.arrays or left <= EXACT:
            return [places for places, _ in self._exact(wide, usable, count)]
        wanted, probes = Wanted.best(count), self._probes(recall, 0, left)
        batches = (wide[start : start + BATCH] for start in range(0, len(wide), BATCH))
        found = (one for batch in batches for one in self._nominated(batch, wanted, usable, probes))
        return [one.best_first().places for one in found]

    def _probes(self, recall: float, wanted: int, count: int) -> int:
        """What a filter leaves of a neighbourhood, `count` in all, lies farther away."""
        return (wanted or self.calibration.probes(recall)) * len(self) // max(count, 1)

    def _nominated(self, queries: Singles, wanted: Wanted, usable: Mask | None, probes: int) -> list[Nominated]:
        lists, queries = self.lists, scaled(queries)
        if not self.listed:
            return self._first.nominate(queries, lists.whole(len(queries)), wanted, usable)
        inside = lists.sizes if usable is None else np.diff(np.append(0, np.cumsum(usable))[lists.bounds])
        scores = lists.scores(queries)
        found: list[Nominated] = []
        for query, near, promise in zip(queries, scores, lists.promise(queries, scores), strict=True):
            part = lists.part(_most_promising(promise, probes, wanted.k, inside), near[None])
            found += self._first.nominate(query[None], part, wanted, usable)
        return found

    def _found_at_all(self, usable: Mask | None) -> Mask | None:
        """Without the vectors that have values that are no numbers."""
        broken = self.arrays.get("broken", np.zeros(0, np.int64))
        if not len(broken):
            return usable
        usable = np.ones(len(self), bool) if usable is None else usable.copy()
        usable[broken] = False
        return usable

    def _exact(self, queries: Singles, usable: Mask | None, k: int) -> list[tuple[Places, Singles]]:
        places = np.arange(len(self)) if usable is None else np.flatnonzero(usable)
        vectors = self.arrays["exact"][places].astype(np.float32)
        return [self._top(places, vectors @ query, k) for query in queries]

    def _refine(self, query: Singles, places: Places, k: int) -> tuple[Places, Singles]:
        """The best k of some vectors by their exact inner products."""
        return self._top(places, kernels.use().rescore(query, self.arrays["exact"], places), k)

    def _top(self, places: Places, scores: Singles, k: int) -> tuple[Places, Singles]:
        """The lower key wins ties."""
        if 0 < k < len(scores):  # most need not be sorted
            kept = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
            places, scores = places[kept], scores[kept]
        order = np.lexsort((self.keys[places], -scores))[:k]
        return places[order], scores[order]


def _most_promising(promise: Singles, probes: int, count: int, inside: NDArray[np.int64]) -> Places:
    """Lists, best first; more than `probes` if they do not hold `count` vectors. inside: how many each holds."""
    while True:
        probes = min(max(probes, 1), len(promise))
        chosen = top_k(promise, probes)
        if probes == len(promise) or inside[chosen].sum() >= count:
            return chosen
        probes *= 4


def _stored(keys: NDArray[np.int64], vectors: Floats, order: Places) -> dict[str, NDArray[Any]]:
    exact = np.empty(vectors.shape, np.float16)
    for start in range(0, len(order), CHUNK):
        with np.errstate(over="ignore"):  # what float16 cannot hold is broken
            exact[start : start + CHUNK] = vectors[order[start : start + CHUNK]]
    arrays: dict[str, NDArray[Any]] = {"keys": keys[order].astype(np.int64), "exact": exact}
    broken = _broken(exact)
    return {**arrays, "broken": broken} if len(broken) else arrays


def _broken(vectors: Floats) -> Places:
    """Vectors with a value that is no number, or none that float16 can hold."""
    most = float(np.finfo(np.float16).max)
    parts = [vectors[start : start + CHUNK] for start in range(0, len(vectors), CHUNK)]
    whole = [(np.abs(part) <= most).all(axis=1) for part in parts]
    return np.flatnonzero(~np.concatenate([np.zeros(0, bool), *whole]))


def _whole(vectors: Floats) -> Floats:
    """With zeros in place of vectors that are broken."""
    broken = _broken(vectors)
    if not len(broken):
        return vectors
    whole = vectors.copy()
    whole[broken] = 0
    return whole

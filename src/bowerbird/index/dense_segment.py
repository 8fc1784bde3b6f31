"""Some vectors, written once: int8 vectors in the neighbourhoods of centroids, the best re-scored exactly.

Small sets are scanned whole. From LISTED vectors on they are sorted by centroid, a query looks into the lists of its
nearest centroids, and how many lists a recall takes is measured when the index is built.

    keys      int64 n         what the caller calls the vectors, in the order of the lists
    blocks    uint8, scales float16   int8 vectors, 16 at a time (kernels.Blocks)
    exact     float16 n × dim         what the best are re-scored with
    centroids.*, bounds int64 L + 1   which vectors lie in which list
    ranks     int32           what `probes` is read from
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats
from bowerbird.index import kernels
from bowerbird.index.base import Found, Mask, check_keys
from bowerbird.index.kernels import Blocks, Query
from bowerbird.index.multivector.centroids import Centroids
from bowerbird.index.top import top_k
from bowerbird.storage.packs import Pack, write_pack

LISTED = 50_000
PER_LIST = 128
"""Vectors per list, about; lists are a power of two."""
REFINED = 4
"""Vectors that are re-scored for every hit."""
EXACT = 4096
"""Up to so many vectors, or so many that a filter leaves, are scored exactly at once."""
BATCH = 64
ASKED = 128
"""Vectors, moved by noise, that stand for queries when the segment is calibrated."""
NOISE = 0.5
"""Length of the noise as a share of the vector's."""
CHUNK = 1 << 16

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DenseSegment:
    """Immutable; made by `build` or `open`."""

    arrays: Arrays

    @classmethod
    def build(cls, keys: NDArray[np.int64], vectors: Floats, *, seed: int = 0, threads: int = 2) -> DenseSegment:
        """keys: n whole numbers ≥ 0. vectors: n × dim, float16 or float32.

        Raises ValueError for keys that do not fit.
        """
        check_keys(keys, len(vectors))
        if len(keys) < LISTED:
            return cls(_stored(keys, vectors, np.arange(len(keys))))
        count = 2 ** round(np.log2(len(keys) / PER_LIST))
        return cls._sorted(keys, vectors, Centroids.train(vectors, count, seed=seed, threads=threads), seed, threads)

    def rebuilt(self, keys: NDArray[np.int64], vectors: Floats, *, seed: int = 0, threads: int = 2) -> DenseSegment:
        """An index of other vectors that keeps these centroids, while the number of vectors is of the same order."""
        if not self.listed or not LISTED <= len(keys) <= 2 * len(self) or len(self) > 4 * len(keys):
            return self.build(keys, vectors, seed=seed, threads=threads)
        return self._sorted(keys, vectors, Centroids.of(self.arrays), seed, threads)

    @classmethod
    def _sorted(
        cls, keys: NDArray[np.int64], vectors: Floats, centroids: Centroids, seed: int, threads: int
    ) -> DenseSegment:
        """Vectors in the order of their centroids."""
        nearest = centroids.nearest(vectors, threads)
        order = np.argsort(nearest, kind="stable")
        bounds = np.searchsorted(nearest[order], np.arange(len(centroids) + 1)).astype(np.int64)
        arrays = {**_stored(keys, vectors, order), **centroids.arrays(), "bounds": bounds}
        ranks = cls({**arrays, "ranks": np.zeros(0, np.int32)}).calibrate(seed)
        return cls({**arrays, "ranks": ranks})

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
    def lists(self) -> int:
        return len(self.arrays["centroids.points"]) if self.listed else 0

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
        """
        count = len(self) if usable is None else int(np.count_nonzero(usable))
        found = Found.none(len(queries), k)
        wide = queries.vectors.astype(np.float32, copy=False)
        # what a filter leaves of the neighbourhood lies farther away
        probes = (probes or self.probes(recall)) * len(self) // max(count, 1)
        few = np.arange(min(len(self), EXACT)) if usable is None else np.flatnonzero(usable)[:EXACT]
        for start in range(0, len(queries), BATCH):
            part = wide[start : start + BATCH]
            if count <= EXACT:
                hits = [self._refine(one, few, k) for one in part]
            elif not self.listed:
                hits = self._whole(part, k, usable)
            else:
                hits = [self._listed(one, min(k, count), usable, probes) for one in part]
            for number, (places, reached) in enumerate(hits, start):
                found.keys[number, : len(places)], found.scores[number, : len(places)] = self.keys[places], reached
        return found

    def probes(self, recall: float) -> int:
        """Lists that a recall takes, as measured. Raises ValueError unless 0 < recall ≤ 1."""
        if not 0 < recall <= 1:
            raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
        ranks = self.arrays.get("ranks", np.zeros(0, np.int32))
        return int(ranks[min(int(np.ceil(recall * len(ranks))), len(ranks)) - 1]) + 1 if len(ranks) else 1

    def calibrate(self, seed: int) -> NDArray[np.int32]:
        """For the best ten of some queries, the rank of the list that holds each of them, ascending."""
        random = np.random.default_rng(seed)
        chosen = np.asarray(self.vectors[np.sort(random.permutation(len(self))[:ASKED])], np.float32)
        noise = random.standard_normal(chosen.shape).astype(np.float32)
        lengths = np.linalg.norm(chosen, axis=1, keepdims=True)
        asked = chosen + NOISE * lengths * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        home = np.repeat(np.arange(len(self.arrays["centroids.points"])), np.diff(self.arrays["bounds"]))
        order = np.argsort(np.argsort(-(asked @ self.arrays["centroids.points"].T), axis=1, kind="stable"), axis=1)
        ranks = [order[number, home[places]] for number, (places, _) in enumerate(self._whole(asked, 10, None))]
        return np.sort(np.concatenate(ranks)).astype(np.int32)

    @property
    def _blocks(self) -> Blocks:
        return Blocks(self.arrays["blocks"], self.arrays["scales"])

    def _whole(
        self, queries: Floats, k: int, usable: Mask | None
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Scan everything, for a batch of queries."""
        query = Query.of(queries)
        best = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
        for start in range(0, len(self), CHUNK):
            ends = np.array([min(start + CHUNK, len(self))])
            scores = kernels.use().scan(query, self._blocks, np.array([start]), ends)
            if usable is not None:
                scores = np.where(usable[start : ends[0]], scores, np.float32(-np.inf))
            for number, row in enumerate(scores):
                top = top_k(row, k * REFINED)
                places, reached = np.concatenate([best[number][0], top + start]), np.append(best[number][1], row[top])
                kept = top_k(reached, k * REFINED)
                best[number] = places[kept], reached[kept]
        return [
            self._refine(query_, places[np.isfinite(reached)], k)
            for query_, (places, reached) in zip(queries, best, strict=True)
        ]

    def _listed(
        self, query: Floats, k: int, usable: Mask | None, probes: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Scan the lists of the nearest centroids; of more centroids if they do not hold enough."""
        bounds, near = self.arrays["bounds"], self.arrays["centroids.points"] @ query
        while True:
            probes = min(probes, len(near))
            lists = np.sort(np.argpartition(-near, probes - 1)[:probes])
            starts, ends = bounds[lists], bounds[lists + 1]
            places = _ranges(starts, ends)
            found = places if usable is None else places[usable[places]]
            if len(found) >= k or probes == len(near):
                break
            probes *= 4
        scores = kernels.use().scan(Query.of(query[None]), self._blocks, starts, ends)[0]
        if usable is not None:
            scores = scores[usable[places]]
        return self._refine(query, found[top_k(scores, k * REFINED)], k)

    def _refine(
        self, query: Floats, places: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k of some vectors by their exact inner products; the lower key wins ties."""
        vectors = self.arrays["exact"][places].astype(np.float32)
        scores = np.nan_to_num((vectors @ query).astype(np.float32, copy=False), nan=-np.inf)
        order = np.lexsort((self.keys[places], -scores))[:k]
        return places[order], scores[order]


def _stored(keys: NDArray[np.int64], vectors: Floats, order: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    values = np.empty(vectors.shape, np.int8)
    scales = np.empty(len(vectors), np.float16)
    exact = np.empty(vectors.shape, np.float16)
    for start in range(0, len(order), CHUNK):
        part = vectors[order[start : start + CHUNK]]
        exact[start : start + CHUNK] = part
        with np.errstate(invalid="ignore"):  # what is no number stays without a score
            values[start : start + CHUNK], scales[start : start + CHUNK] = kernels.quantize(part)
    blocks = Blocks.of(values, scales)
    return {"keys": keys[order].astype(np.int64), "blocks": blocks.values, "scales": blocks.scales, "exact": exact}


def _ranges(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """All places of all ranges, in their order."""
    lengths = ends - starts
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))

"""Centroids of token vectors: spherical k-means in two levels, with int8 arithmetic.

A token is compared with the centroids of its few nearest regions instead of all of them; with 8,192 centroids that is
twenty times less work, and the centroid it gets is the best one, or nearly, for 97 of 100 tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index import kernels
from bowerbird.index.kernels import LANES, Blocks, filled_up

MOST = 65536
"""Numbers of centroids are 16 bits."""
PROBES = 4
"""Regions that a token's centroid is sought in."""
SAMPLE = 32
"""Tokens per centroid to learn from."""
TURNS = 5
CHUNK = 1 << 15

Array = NDArray[np.float32]


def how_many(tokens: int) -> int:
    """A power of two near 8 × the square root of the number of tokens, at most one centroid for 8 tokens."""
    wanted = min(8 * np.sqrt(max(tokens, 1)), tokens / 8)
    return int(np.clip(2 ** round(np.log2(max(wanted, LANES))), LANES, MOST))


@dataclass(frozen=True)
class Centroids:
    """points: K × dim unit vectors that float16 holds, those of a region in a row. regions: R × dim.

    bounds: R + 1 numbers of points.
    """

    points: Array
    regions: Array
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def blocks(self) -> Blocks:
        return whole(self.points)

    @cached_property
    def _region_blocks(self) -> Blocks:
        return whole(self.regions)

    def nearest(
        self, vectors: Floats | NDArray[np.int8], threads: int = 1, *, probes: int = PROBES
    ) -> NDArray[np.int32]:
        """n × dim tokens, or what `kernels.quantize` made of them → the numbers of their centroids.

        probes: regions that a token's is sought in.
        """
        run = kernels.use().assign
        regions, points = self._region_blocks, self.blocks

        def one(start: int) -> NDArray[np.int32]:
            part: NDArray[Any] = vectors[start : start + CHUNK]
            values = part if part.dtype == np.int8 else kernels.quantize(part)[0]
            found: NDArray[np.int32] = run(filled_up(values), regions, self.bounds, points, probes)[1]
            return found

        starts = range(0, len(vectors), CHUNK)
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate([np.zeros(0, np.int32), *pool.map(one, starts)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        points = self.points.astype(np.float16)
        return {"centroids.points": points, "centroids.regions": self.regions, "centroids.bounds": self.bounds}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> Centroids:
        return Centroids(
            arrays["centroids.points"].astype(np.float32),
            np.ascontiguousarray(arrays["centroids.regions"]),
            np.ascontiguousarray(arrays["centroids.bounds"]),
        )

    @staticmethod
    def train(vectors: Floats, count: int, *, seed: int = 0, threads: int = 1) -> Centroids:
        """Learn from a sample of n × dim unit vectors; at least one. The same vectors and seed give the same centroids.

        Every region gets centroids in proportion to its tokens.
        """
        random = np.random.default_rng(seed)
        chosen = np.sort(random.permutation(len(vectors))[: SAMPLE * count])
        sample = (vectors if len(chosen) == len(vectors) else vectors[chosen]).astype(np.float32, copy=False)
        many = 2 ** round(np.log2(max(np.sqrt(count), 1)))
        regions = kmeans(sample[:: max(1, len(sample) // (SAMPLE * 8 * many))], many, random, threads)
        region = _nearest(sample, regions, threads)
        sizes = np.bincount(region, minlength=len(regions))
        shares = shared_out(sizes, count)
        order = np.argsort(region, kind="stable")
        groups = np.split(order, np.cumsum(sizes)[:-1])
        points = [
            kmeans(sample[group], int(share), random, 1) for group, share in zip(groups, shares, strict=True) if share
        ]
        bounds = np.concatenate([[0], np.cumsum(shares)]).astype(np.int64)
        first = Centroids(np.concatenate(points), regions, bounds)
        kept = _means(sample, first.nearest(sample, threads), first.points).astype(np.float16)
        return Centroids(kept.astype(np.float32), regions, bounds)


def shared_out(sizes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """`count` in whole shares proportional to sizes, none larger than its size where that can be."""
    exact = sizes * count / max(int(sizes.sum()), 1)
    shares = np.floor(exact).astype(np.int64)
    rest = np.argsort(-(exact - shares), kind="stable")[: count - int(shares.sum())]
    shares[rest] += 1
    return shares


def kmeans(vectors: Array, count: int, random: np.random.Generator, threads: int) -> Array:
    """Spherical k-means: `count` unit vectors, repeated ones where there are fewer vectors."""
    points = vectors[np.sort(random.choice(len(vectors), count, replace=len(vectors) < count))]
    points = _unit(points)
    for _ in range(TURNS if len(vectors) > count else 0):
        points = _means(vectors, _nearest(vectors, points, threads), points)
    return points


def _nearest(vectors: Array, points: Array, threads: int) -> NDArray[np.int32]:
    run, blocks = kernels.use().nearest, whole(points)

    def one(part: Array) -> NDArray[np.int32]:
        found: NDArray[np.int32] = run(filled_up(kernels.quantize(part)[0]), blocks, len(points))[1]
        return found

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate([np.zeros(0, np.int32), *pool.map(one, _chunks(vectors))])


def _chunks(vectors: Array) -> Iterator[Array]:
    return (vectors[start : start + CHUNK] for start in range(0, len(vectors), CHUNK))


def _means(vectors: Array, nearest: NDArray[np.int32], before: Array) -> Array:
    """The mean direction of the vectors of every point; points without vectors stay."""
    order = np.argsort(nearest, kind="stable")
    used, starts = np.unique(nearest[order], return_index=True)
    points = before.copy()
    points[used] = np.add.reduceat(vectors[order], starts, axis=0)
    return _unit(points)


def _unit(vectors: Array) -> Array:
    scaled: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return scaled


def whole(points: Array) -> Blocks:
    """Unit vectors with one scale for all, so that whole-number dot products compare as the real ones do."""
    peak = max(float(np.abs(points).max(initial=0)), 1e-6)
    return Blocks.of(np.rint(points * (127 / peak)).astype(np.int8))

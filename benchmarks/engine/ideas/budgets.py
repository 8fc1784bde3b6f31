"""Token-aware centroid budgets: how many centroids the tokens of each vocabulary entry get (TACHIOM, arXiv 2604.28142).

K-means spends most centroids on frequent tokens and few on the rare ones that tell documents apart. TACHIOM clusters
the tokens of every entry by themselves. Entries of fewer than 128 vectors get one centroid, of fewer than 256 two; the
others share the rest in proportion to √vectors × spread (the sum of variances over dimensions), at least four each and
at most one for 39 vectors. Where a budget has no room for that, the rare entries are clustered together here.

The same measure can be applied to regions of the space, which takes no token ids.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

import bowerbird as bb
from benchmarks.engine.arrays import Floats
from benchmarks.engine.encoding import LONGEST
from benchmarks.engine.ideas.candidates import Finder, by_centroids
from benchmarks.engine.sets import BenchSet
from benchmarks.engine.texts import texts
from bowerbird.encoders import e5
from bowerbird.index import kernels
from bowerbird.index.multivector.centroids import SAMPLE, Centroids, _means, kmeans, shared_out, whole
from bowerbird.items import text_of

IDEA = "token-aware centroids"
RARE, FEW = 128, 256
"""Vectors below which an entry of the vocabulary gets one centroid, or two."""
LEAST, MOST = 4, 1 / 39
"""Centroids of the others: at least, and at most per vector."""

Array = NDArray[np.float32]
Groups = list[NDArray[np.int64]]
Way = tuple[str, str, float, Array, NDArray[np.uint16]]
"""Idea, name, processor seconds, centroids, the centroid of every token."""


def finders(given: BenchSet, entries: NDArray[np.int64] | None, counts: Sequence[int]) -> list[Finder]:
    """The centroids of the index, and the same number shared out in other ways. entries: of every token, if known."""
    return [
        by_centroids(idea, f"{len(points):,}, {name}", took, points, codes, given)
        for count in counts
        for idea, name, took, points, codes in _ways(given.vectors, entries, count)
    ]


def _ways(vectors: Floats, entries: NDArray[np.int64] | None, count: int) -> Iterator[Way]:
    ways: dict[str, Callable[[], tuple[Array, NDArray[np.uint16]]]] = {
        "tokens of a region": lambda: as_indexed(vectors, count),
        "√tokens × spread of a region": lambda: in_regions(vectors, count, 0.5),
        "tokens × spread of a region": lambda: in_regions(vectors, count, 1.0),
    }
    if entries is not None:
        ways["√tokens × spread of an entry"] = lambda: by_entry(vectors, entries, count)
    for number, (name, way) in enumerate(ways.items()):
        started = time.process_time()
        points, codes = way()
        yield (IDEA if number else "centroids, as now"), name, time.process_time() - started, points, codes


def vocabulary_entries(given: BenchSet) -> tuple[NDArray[np.int64], float]:
    """The vocabulary entry of every token of a set of texts, and the share of documents that have as many tokens as
    the set says; those of the others are cut or repeated."""
    encoder = e5.load()
    found = texts().documents[: given.items]
    words = [encoder.token_words(text_of([bb.Text(one.long[: LONGEST * 8])]))[:LONGEST] for one in found]
    lengths = np.diff(given.offsets)
    agree = float(np.mean([len(one) == length for one, length in zip(words, lengths, strict=True)]))
    fitted = [np.resize(one, length) for one, length in zip(words, lengths, strict=True)]
    return np.unique(np.concatenate(fitted), return_inverse=True)[1], agree


def as_indexed(vectors: Floats, count: int) -> tuple[Array, NDArray[np.uint16]]:
    found = Centroids.train(vectors, count)
    return found.points, found.nearest(vectors).astype(np.uint16)


def in_regions(vectors: Floats, count: int, power: float) -> tuple[Array, NDArray[np.uint16]]:
    """As Centroids.train, which shares `count` out by tokens, but by tokens ** power × spread of a region."""
    random = np.random.default_rng(0)
    chosen = np.sort(random.permutation(len(vectors))[: SAMPLE * count])
    sample = np.asarray(vectors[chosen], np.float32)
    many = 2 ** round(np.log2(max(np.sqrt(count), 1)))
    regions = kmeans(sample[:: max(1, len(sample) // (SAMPLE * 8 * many))], many, random, 1)
    groups = _groups(_nearest(sample, regions), len(regions))
    weights = [len(group) ** power * _spread(sample[group]) for group in groups]
    shares = shared_out(np.rint(np.array(weights) * 1e6).astype(np.int64), count)
    points = [
        kmeans(sample[group], int(share), random, 1) for group, share in zip(groups, shares, strict=True) if share
    ]
    bounds = np.concatenate([[0], np.cumsum(shares)]).astype(np.int64)
    first = Centroids(np.concatenate(points), regions, bounds)
    found = Centroids(_means(sample, first.nearest(sample), first.points), regions, bounds)
    return found.points, found.nearest(vectors).astype(np.uint16)


def by_entry(vectors: Floats, entries: NDArray[np.int64], count: int) -> tuple[Array, NDArray[np.uint16]]:
    """Centroids of every vocabulary entry; a token's centroid is the nearest of its entry's."""
    random = np.random.default_rng(0)
    groups = [group for group in _groups(entries, int(entries.max()) + 1) if len(group)]
    sizes = np.array([len(group) for group in groups])
    if least(sizes) > count:
        rare = [group for group in groups if len(group) < RARE]
        groups = [group for group in groups if len(group) >= RARE] + ([np.concatenate(rare)] if rare else [])
        together = shared_out(np.array([sum(map(len, rare)), len(vectors) - sum(map(len, rare))]), count)[0]
    else:
        together = 0
    tokens = [np.asarray(vectors[group], np.float32) for group in groups]
    alone = tokens[:-1] if together else tokens
    shares = [*budget([len(one) for one in alone], [_spread(one) for one in alone], count - int(together))]
    shares += [int(together)] if together else []
    codes, points, first = np.zeros(len(vectors), np.uint16), [], 0
    for group, mine, share in zip(groups, tokens, shares, strict=True):
        learned = (
            mine if len(mine) <= SAMPLE * share else mine[np.sort(random.permutation(len(mine))[: SAMPLE * share])]
        )
        points.append(kmeans(learned, int(share), random, 1))
        codes[group] = first + _nearest(mine, points[-1])
        first += int(share)
    return np.concatenate(points), codes


def least(sizes: NDArray[np.int64]) -> int:
    """Centroids that entries of such sizes take at least."""
    return int(np.where(sizes < RARE, 1, np.where(sizes < FEW, 2, LEAST)).sum())


def budget(sizes: Sequence[int], spreads: Sequence[float], count: int) -> list[int]:
    """`count` centroids, or as many as the bounds allow, for entries of such sizes and spreads."""
    size = np.array(sizes, np.int64)
    shares = np.where(size < RARE, 1, 2)
    large = size >= FEW
    weights = np.sqrt(size[large]) * np.array(spreads)[large]
    most = np.maximum((size[large] * MOST).astype(np.int64), LEAST)
    left = count - int(shares[~large].sum())
    low, high = 0.0, float(count) / max(float(weights.min(initial=1.0)), 1e-9)
    for _ in range(60):  # the factor whose bounded shares use up what is left
        factor = (low + high) / 2
        given = np.clip(np.rint(factor * weights).astype(np.int64), LEAST, most)
        low, high = (factor, high) if given.sum() <= left else (low, factor)
    shares[large] = np.clip(np.rint(low * weights).astype(np.int64), LEAST, most)
    return [int(share) for share in shares]


def _groups(numbers: NDArray[np.integer], count: int) -> Groups:
    """Rows of every number."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=count))[:-1])


def _spread(vectors: Array) -> float:
    return float(vectors.var(axis=0).sum()) if len(vectors) else 0.0


def _nearest(vectors: Array, points: Array) -> NDArray[np.int32]:
    """The nearest point of every vector."""
    found: NDArray[np.int32] = kernels.use().nearest(kernels.quantize(vectors)[0], whole(points), len(points))[1]
    return found

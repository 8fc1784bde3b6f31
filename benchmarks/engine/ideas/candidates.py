"""Ways to find candidates, measured on the same queries in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.arrays import Floats, best, unit
from benchmarks.engine.sets import BenchSet
from bowerbird.embeddings import MultiVector
from bowerbird.index import kernels
from bowerbird.index.kernels import Blocks, Query, quantize
from bowerbird.index.multivector.centroids import whole
from bowerbird.index.multivector.search import parts
from bowerbird.index.multivector.segment import document_codes, seen_arrays

DEPTHS = (50, 100, 200, 400, 800, 1600)
TEN = 10

Scores = NDArray[np.floating] | NDArray[np.int32]


@dataclass(frozen=True)
class Finder:
    """scores: of all documents for the tokens of a query, m × dim. build_s: processor seconds."""

    idea: str
    setting: str
    build_s: float
    scores: Callable[[Floats], Scores]


@dataclass(frozen=True)
class Found:
    """recalls: of the best ten by exact MaxSim, among the first of each of DEPTHS. ms: processor time, median."""

    finder: Finder
    recalls: list[float]
    ms: float


def measure(finders: Sequence[Finder], given: BenchSet) -> list[Found]:
    """Every query with every finder in turn, so that other work on the machine slows all alike."""
    took = [[] for _ in finders]
    recalls = [[] for _ in finders]
    for query, truth in zip(given.queries, given.truth[:, :TEN], strict=True):
        for finder, times, shares in zip(finders, took, recalls, strict=True):
            finder.scores(query)  # with the processor's caches as a server of this one would have them
            started = time.thread_time()
            scores = finder.scores(query)
            times.append(time.thread_time() - started)
            ranked = best(np.asarray(scores, np.float32), DEPTHS[-1])
            shares.append([np.isin(truth, ranked[:depth]).mean() for depth in DEPTHS])
    return [
        Found(finder, np.mean(shares, axis=0).tolist(), 1000 * float(np.median(times)))
        for finder, times, shares in zip(finders, took, recalls, strict=True)
    ]


def by_centroids(
    idea: str, setting: str, build_s: float, points: NDArray[np.float32], codes: NDArray[np.uint16], given: BenchSet
) -> Finder:
    """Centroid interaction, as the index does it. codes: the centroid of every token."""
    run, blocks, count = kernels.use(), whole(points), len(points)
    pairs = document_codes(codes, given.offsets)
    coded = seen_arrays(pairs, given.items)

    def scores(query: Floats) -> Scores:
        tables = [run.table(part, blocks, count) for part in parts(Query.of(query))]
        return sum(run.interact(table, coded["seen"], coded["seen_offsets"]) for table in tables)

    return Finder(idea, setting, build_s, scores)


def by_vectors(
    idea: str,
    setting: str,
    build_s: float,
    vectors: NDArray[np.float32],
    encode: Callable[[MultiVector], NDArray[np.float32]],
) -> Finder:
    """One vector per document, int8, all of them passed over. encode: one query → 1 × width."""
    run, blocks = kernels.use(), Blocks.of(*quantize(vectors))
    start, end = np.zeros(1, np.int64), np.full(1, len(vectors), np.int64)

    def scores(query: Floats) -> Scores:
        return run.scan(Query.of(encode(MultiVector.of([query]))), blocks, start, end)[0]

    return Finder(idea, setting, build_s, scores)


def pooled(documents: MultiVector) -> NDArray[np.float32]:
    """The mean of every set's vectors, unit length."""
    sums = np.add.reduceat(documents.vectors.astype(np.float32), documents.offsets[:-1])
    return unit(sums)

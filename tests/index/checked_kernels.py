"""Compares all functions of a library with the numpy form; run in a process of its own by test_kernels."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bowerbird.index.kernels import (
    BitGroups,
    Blocks,
    Codes,
    Nibbles,
    Norms,
    Query,
    Ranges,
    compiled,
    quantize,
    reference,
)


def compare() -> int:
    """All levels of compiled.py's library with the numpy form. How many of them there are."""
    levels = [level for level in range(len(compiled.LEVELS)) if compiled.set_level(level) == level]
    random = np.random.default_rng(0)
    for level in levels:
        compiled.set_level(level)
        for lengths in ([0], [1], [16, 0, 17], [5, 70, 16, 31, 1]):
            for dim in (4, 36, 128):
                offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
                count = int(offsets[-1])
                tokens = Blocks.of(*quantize(random.standard_normal((count, dim))))
                query = Query.of(random.standard_normal((int(random.integers(1, 33)), dim)))
                rows = np.arange(len(lengths), dtype=np.int32)[::-1].copy()
                same(compiled.maxsim(query, tokens, offsets, rows), reference.maxsim(query, tokens, offsets, rows))
                centroids = max(count, 1)
                points = Blocks.of(random.integers(-127, 128, (centroids, dim)).astype(np.int8))
                for got, expected in zip(
                    compiled.nearest(query.values, points, centroids),
                    reference.nearest(query.values, points, centroids),
                    strict=True,
                ):
                    same(got, expected)
                bounds = np.array([0, centroids // 2, centroids], np.int64)
                regions = Blocks.of(random.integers(-127, 128, (2, dim)).astype(np.int8))
                for got, expected in zip(
                    compiled.assign(query.values, regions, bounds, points, 1),
                    reference.assign(query.values, regions, bounds, points, 1),
                    strict=True,
                ):
                    same(got, expected)
                starts, ends = np.array([0, centroids // 3]), np.array([centroids // 2, centroids])
                same(compiled.scan(query, points, starts, ends), reference.scan(query, points, starts, ends))
                table = compiled.table(query, points, centroids)
                same(table, reference.table(query, points, centroids))
                codes = random.integers(0, centroids, count).astype(np.uint16)
                same(compiled.interact(table, codes, offsets), reference.interact(table, codes, offsets))
                bounds, lists = lists_of(codes, offsets, centroids)
                found, scores = compiled.gather(table, len(query), 3, bounds, lists, len(lengths))
                order = np.argsort(found)
                for got, expected in zip(
                    (found[order], scores[order]),
                    reference.gather(table, len(query), 3, bounds, lists, len(lengths)),
                    strict=True,
                ):
                    same(got, expected)
                vectors, asked = random.standard_normal((5, dim)).astype(np.float16), np.ones(dim, np.float32)
                picked = np.array([4, 0, 3])
                same(compiled.rescore(asked, vectors, picked), reference.rescore(asked, vectors, picked))
                same(compiled.top(np.array(lengths, np.int32), 2), reference.top(np.array(lengths, np.int32), 2))
                if dim % 8 == 0:
                    for bits in (2, 4):
                        width = dim * bits // 8
                        packed = Codes(
                            codes,
                            random.integers(0, 256, (count, width)).astype(np.uint8),
                            random.integers(0, 200, (centroids, dim)).astype(np.uint8),
                            random.integers(0, 56, (width, 256, 8 // bits)).astype(np.uint8),
                            bits,
                            random.random(count).astype(np.float16),
                        )
                        same(compiled.maxsim(query, packed, offsets), reference.maxsim(query, packed, offsets))
                cells_and_bits(random, offsets)
                product_codes(random, offsets)
                words(random, lengths)
    return len(levels)


def cells_and_bits(random: np.random.Generator, offsets: np.ndarray) -> None:
    count, sets = int(offsets[-1]), len(offsets) - 1
    for repetitions, simhash, width, own in ((3, 2, 5, 3), (2, 0, 8, 1)):
        cells = random.integers(0, 1 << simhash, (count, repetitions)).astype(np.int32)
        vectors = random.standard_normal((count, own, width)).astype(np.float32)
        made, wanted = np.empty((2, sets, repetitions, 1 << simhash, width), np.float32)
        compiled.cell_sums(cells, vectors, offsets, made)
        reference.cell_sums(cells, vectors, offsets, wanted)
        same(made, wanted)
        compiled.cell_means(cells, vectors, offsets, True, made)
        reference.cell_means(cells, vectors, offsets, True, wanted)
        same(made, wanted)
    for width, k in ((1, 1), (33, 40), (264, 3)):
        codes = BitGroups.of(random.integers(0, 4, (count, width)).astype(np.uint8))
        asked = random.integers(0, 4, (5, width)).astype(np.uint8)
        usable = random.random(count) < 0.7
        for got, expected in zip(
            compiled.hamming(asked, codes, k, usable), reference.hamming(asked, codes, k, usable), strict=True
        ):
            same(got, expected)


def product_codes(random: np.random.Generator, offsets: np.ndarray) -> None:
    count, biases = int(offsets[-1]), random.integers(-500, 500, len(offsets) - 1).astype(np.int32)
    usable = random.random(count) < 0.7
    for subspaces, k in ((1, 1), (24, 40), (193, 300)):
        codes = Nibbles.of(random.integers(0, 16, (count, subspaces)).astype(np.uint8))
        tables = random.integers(0, 128, (2, codes.pairs, 16)).astype(np.uint8)
        asked = (tables, codes, offsets[:-1].copy(), offsets[1:].copy(), biases, k, usable)
        for got, expected in zip(compiled.lookups(*asked), reference.lookups(*asked), strict=True):
            same(got, expected)


def words(random: np.random.Generator, sizes: list[int]) -> None:
    """Few rows are taken one by one, many by a pass over all."""
    norms = Norms.of(random.choice([0.5, 2.0, np.inf], sum(sizes)).astype(np.float32))
    for terms, most, k in ((0, 9, 3), (1, 1, 2), (3, 9, 7), (2, 99, 0), (4, 99, 99)):
        ranges, first = [], 0
        for size in sizes:
            rows = [random.permutation(size)[:most].astype(np.int32) for _ in range(terms)]
            ends = np.cumsum([0, *map(len, rows)]).astype(np.int64)
            counts = random.integers(1, 4, ends[-1]).astype(np.uint16)
            joined = np.concatenate([np.zeros(0, np.int32), *rows])
            ranges.append(Ranges(joined, counts, ends[:-1].copy(), ends[1:].copy(), first))
            first += size
        weights = random.random(terms).astype(np.float32)
        asked = (ranges, weights, norms, k)
        for got, expected in zip(compiled.bm25(*asked), reference.bm25(*asked), strict=True):
            same(got, expected)


def lists_of(codes: np.ndarray, offsets: np.ndarray, centroids: int) -> tuple[np.ndarray, np.ndarray]:
    """For every centroid the documents that have it, ascending."""
    documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs = np.unique(codes.astype(np.int64) << 32 | documents)
    bounds = np.searchsorted(pairs >> 32, np.arange(centroids + 1)).astype(np.int64)
    return bounds, (pairs & 0xFFFFFFFF).astype(np.int32)


def same(got: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(got, expected)


if __name__ == "__main__":
    compiled.LIBRARY = Path(sys.argv[1])
    print(f"compared {compare()} levels")

"""What to ask of every kernel, of any size: no token and one, odd counts, few dimensions and many, equal scores."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

from bowerbird.index.kernels import SLOTS, BitGroups, Blocks, Codes, Near, Nibbles, Norms, Query, Ranges, quantize

Case = tuple[str, tuple[Any, ...]]


def cases(seed: int) -> Iterator[Case]:
    """The name of a kernel and its arguments, of all that there are."""
    random = np.random.default_rng(seed)
    yield from late_interaction(random)
    yield from bytes_of(random)
    yield from centroids(random)
    yield from lists(random)
    yield from cells(random)
    yield from single_vectors(random)
    yield from tops(random)
    yield from bits(random)
    yield from product_codes(random)
    yield from words(random)


def ask(module: ModuleType, case: Case) -> list[np.ndarray]:
    """What a form of the kernels answers."""
    name, asked = case
    if name.startswith("cell_"):
        *asked_, shape = asked
        out = np.full(shape, np.nan, np.float32)
        getattr(module, name)(*asked_, out)
        return [out]
    found = getattr(module, name)(*asked)
    if name in ("gather", "lookups"):  # in no particular order
        order = np.lexsort(found)
        return [found[0][order], found[1][order]]
    return list(found) if isinstance(found, tuple) else [found]


def same(module: ModuleType, case: Case, expected: list[np.ndarray]) -> None:
    """That a form gives the expected answers, to the last bit but for products of matrices."""
    for got, wanted in zip(ask(module, case), expected, strict=True):
        assert got.dtype == wanted.dtype
        if case[0] == "maxsim_half":
            np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
            continue
        np.testing.assert_array_equal(got, wanted, err_msg=case[0])


def some(random: np.random.Generator, *usual: int) -> int:
    """A number up to the highest of some, often one of them."""
    return int(random.choice(usual) if random.random() < 0.5 else random.integers(min(usual), max(usual) + 1))


def dims(random: np.random.Generator) -> int:
    return 4 * some(random, 1, 2, 9, 32, 96, 256)


def offsets_of(random: np.random.Generator, most: int) -> np.ndarray:
    """Of sets without a token, with one, and with up to `most`."""
    lengths = [some(random, 0, 1, 15, 16, 17, most) for _ in range(some(random, 1, 2, 12))]
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def rows_of(random: np.random.Generator, count: int) -> np.ndarray | None:
    """Some of all rows in any order, some of them twice; or None for all."""
    return random.integers(0, count, some(random, 0, 1, 2 * count)).astype(np.int32) if random.random() < 0.7 else None


def mask_of(random: np.random.Generator, count: int) -> np.ndarray | None:
    return random.random(count) < random.choice([0.0, 0.4, 1.0]) if random.random() < 0.6 else None


def vectors_of(random: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Now and then on one side of zero, so that sums are as high as they can be, or next to nothing."""
    vectors = random.standard_normal((count, dim)).astype(np.float32)
    vectors = np.abs(vectors) + 1 if random.random() < 0.2 else vectors
    return vectors * random.choice(np.float32([1, 1, 1e-5]), (count, 1))


def quantised(random: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Bytes, some vectors of them equal."""
    values, _ = quantize(vectors_of(random, max(count, 1), dim))
    return values[random.integers(0, max(count, 1), count)]


def late_interaction(random: np.random.Generator) -> Iterator[Case]:
    dim, offsets = dims(random), offsets_of(random, 70)
    count, sets = int(offsets[-1]), len(offsets) - 1
    query = Query.of(vectors_of(random, some(random, 0, 1, 8, 9, SLOTS, SLOTS + 1, 2 * SLOTS + 3), dim))
    blocks = Blocks.of(*quantize(vectors_of(random, count, dim)))
    yield "maxsim", (query, blocks, offsets, rows_of(random, sets))
    for packed in (2, 4):
        width, points = dim * packed // 8, some(random, 1, 50)
        codes = Codes(
            random.integers(0, points, count).astype(np.uint16),
            random.integers(0, 256, (count, width)).astype(np.uint8),
            random.integers(0, 200, (points, dim)).astype(np.uint8),
            random.integers(0, 56, (width, 256, 8 // packed)).astype(np.uint8),
            packed,
            (random.random(count) * random.choice([1, 1e-6], count)).astype(np.float16),
        )
        yield "maxsim", (query, codes, offsets, rows_of(random, sets))


def bytes_of(random: np.random.Generator) -> Iterator[Case]:
    """Vectors of both precisions, of zeros, and of halves between two whole numbers; parts of longer ones."""
    dim, count = some(random, 1, 7, 32, 33, 128, 300), some(random, 0, 1, 40)
    vectors = vectors_of(random, count, dim + 3) * random.choice(np.float32([0, 1, 1, 100]), (count, 1))
    halves = np.round(random.uniform(-127, 127, (count, dim + 3)) * 2) / 2
    halves[:, 0] = 127
    for made in (vectors, halves):
        for dtype in (np.float16, np.float32):
            yield "quantize", (made.astype(dtype)[:, :dim], random.choice([np.float16, np.float32]))


def centroids(random: np.random.Generator) -> Iterator[Case]:
    dim, sizes = dims(random), random.integers(0, 40, some(random, 1, 2, 17, 33))
    bounds = np.concatenate([[0], np.cumsum(sizes), [int(sizes.sum()) + some(random, 1, 16)]]).astype(np.int64)
    count = int(bounds[-1])
    points, regions = Blocks.of(quantised(random, count, dim)), Blocks.of(quantised(random, len(bounds) - 1, dim))
    tokens = quantised(random, some(random, 0, 1, 7, 9, 40), dim)
    yield "nearest", (tokens, points, count)
    yield "assign", (tokens, regions, bounds, points, some(random, 0, 1, 3, len(bounds)))
    yield "table", (Query.of(vectors_of(random, some(random, 0, 1, 31, SLOTS), dim)), points, count)


def lists(random: np.random.Generator) -> Iterator[Case]:
    points, tokens, offsets = some(random, 1, 100), some(random, 0, 1, 20, SLOTS), offsets_of(random, 50)
    documents = len(offsets) - 1
    table = random.integers(0, some(random, 2, 256), (points, SLOTS)).astype(np.uint8)
    table[:, tokens:] = 0
    codes = random.integers(0, points, int(offsets[-1])).astype(np.uint16)
    yield "interact", (table, codes, offsets, rows_of(random, documents))
    yield "gather", (table, tokens, some(random, 1, 4, 40), *lists_of(codes, offsets, points), documents)
    scores = random.integers(0, some(random, 1, 50, 65536), some(random, 0, 1, 300)).astype(np.int32)
    yield "top", (scores, some(random, 0, 1, 17, 310))


def lists_of(codes: np.ndarray, offsets: np.ndarray, centroids: int) -> tuple[np.ndarray, np.ndarray]:
    """For every centroid the documents that have it, ascending."""
    documents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    pairs = np.unique(codes.astype(np.int64) << 32 | documents)
    bounds = np.searchsorted(pairs >> 32, np.arange(centroids + 1)).astype(np.int64)
    return bounds, (pairs & 0xFFFFFFFF).astype(np.int32)


def cells(random: np.random.Generator) -> Iterator[Case]:
    offsets, repetitions, partitions = offsets_of(random, 30), some(random, 1, 5), 1 << some(random, 0, 6)
    width, count = some(random, 1, 8, 33), int(offsets[-1])
    where = random.integers(0, partitions, (count, repetitions)).astype(np.int32)
    vectors = random.standard_normal((count, random.choice([1, repetitions]), width)).astype(np.float32)
    shape = (len(offsets) - 1, repetitions, partitions, width)
    yield "cell_sums", (where, vectors, offsets, shape)
    yield "cell_means", (where, vectors, offsets, bool(random.random() < 0.7), shape)


def single_vectors(random: np.random.Generator) -> Iterator[Case]:
    dim, count = dims(random), some(random, 1, 16, 333)
    vectors = Blocks.of(*quantize(vectors_of(random, count, dim)))
    query = Query.of(vectors_of(random, some(random, 0, 1, 8, 21), dim))
    yield "scan", (query, vectors, *ranges_of(random, count))
    odd = some(random, 1, 15, 17, 384, 1027)
    exact = (random.standard_normal((count, odd)) * random.choice([1, 1e-6])).astype(np.float16)
    asked, rows = random.standard_normal(odd).astype(np.float32), random.integers(0, count, some(random, 0, 1, 40))
    yield "rescore", (asked, exact, rows)
    offsets, query = offsets_of(random, 40), random.standard_normal((some(random, 1, 4, 9), odd)).astype(np.float32)
    tokens = random.standard_normal((int(offsets[-1]), odd)).astype(np.float16)
    yield "maxsim_half", (query, tokens, offsets, random.integers(0, len(offsets) - 1, some(random, 0, 1, 20)))


def tops(random: np.random.Generator) -> Iterator[Case]:
    scores = random.choice(np.float32([-np.inf, -3, -0.0, 0, 1e-40, 2, np.inf, np.nan]), some(random, 0, 1, 900))
    yield "best", (scores, some(random, 0, 1, 9, 999))
    yield "best", (random.standard_normal(some(random, 1, 3000)).astype(np.float32), some(random, 0, 1, 9, 700))


def ranges_of(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where some ascending ranges of rows begin and end, all rows in one or with gaps; some are empty."""
    if random.random() < 0.5:
        return np.zeros(1, np.int64), np.array([count])
    cuts = np.sort(random.integers(0, count + 1, 2 * some(random, 0, 1, 6))).astype(np.int64)
    return np.ascontiguousarray(cuts[::2]), np.ascontiguousarray(cuts[1::2])


def bits(random: np.random.Generator) -> Iterator[Case]:
    width, count, queries = some(random, 1, 8, 33, 48, 264), some(random, 0, 1, 8, 300), some(random, 0, 1, 5)
    few = random.integers(0, 256, (12, width)).astype(np.uint8)  # many distances are equal
    turned = (random.random((count, width)) < random.choice([0, 0.05])).astype(np.uint8)
    codes = BitGroups.of(few[random.integers(0, 12, count)] ^ turned)
    asked = random.integers(0, 256, (queries, width)).astype(np.uint8)
    yield "hamming", (asked, codes, some(random, 1, 2, 70, 400), mask_of(random, count))


def product_codes(random: np.random.Generator) -> Iterator[Case]:
    """Few of many vectors, so that blocks are passed over, among them with sums of about 2 ** 15; then any."""
    yield lookups(random, 8, 1500, 9, int(random.integers(1, 4)))
    yield lookups(random, 480, 600, 127, int(random.integers(1, 4)))
    peak = some(random, 1, 9, 127)
    yield lookups(random, some(random, 1, 23, 192), some(random, 1, 16, 700), peak, some(random, 1, 70, 800))


def lookups(random: np.random.Generator, subspaces: int, count: int, highest: int, k: int) -> Case:
    codes = Nibbles.of(random.integers(0, 16, (count, subspaces)).astype(np.uint8))
    tables = random.integers(0, highest + 1, (2, codes.pairs, 16)).astype(np.uint8)
    starts, ends = ranges_of(random, count)
    order = random.permutation(len(starts))
    biases = random.integers(-9000, 9000, len(starts)).astype(np.int32) * some(random, 0, 1, 100_000)
    near = Near(k, some(random, 0, 9, 5000), k + some(random, 0, 1, 100))
    return "lookups", (tables, codes, starts[order], ends[order], biases, near, mask_of(random, count))


def words(random: np.random.Generator) -> Iterator[Case]:
    sizes, terms = [some(random, 0, 1, 17, 90) for _ in range(some(random, 1, 3))], some(random, 0, 1, 5)
    norms, parts = Norms.of(random.choice(np.float32([0.5, 1, 2, np.inf]), sum(sizes))), []
    for size, first in zip(sizes, np.cumsum([0, *sizes]).tolist(), strict=False):
        rows = [random.permutation(size)[: some(random, 0, 1, size)].astype(np.int32) for _ in range(terms)]
        ends = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        counts = random.integers(1, 4, int(ends[-1])).astype(np.uint16)
        joined = np.concatenate([np.zeros(0, np.int32), *rows])
        parts.append(Ranges(joined, counts, ends[:-1].copy(), ends[1:].copy(), first))
    yield "bm25", (parts, random.random(terms).astype(np.float32), norms, some(random, 0, 1, 9, 300))

"""What a first pass over dense vectors reads: int8 values, some of them, or product codes. The best are re-scored.

int8      1 byte per dimension: nearly the exact order, so few have to be re-scored
prefix    1 byte for each of the first dimensions only, for encoders whose first dimensions are an embedding of
          their own (Matryoshka representations, Kusupati et al., arXiv 2205.13147)
product   2 bits per dimension: 16 codewords for every two dimensions of what a vector differs from its centroid
          (Jégou, Douze and Schmid 2011, sections 2 and 4), scored by tables that stay in registers (kernels/lookups.h)
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index import kernels
from bowerbird.index.base import Mask
from bowerbird.index.kernels import Blocks, Bytes, Near, Nibbles, Query
from bowerbird.index.kernels.nibbles import WORDS, Tables
from bowerbird.index.top import top_k

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.int64]
Singles = NDArray[np.float32]

CHUNK = 1 << 16
"""Vectors that are scored or encoded at a time."""
BATCH = 64
"""Queries that are answered at a time."""
SUBSPACE = 2
"""Dimensions that share a code of 4 bits."""
FARTHEST = 2.0**30 - 1
"""Steps that differences of scores are cut off at, so that they fit into 32 bits."""
APART = 2.0**29
"""Steps that the scores of two points are apart, at most: none is cut off."""
SAMPLE = 4096
"""Vectors that codewords are learned from."""
TURNS = 8
REACH = 2.0
"""The best vectors of a list score about so many spreads more than its point."""


@dataclass(frozen=True)
class Prefix:
    """The first `dims` dimensions, and up to three more, as bytes are read in fours."""

    dims: int

    def __post_init__(self) -> None:
        if self.dims < 1:
            raise ValueError(f"a prefix has at least one dimension, got {self.dims}")


Coding: TypeAlias = Literal["int8", "product"] | Prefix


def check_coding(coding: Coding, dim: int) -> None:
    """Raises ValueError for a coding that is not known or does not fit vectors of `dim` dimensions."""
    if coding not in ("int8", "product") and not isinstance(coding, Prefix):
        raise ValueError(f"coding is 'int8', 'product' or Prefix(dims), got {coding!r}")
    if isinstance(coding, Prefix) and coding.dims > dim:
        raise ValueError(f"a prefix of {coding.dims} dimensions does not fit vectors of {dim}")


def coding_to_json(coding: Coding) -> str | int:
    """The name of a coding, or the dimensions of a prefix."""
    return coding.dims if isinstance(coding, Prefix) else coding


def coding_of_json(kept: str | int) -> Coding:
    if isinstance(kept, int):
        return Prefix(kept)
    return "product" if kept == "product" else "int8"


@dataclass(frozen=True)
class Part:
    """Some lists, the most promising first: vectors starts[i] … ends[i] - 1, around a point that scores middles[:, i]
    for the queries (q × lists)."""

    starts: Places
    ends: Places
    middles: Singles


@dataclass(frozen=True)
class Lists:
    """List l holds the vectors bounds[l] … bounds[l + 1] - 1, which lie around points[l] (L × dim).

    spreads: L, by how much their scores differ from that of their point, the root of the mean square over queries of
    length 1.
    """

    bounds: Places
    points: Floats
    spreads: Singles

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def one(vectors: Floats) -> Lists:
        """All of n × dim vectors around their mean."""
        return Lists.around(vectors, np.array([0, len(vectors)], np.int64))

    @staticmethod
    def around(vectors: Floats, bounds: Places) -> Lists:
        """n × dim vectors around the means of their lists."""
        count, width = len(bounds) - 1, vectors.shape[1]
        sums, squares, sizes = np.zeros((count, width)), np.zeros(count), np.maximum(np.diff(bounds), 1)
        for start in range(0, len(vectors), CHUNK):
            part = vectors[start : start + CHUNK].astype(np.float32)
            cuts = np.clip(bounds - start, 0, len(part))
            here = np.flatnonzero(np.diff(cuts))
            sums[here] += np.add.reduceat(part, cuts[here], axis=0)
            squares[here] += np.add.reduceat(np.einsum("ij,ij->i", part, part), cuts[here])
        points = sums / sizes[:, None]
        spreads = np.sqrt(np.maximum(squares / sizes - (points * points).sum(axis=1), 0) / width)
        return Lists(bounds, points.astype(np.float16), spreads.astype(np.float32))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"bounds": self.bounds, "lists.points": self.points, "lists.spreads": self.spreads}

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.bounds)

    @cached_property
    def _empty(self) -> Places:
        return np.flatnonzero(self.sizes == 0)

    @cached_property
    def _values(self) -> Blocks:
        return Blocks.of(*kernels.quantize(self.points))

    def scores(self, queries: Singles) -> Singles:
        """Of the points for q queries, q × L, by int8 values: less to read than float16."""
        whole = np.zeros(1, np.int64), np.array([len(self)])
        found: Singles = kernels.use().scan(Query.of(queries), self._values, *whole)
        return found

    def promise(self, queries: Singles, scores: Singles) -> Singles:
        """What the best vectors of each list may score, q × L: a wide list has better ones than its point says.

        scores: of the points. Lists without vectors promise -inf.
        """
        above = REACH * np.linalg.norm(queries, axis=1, keepdims=True) * self.spreads
        promised: Singles = scores + above
        promised[:, self._empty] = -np.inf
        return promised

    def part(self, chosen: Places, scores: Singles) -> Part:
        """scores: q × L, of the points."""
        return Part(self.bounds[chosen], self.bounds[chosen + 1], scores[:, chosen])

    def whole(self, queries: int) -> Part:
        """All of one list, where only differences within it count."""
        return Part(self.bounds[:-1], self.bounds[1:], np.zeros((queries, 1), np.float32))

    def of(self, places: Places) -> NDArray[np.int64]:
        """The lists that vectors lie in."""
        home: NDArray[np.int64] = np.searchsorted(self.bounds, places, "right") - 1
        return home


@dataclass(frozen=True)
class Wanted:
    """Vectors that score at least the k-th best score - slack × the query's length, but no more than `most`."""

    k: int
    slack: float
    most: int

    @staticmethod
    def best(k: int) -> Wanted:
        return Wanted(k, 0.0, k)


@dataclass(frozen=True)
class Nominated:
    """In no particular order; lower places win ties. Only differences of scores count."""

    places: Places
    scores: Singles

    def best_first(self) -> Nominated:
        order = np.lexsort((self.places, -self.scores))
        return Nominated(self.places[order], self.scores[order])

    def with_later(self, more: Nominated, wanted: Wanted, slack: float) -> Nominated:
        """What is wanted of these and of others that lie behind them."""
        if not len(self.places):
            return more
        places, scores = np.concatenate([self.places, more.places]), np.concatenate([self.scores, more.scores])
        kept = _near(scores, wanted, slack)
        return Nominated(places[kept], scores[kept])


NOTHING = Nominated(np.zeros(0, np.int64), np.zeros(0, np.float32))


class FirstPass(Protocol):
    """Vectors in the order of their lists, as a first pass sees them."""

    def nominate(self, queries: Singles, part: Part, wanted: Wanted, usable: Mask | None) -> list[Nominated]:
        """Vectors of a part, for every query. usable: a mask over vectors."""


@dataclass(frozen=True)
class Values:
    """int8 values of all dimensions or of the first."""

    blocks: Blocks

    def nominate(self, queries: Singles, part: Part, wanted: Wanted, usable: Mask | None) -> list[Nominated]:
        query, slacks = Query.of(queries[:, : self.blocks.dim]), wanted.slack * np.linalg.norm(queries, axis=1)
        order, found = np.argsort(part.starts), [NOTHING] * len(queries)
        for starts, ends in _portions(part.starts[order], part.ends[order]):
            scores = kernels.use().scan(query, self.blocks, starts, ends)
            if usable is not None:
                scores = np.where(usable[_places(starts, ends, None)], scores, np.float32(-np.inf))
            tops = [_near(row, wanted, slack) for row, slack in zip(scores, slacks, strict=True)]
            fresh = [Nominated(_places(starts, ends, top), row[top]) for top, row in zip(tops, scores, strict=True)]
            found = [held.with_later(new, wanted, slack) for held, new, slack in zip(found, fresh, slacks, strict=True)]
        return found


def scaled(queries: Singles) -> Singles:
    """q × dim queries as first passes take them: short and long ones are rounded alike, and none is too long."""
    peaks = np.abs(queries).max(axis=1, keepdims=True, initial=0)
    peaks[peaks == 0] = 1
    found: Singles = queries / peaks
    return found


def _near(scores: Singles, wanted: Wanted, slack: float) -> Places:
    """Positions of what is wanted among scores that may be -inf, ascending; the first of equals are wanted more."""
    least = np.float32(-np.finfo(np.float32).max)
    if wanted.k < len(scores):
        least = max(least, scores[top_k(scores, wanted.k)[-1]] - np.float32(slack))
    near: Places = np.flatnonzero(scores >= least)
    return near if len(near) <= wanted.most else near[np.sort(top_k(scores[near], wanted.most))]


def _portions(starts: Places, ends: Places) -> list[tuple[Places, Places]]:
    """Ranges in runs of about CHUNK vectors, at most twice as many."""
    if (ends - starts).max(initial=0) > CHUNK:
        starts, ends = _pieces(starts, ends)
    before = np.cumsum(ends - starts) - (ends - starts)
    cuts = np.flatnonzero(np.diff(before // CHUNK, prepend=-1))
    return [(starts[a:b], ends[a:b]) for a, b in pairwise([*cuts, len(starts)])]


def _pieces(starts: Places, ends: Places) -> tuple[Places, Places]:
    """Ranges cut into some of at most CHUNK vectors."""
    counts = -(-(ends - starts) // CHUNK)
    number = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(starts, counts) + number * CHUNK
    return starts, np.minimum(starts + CHUNK, np.repeat(ends, counts))


def _places(starts: Places, ends: Places, which: Places | None) -> Places:
    """Where some, or all, of the vectors of ranges laid end to end are."""
    lengths = ends - starts
    shift = starts - (np.cumsum(lengths) - lengths)
    if which is None:
        every: Places = np.repeat(shift, lengths) + np.arange(int(lengths.sum()))
        return every
    places: Places = which + shift[np.searchsorted(starts - shift, which, "right") - 1]
    return places


@dataclass(frozen=True)
class Product:
    """codes: of what vectors differ from their list's point. words: m × 16 × SUBSPACE float32."""

    codes: Nibbles
    words: Singles

    @cached_property
    def _columns(self) -> Singles:
        """SUBSPACE × 16 × m: numbers that are added up lie in rows."""
        return np.ascontiguousarray(self.words.transpose(2, 1, 0))

    def nominate(self, queries: Singles, part: Part, wanted: Wanted, usable: Mask | None) -> list[Nominated]:
        mask = None if usable is None else np.ascontiguousarray(usable)
        return [
            self._nominate(query, part.starts, part.ends, middles, wanted, mask)
            for query, middles in zip(queries, part.middles, strict=True)
        ]

    def _nominate(
        self, query: Singles, starts: Places, ends: Places, middles: Singles, wanted: Wanted, usable: Mask | None
    ) -> Nominated:
        parts = np.zeros((len(self.words), SUBSPACE), np.float32)
        parts.ravel()[: len(query)] = query
        best, worst = middles.max(initial=-np.inf), middles.min(initial=np.inf)
        tables = Tables.of((self._columns * parts.T[:, None]).sum(axis=0).T, float(best - worst) / APART)
        steps = np.rint((middles - best) / tables.step)  # only differences count
        biases = np.maximum(steps, -FARTHEST).astype(np.int32)
        slack = min(wanted.slack * float(np.linalg.norm(query)) / float(tables.step), FARTHEST)
        rows = max(int((ends - starts).sum()), 1)
        near = Near(min(wanted.k, rows), int(np.ceil(slack)), min(wanted.most, rows))
        sums, places = kernels.use().lookups(tables.entries, self.codes, starts, ends, biases, near, usable)
        return Nominated(places, sums.astype(np.float32) * tables.step)


def arrays_of(coding: Coding, vectors: Floats, lists: Lists, *, seed: int = 0, threads: int = 1) -> dict[str, Any]:
    """What a segment keeps of n × dim vectors in the order of their lists, for `first_pass`."""
    if coding == "product":
        return _product_arrays(vectors, lists, seed, threads)
    dim = vectors.shape[1]
    width = min(-(-coding.dims // 4) * 4, dim) if isinstance(coding, Prefix) else dim
    values, scales = np.empty((len(vectors), width), np.int8), np.empty(len(vectors), np.float16)
    for start in range(0, len(vectors), CHUNK):
        part = slice(start, start + CHUNK)
        values[part], scales[part] = kernels.quantize(vectors[part, :width])
    blocks = Blocks.of(values, scales)
    return {"blocks": blocks.values, "scales": blocks.scales}


def first_pass(arrays: Arrays) -> FirstPass:
    """Of what `arrays_of` has made."""
    if "nibbles" in arrays:
        return Product(Nibbles(arrays["nibbles"]), arrays["words"])
    return Values(Blocks(arrays["blocks"], arrays["scales"]))


def _product_arrays(vectors: Floats, lists: Lists, seed: int, threads: int) -> dict[str, Any]:
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:SAMPLE])
    words = np.stack([_codewords(part) for part in _split(_residuals(vectors, lists, chosen))])

    def encoded(start: int) -> Bytes:
        parts = _split(_residuals(vectors, lists, np.arange(start, min(start + CHUNK, len(vectors)))))
        return np.stack([_nearest(part, mine) for part, mine in zip(parts, words, strict=True)], axis=1)

    with ThreadPoolExecutor(threads) as pool:
        codes = np.concatenate([np.zeros((0, len(words)), np.uint8), *pool.map(encoded, range(0, len(vectors), CHUNK))])
    return {"nibbles": Nibbles.of(codes).values, "words": words}


def _residuals(vectors: Floats, lists: Lists, places: Places) -> Singles:
    """By what some vectors differ from the point of their list."""
    left: Singles = vectors[places].astype(np.float32) - lists.points[lists.of(places)].astype(np.float32)
    return left


def _split(vectors: Singles) -> NDArray[np.float32]:
    """n × dim → m × n × SUBSPACE, filled up with zeros."""
    whole = np.pad(vectors, ((0, 0), (0, -vectors.shape[1] % SUBSPACE)))
    return np.ascontiguousarray(whole.reshape(len(whole), -1, SUBSPACE).transpose(1, 0, 2))


def _codewords(vectors: Singles) -> Singles:
    """16 codewords of n × SUBSPACE numbers (Lloyd's algorithm from evenly spread rows)."""
    words = vectors[np.linspace(0, len(vectors) - 1, WORDS).astype(np.int64)].copy()
    for _ in range(TURNS):
        nearest = _nearest(vectors, words)
        sizes = np.bincount(nearest, minlength=WORDS)
        for j in range(vectors.shape[1]):
            sums = np.bincount(nearest, vectors[:, j], WORDS)
            words[:, j] = np.where(sizes > 0, sums / np.maximum(sizes, 1), words[:, j])
    return words


def _nearest(vectors: Singles, words: Singles) -> Bytes:
    """For n × SUBSPACE numbers the nearest codeword, the first among equals."""
    scores = words @ vectors.T - (words * words).sum(axis=1, keepdims=True) / 2
    found: Bytes = scores.argmax(axis=0).astype(np.uint8)
    return found

"""What a first pass over dense vectors reads: int8 values, some of them, or product codes. The best are re-scored.

int8      1 byte per dimension: nearly the exact order, so few have to be re-scored
prefix    1 byte for each of the first dimensions only, for encoders whose first dimensions are an embedding of
          their own (Matryoshka representations, Kusupati et al., arXiv 2205.13147)
product   2 bits per dimension: 16 codewords for every two dimensions of what a vector differs from its centroid
          (Jégou, Douze and Schmid 2011, sections 2 and 4), scored by tables that stay in registers (kernels/lookups.h)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index import kernels
from bowerbird.index.base import Mask
from bowerbird.index.kernels import Blocks, Bytes, Nibbles, Query
from bowerbird.index.kernels.nibbles import WORDS, Tables
from bowerbird.index.top import top_k

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.int64]
Singles = NDArray[np.float32]

CHUNK = 1 << 16
"""Vectors that are scored or encoded at a time."""
SUBSPACE = 2
"""Dimensions that share a code of 4 bits."""
SAMPLE = 4096
"""Vectors that codewords are learned from."""
TURNS = 8


@dataclass(frozen=True)
class Prefix:
    """The first `dims` dimensions."""

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
class Lists:
    """List l holds the vectors bounds[l] … bounds[l + 1] - 1, which lie around points[l] (L × dim)."""

    bounds: NDArray[np.int64]
    points: Singles

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def one(vectors: Floats) -> Lists:
        """All of n × dim vectors around their mean."""
        total = np.zeros(vectors.shape[1], np.float64)
        for start in range(0, len(vectors), CHUNK):
            total += vectors[start : start + CHUNK].sum(axis=0, dtype=np.float64)
        mean = (total / max(len(vectors), 1)).astype(np.float32)
        return Lists(np.array([0, len(vectors)], np.int64), mean[None])

    def of(self, places: Places) -> NDArray[np.int64]:
        """The lists that vectors lie in."""
        home: NDArray[np.int64] = np.searchsorted(self.bounds, places, "right") - 1
        return home


class FirstPass(Protocol):
    """Vectors in the order of their lists, as a first pass sees them."""

    def best(
        self, queries: Singles, lists: Lists, chosen: NDArray[np.int64], count: int, usable: Mask | None
    ) -> Sequence[Places]:
        """The `count` vectors in some lists that score best, for every query, best first; lower places win ties.

        chosen: lists, ascending. usable: a mask over vectors.
        """


@dataclass(frozen=True)
class Values:
    """int8 values of all dimensions or of the first."""

    blocks: Blocks

    def best(
        self, queries: Singles, lists: Lists, chosen: NDArray[np.int64], count: int, usable: Mask | None
    ) -> Sequence[Places]:
        query, best = Query.of(queries[:, : self.blocks.dim]), [_Best.none()] * len(queries)
        for starts, ends in _portions(lists.bounds[chosen], lists.bounds[chosen + 1]):
            scores = kernels.use().scan(query, self.blocks, starts, ends)
            if usable is not None:
                scores = np.where(usable[_places(starts, ends, None)], scores, np.float32(-np.inf))
            tops = [top_k(row, count) for row in scores]
            found = [_Best(_places(starts, ends, top), row[top]) for top, row in zip(tops, scores, strict=True)]
            best = [held.with_later(new, count) for held, new in zip(best, found, strict=True)]
        return [one.places[np.isfinite(one.scores)] for one in best]


@dataclass(frozen=True)
class _Best:
    """Best first."""

    places: Places
    scores: Singles

    @staticmethod
    def none() -> _Best:
        return _Best(np.zeros(0, np.int64), np.zeros(0, np.float32))

    def with_later(self, more: _Best, count: int) -> _Best:
        """The best `count` of these and of others that lie behind them."""
        places, scores = np.concatenate([self.places, more.places]), np.concatenate([self.scores, more.scores])
        kept = top_k(scores, count)
        return _Best(places[kept], scores[kept])


def _portions(starts: Places, ends: Places) -> list[tuple[Places, Places]]:
    """Ranges in runs of about CHUNK vectors."""
    before = np.cumsum(ends - starts) - (ends - starts)
    cuts = np.flatnonzero(np.diff(before // CHUNK, prepend=-1))
    return [(starts[a:b], ends[a:b]) for a, b in pairwise([*cuts, len(starts)])]


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

    def best(
        self, queries: Singles, lists: Lists, chosen: NDArray[np.int64], count: int, usable: Mask | None
    ) -> Sequence[Places]:
        starts, ends = lists.bounds[chosen], lists.bounds[chosen + 1]
        mask = None if usable is None else np.ascontiguousarray(usable)
        return [self._best(query, starts, ends, lists.points[chosen] @ query, count, mask) for query in queries]

    def _best(
        self, query: Singles, starts: Places, ends: Places, biases: Singles, count: int, usable: Mask | None
    ) -> Places:
        parts = np.zeros(len(self.words) * SUBSPACE, np.float32)
        parts[: len(query)] = query
        tables = Tables.of(np.einsum("mwj,mj->mw", self.words, parts.reshape(len(self.words), SUBSPACE)))
        steps = np.rint((biases - biases.max(initial=-np.inf)) / tables.step)  # only differences count
        whole = np.maximum(steps, -(2.0**30)).astype(np.int32)
        sums, rows = kernels.use().lookups(tables.entries, self.codes, starts, ends, whole, count, usable)
        best: Places = rows[np.argsort(-sums, kind="stable")].astype(np.int64)
        return best


def arrays_of(coding: Coding, vectors: Floats, lists: Lists, *, seed: int = 0, threads: int = 1) -> dict[str, Any]:
    """What a segment keeps of n × dim vectors in the order of their lists, for `first_pass`."""
    if coding == "product":
        return _product_arrays(vectors, lists, seed, threads)
    width = coding.dims if isinstance(coding, Prefix) else vectors.shape[1]
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
    left: Singles = vectors[places].astype(np.float32) - lists.points[lists.of(places)]
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

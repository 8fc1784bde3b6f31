"""What every index can do: `bowerbird.index` has one per kind of embedding, all of this shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Binary, Dense, Floats, MultiVector

TOKENS = 1 << 10
"""Tokens that are checked at a time, so that they stay in the processor's cache."""
LARGEST = 65_504.0
"""That float16 holds, in which documents are kept."""
LARGEST_ASKED = np.finfo(np.float32).max
"""That float32 holds, in which queries are compared."""

Vectors = TypeVar("Vectors", Dense, MultiVector, Binary, contravariant=True)
Keys = NDArray[np.int64]
Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """keys: q × k int64, -1 where there are fewer hits. scores: q × k float32, -inf there. Best first."""

    keys: Keys
    scores: Scores

    @staticmethod
    def none(queries: int, k: int) -> Found:
        return Found(np.full((queries, k), -1, np.int64), np.full((queries, k), -np.inf, np.float32))

    @staticmethod
    def best(parts: Sequence[Found], queries: int, k: int) -> Found:
        """The k best of what was found in several places; the lower key wins ties."""
        parts = [Found.none(queries, k), *parts]
        keys = np.concatenate([part.keys for part in parts], axis=1)
        scores = np.concatenate([part.scores for part in parts], axis=1)
        order = np.lexsort((keys, -scores, keys < 0))[:, :k]
        return Found(np.take_along_axis(keys, order, 1), np.take_along_axis(scores, order, 1))

    @staticmethod
    def merged(parts: Sequence[Found], queries: int, k: int) -> Found:
        """As `best`, of parts that are in this order each."""
        if len(parts) == 1 and parts[0].keys.shape == (queries, k):
            return parts[0]
        return Found.best(parts, queries, k)


def in_threads(search: Callable[[slice], Found], queries: int, threads: int) -> Found:
    """What a search finds for the rows of a batch of queries, in so many parts at once.

    Raises ValueError for less than one thread.
    """
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    if min(threads, queries) <= 1:
        return search(slice(0, queries))
    bounds = np.linspace(0, queries, min(threads, queries) + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(search, (slice(start, end) for start, end in pairwise(bounds))))
    return Found(np.concatenate([part.keys for part in parts]), np.concatenate([part.scores for part in parts]))


@dataclass(frozen=True, slots=True)
class IndexStats:
    """bytes: of everything that a search may touch. detail: what the kind of index has to say about itself."""

    kind: str
    count: int
    dim: int
    bytes: int
    detail: Mapping[str, Any] = field(default_factory=dict)


class Index(Protocol[Vectors]):
    """Keys are whole numbers from 0 that the caller chooses; adding a key that is there replaces it.

    Many threads may search while one changes. Other handles and processes that have opened the folder see what they
    opened until they change something themselves, one at a time, which begins with what the others have changed.
    """

    @classmethod
    def build(cls, keys: Keys, vectors: Vectors, *, folder: str | Path | None = None) -> Self:
        """folder: where it is kept; without one it lives in memory.

        Raises ValueError for keys that repeat, are negative or more or fewer than the vectors.
        """

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> Self:
        """Map what was built in or saved to a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """

    def save(self, folder: str | Path) -> None:
        """Write a copy to a folder."""

    def __len__(self) -> int: ...

    @property
    def keys(self) -> Keys:
        """In no particular order."""

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Durable, and found by searches that begin later, when this returns. Raises ValueError as `build`."""

    def remove(self, keys: Keys) -> int:
        """How many of the keys there were."""

    def search(self, queries: Vectors, k: int, *, allowed: Mask | None = None, recall: float = 0.95) -> Found:
        """allowed: a mask over keys; keys beyond its end are not allowed. recall: share of the true best to aim at.

        There are k hits wherever k keys are allowed. Raises ValueError for k < 0, a recall outside 0 … 1 and queries
        that do not fit.
        """

    def verify(self) -> list[str]:
        """Names of the files whose bytes are not those that were written."""

    def stats(self) -> IndexStats: ...


def check_keys(keys: Keys, count: int) -> None:
    """Raises ValueError unless these are `count` different whole numbers from 0."""
    if not np.issubdtype(keys.dtype, np.integer) or keys.ndim != 1:
        raise ValueError(f"keys are a list of whole numbers, got {keys.dtype} of shape {keys.shape}")
    if len(keys) != count:
        raise ValueError(f"{len(keys)} keys for {count} vectors; give one key per vector")
    if len(np.unique(keys)) != len(keys):
        raise ValueError("keys repeat; give every vector a key of its own")
    if len(keys) and int(keys.min()) < 0:
        raise ValueError(f"keys are whole numbers from 0, got {int(keys.min())}")


def check_request(k: int, recall: float) -> None:
    """Raises ValueError for a number of hits or a recall that cannot be."""
    if k < 0:
        raise ValueError(f"k is a number of hits, got {k}")
    if not 0 < recall <= 1:
        raise ValueError(f"recall must be above 0 and at most 1, got {recall}")


def check_width(queries: Dense | MultiVector, dim: int) -> None:
    """Raises ValueError for queries of another number of dimensions."""
    if queries.dim != dim:
        raise ValueError(f"queries have {queries.dim} dimensions, the index has vectors of {dim}")


def check_queries(queries: Dense, dim: int) -> None:
    """Raises ValueError for query vectors of another size, or with values that are no numbers of float32."""
    check_width(queries, dim)
    whole = (np.abs(queries.vectors) <= LARGEST_ASKED).all(axis=1)
    if not whole.all():
        raise _no_number(int(np.argmin(whole)))


def check_documents(keys: Keys, tokens: MultiVector) -> None:
    """Raises ValueError unless there is a key of its own for every set, and in every set at least one vector, all of
    numbers that float16 holds."""
    check_keys(keys, len(tokens))
    if tokens.offsets[0] != 0 or (len(keys) and int(tokens.lengths.min()) < 0):
        raise ValueError("offsets of token sets begin at 0 and never fall; MultiVector.of makes them from a list")
    if len(keys) and int(tokens.lengths.min()) == 0:
        raise ValueError(f"document {keys[int(tokens.lengths.argmin())]} has no tokens; leave it out")
    broken = first_broken(tokens)
    if broken >= 0 and np.isfinite(tokens[broken]).all():
        raise ValueError(f"document {keys[broken]} has a value beyond {LARGEST:,.0f}; scale its vectors to length 1")
    if broken >= 0:
        raise ValueError(f"document {keys[broken]} has a token with a value that is no number; leave it out")


def check_token_queries(queries: MultiVector, dim: int) -> None:
    """Raises ValueError for query tokens of another size, or with values that are no numbers of float32."""
    check_width(queries, dim)
    broken = first_broken(queries, float(LARGEST_ASKED))
    if broken >= 0:
        raise _no_number(broken)


def _no_number(query: int) -> ValueError:
    return ValueError(f"query {query} of the batch has a value that is no number, or beyond what float32 holds")


def first_broken(tokens: MultiVector, largest: float = LARGEST) -> int:
    """The first set with a value that is no number or, either side of zero, above `largest`; -1 if there is none."""
    for start in range(0, len(tokens.vectors), TOKENS):
        part = tokens.vectors[start : start + TOKENS]
        if not _are_numbers(part, largest):
            rows = np.array([_are_numbers(row, largest) for row in part])
            return int(np.searchsorted(tokens.offsets, start + int(np.argmin(rows)), "right")) - 1
    return -1


def _are_numbers(vectors: Floats, largest: float) -> bool:
    """Whether all values are numbers up to `largest`. Float16 holds none above, and is compared slowly: its bits are
    not."""
    if vectors.dtype == np.float16:
        return int((vectors.view(np.uint16) & 0x7FFF).max(initial=0)) < 0x7C00
    return bool(np.abs(vectors).max(initial=0) <= largest)

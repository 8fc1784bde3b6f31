"""How many lists a recall takes, and how many vectors have to be re-scored, measured when a segment is built.

Queries are not known yet, so vectors stand for them: one half moved towards the mean, as a short question says less
than a document, the other towards another vector. With either alone some real questions to real texts got too few
lists. For each we look where its true best ten, itself aside, are: the rank of their list among all lists, and their
own rank in the order of the first pass. The latter only for those moved towards another vector: towards the mean all
scores come closer to each other than those of real questions are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.base import Mask
from bowerbird.index.coding import CHUNK, FirstPass, Lists
from bowerbird.index.top import top_k

ASKED = 256
ASIDE = 0.5
"""How much of another vector is added."""
INWARD = 0.5
"""How far a vector is moved towards the mean."""
SAMPLE = 4096
"""Vectors that the mean is taken of."""
TEN = 10
DEEP = 4096
"""Ranks in the order of the first pass that are told apart."""
LEAST = 4
"""Vectors that are re-scored for every hit, at least."""
SHARE = 2
"""The first pass may lose one in SHARE of the hits that a recall leaves out; not looking into all lists the others."""

Ranks = NDArray[np.int32]


@dataclass(frozen=True)
class Calibration:
    """Ascending, for true hits: ranks, of their lists; depths, of their own in the first pass, the number of vectors
    for those below DEEP."""

    ranks: Ranks
    depths: Ranks

    def probes(self, recall: float) -> int:
        """Lists to look into. Raises ValueError unless 0 < recall ≤ 1."""
        return 1 + _quantile(self.ranks, recall / self._of_first_pass(recall))

    def refined(self, recall: float, k: int) -> int:
        """Vectors to re-score for k hits. Raises ValueError unless 0 < recall ≤ 1."""
        deepest = 1 + _quantile(self.depths, self._of_first_pass(recall))
        return max(LEAST * k, -(-deepest * k // TEN))

    @staticmethod
    def _of_first_pass(recall: float) -> float:
        if not 0 < recall <= 1:
            raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
        return 1 - (1 - recall) / SHARE

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"ranks": self.ranks, "depths": self.depths}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """Of a segment; of one that has none, too."""
        none = np.zeros(0, np.int32)
        return Calibration(arrays.get("ranks", none), arrays.get("depths", none))


def _quantile(ascending: Ranks, share: float) -> int:
    if not len(ascending):
        return 0
    return int(ascending[min(int(np.ceil(share * len(ascending))), len(ascending)) - 1])


def calibrate(vectors: Floats, lists: Lists, first: FirstPass, usable: Mask | None, seed: int) -> Calibration:
    """vectors: n × dim in the order of their lists. usable: which can be found at all, None for all."""
    rows = np.arange(len(vectors)) if usable is None else np.flatnonzero(usable)
    asked, own = _questions(vectors, rows, np.random.default_rng(seed))
    true = _best_others(vectors, asked, own, usable)
    order = np.argsort(np.argsort(-(asked @ lists.points.T), axis=1, kind="stable"), axis=1)
    ranks = [near[lists.of(mine)] for near, mine in zip(order, true, strict=True)]
    found = first.best(asked[::2], lists, np.arange(len(lists)), min(DEEP, len(vectors)), usable)
    depths = [_places_of(mine, places, len(vectors)) for mine, places in zip(true[::2], found, strict=True)]
    none = [np.zeros(0, np.int64)]
    return Calibration(*(np.sort(np.concatenate(none + each)).astype(np.int32) for each in (ranks, depths)))


def _questions(
    vectors: Floats, rows: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Queries, and the vectors that they were made from."""
    own, others = random.permutation(rows)[:ASKED], random.permutation(rows)[:ASKED]
    middle = vectors[np.sort(random.permutation(rows)[:SAMPLE])].mean(axis=0, dtype=np.float32)
    chosen = vectors[own].astype(np.float32)
    towards = np.where(
        np.arange(len(own))[:, None] % 2, INWARD * (middle - chosen), ASIDE * vectors[others].astype(np.float32)
    )
    return (chosen + towards).astype(np.float32), own


def _places_of(wanted: NDArray[np.int64], found: NDArray[np.int64], missing: int) -> NDArray[np.int64]:
    """Where in `found` the wanted are."""
    order = np.argsort(found)
    at = np.minimum(np.searchsorted(found, wanted, sorter=order), len(found) - 1)
    return np.where(found[order[at]] == wanted, order[at], missing)


def _best_others(
    vectors: Floats, asked: NDArray[np.float32], own: NDArray[np.int64], usable: Mask | None
) -> list[NDArray[np.int64]]:
    """The exact best ten, without the vector that a query was made from."""
    places, scores = [np.zeros((len(asked), 0), np.int64)], [np.zeros((len(asked), 0), np.float32)]
    for start in range(0, len(vectors), CHUNK):
        part = asked @ vectors[start : start + CHUNK].astype(np.float32).T
        if usable is not None:
            part[:, ~usable[start : start + CHUNK]] = -np.inf
        here = np.flatnonzero((start <= own) & (own < start + CHUNK))
        part[here, own[here] - start] = -np.inf
        tops = np.array([top_k(row, TEN) for row in part], np.int64).reshape(len(part), -1)
        places.append(tops + start)
        scores.append(np.take_along_axis(part, tops, axis=1))
    all_places, all_scores = np.concatenate(places, axis=1), np.concatenate(scores, axis=1)
    tops = np.array([top_k(row, TEN) for row in all_scores], np.int64).reshape(len(asked), -1)
    best = np.take_along_axis(all_places, tops, axis=1)
    found = np.isfinite(np.take_along_axis(all_scores, tops, axis=1))
    return [row[there] for row, there in zip(best, found, strict=True)]

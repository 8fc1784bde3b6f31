"""How many lists a recall takes, and which vectors have to be re-scored, measured when a segment is built.

Queries are not known yet, so vectors stand for them: one half moved towards the mean, as a short question says less
than a document, the other towards another vector. With either alone some real questions to real texts got too few
lists. For each we look where its true best ten, itself aside, are: the rank of their list among all lists, and by how
much the first pass scores them below its own tenth best, the slack. How many vectors lie within it differs from query
to query; the slack hardly does, as it is the error of the first pass, nor with the number of hits that are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.base import Mask
from bowerbird.index.coding import BATCH, CHUNK, FirstPass, Lists, Nominated, Wanted, scaled
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
"""Vectors of the first pass that the true best are looked for in."""
MOST = 100
"""Vectors that are re-scored for every hit, at most."""
LEAST = 4
"""The same, at least, with files of older versions."""
LEAST_LENGTH = np.float32(1e-9)
"""Of a query, so that it can be divided by."""
SHARE = 2
"""The first pass may lose one in SHARE of the hits that a recall leaves out; not looking into all lists the others."""

Ranks = NDArray[np.int32]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """Ascending, for true hits: ranks, of their lists; slacks, what they score less than the tenth best of the first
    pass, for queries of length 1. Files of older versions have depths instead, their ranks in the first pass."""

    ranks: Ranks
    slacks: Singles
    depths: Ranks

    def probes(self, recall: float) -> int:
        """Lists to look into. Raises ValueError unless 0 < recall ≤ 1."""
        return 1 + int(_quantile(self.ranks, recall / self._of_first_pass(recall)))

    def wanted(self, recall: float, k: int) -> Wanted:
        """Vectors to re-score for k hits. Raises ValueError unless 0 < recall ≤ 1."""
        share = self._of_first_pass(recall)
        if len(self.slacks):
            return Wanted(k, max(float(_quantile(self.slacks, share)), 0.0), MOST * k)
        deepest = 1 + int(_quantile(self.depths, share))
        return Wanted.best(max(LEAST * k, -(-deepest * k // TEN)))

    @staticmethod
    def _of_first_pass(recall: float) -> float:
        if not 0 < recall <= 1:
            raise ValueError(f"recall must be above 0 and at most 1, got {recall}")
        return 1 - (1 - recall) / SHARE

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"ranks": self.ranks, "slacks": self.slacks}

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """Of a segment; of one that has none, too."""
        none = np.zeros(0, np.int32)
        slacks = arrays.get("slacks", np.zeros(0, np.float32))
        return Calibration(arrays.get("ranks", none), slacks, arrays.get("depths", none))


def _quantile(ascending: NDArray[Any], share: float) -> float:
    if not len(ascending):
        return 0
    return float(ascending[min(int(np.ceil(share * len(ascending))), len(ascending)) - 1])


def _ascending(parts: Sequence[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.sort(np.concatenate([np.zeros(0), *parts])).astype(kind)


def calibrate(vectors: Floats, lists: Lists, first: FirstPass, usable: Mask | None, seed: int) -> Calibration:
    """vectors: n × dim in the order of their lists. usable: which can be found at all, None for all."""
    rows = np.arange(len(vectors)) if usable is None else np.flatnonzero(usable)
    if not len(rows):
        return Calibration.of({})
    asked, own = _questions(vectors, rows, np.random.default_rng(seed))
    true = _best_others(vectors, asked, own, usable)
    batches = [slice(start, start + BATCH) for start in range(0, len(asked), BATCH)]
    parts = [_measured(scaled(asked[batch]), true[batch], lists, first, usable) for batch in batches]
    ranks, slacks = zip(*parts, strict=True)
    return Calibration.of({"ranks": _ascending(ranks, np.int32), "slacks": _ascending(slacks, np.float32)})


def _measured(
    asked: Singles, true: Sequence[NDArray[np.int64]], lists: Lists, first: FirstPass, usable: Mask | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ranks and slacks of the true hits of some queries."""
    scores = lists.scores(asked)
    order = np.argsort(np.argsort(-lists.promise(asked, scores), axis=1, kind="stable"), axis=1)
    ranks = [near[lists.of(mine)] for near, mine in zip(order, true, strict=True)]
    found = first.nominate(asked, lists.part(np.arange(len(lists)), scores), Wanted.best(DEEP), usable)
    lengths = np.maximum(np.linalg.norm(asked, axis=1), LEAST_LENGTH)
    slacks = [_below(mine, one.best_first()) / length for mine, one, length in zip(true, found, lengths, strict=True)]
    return np.concatenate(ranks), np.concatenate(slacks)


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


def _below(wanted: NDArray[np.int64], found: Nominated) -> Singles:
    """What the wanted score less than the tenth of those that were found, as much as the last if they are not there.

    found: best first.
    """
    order = np.argsort(found.places)
    at = np.minimum(np.searchsorted(found.places, wanted, sorter=order), len(order) - 1)
    there = found.places[order[at]] == wanted
    tenth = found.scores[min(TEN, len(found.scores)) - 1]
    below: Singles = tenth - np.where(there, found.scores[order[at]], found.scores[-1])
    return below


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

"""How a query finds its documents: centroids, then quantised tokens.

1  every query token is compared with every centroid, once: one byte per pair
2  documents are scored by their centroids (all of them, or those in the lists of the best centroids)
3  the best `candidates` of them by MaxSim over their stored tokens
4  the best few of those by their float16 tokens, where the index keeps them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index import kernels
from bowerbird.index.kernels import SLOTS, Bytes, Query
from bowerbird.index.multivector.segment import Model, Segment
from bowerbird.index.top import top_k

Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]


RESCORED = {8: 3, 4: 3, 2: 5}
"""Documents per hit that are scored again by float16 tokens, by the bits of the stored ones."""


@dataclass(frozen=True, slots=True)
class Effort:
    """candidates: documents scored by MaxSim. probes: lists per query token, 0 for a pass over all documents."""

    candidates: int
    probes: int = 0

    @property
    def reached(self) -> int:
        """Documents from the lists that are scored by all their centroids."""
        return 4 * self.candidates


class Coded(Protocol):
    """Documents by their centroids (see segment.py); the tokens may lie elsewhere."""

    @property
    def codes(self) -> NDArray[np.uint16]: ...
    @property
    def code_offsets(self) -> NDArray[np.int64]: ...
    @property
    def listed(self) -> bool: ...
    @property
    def arrays(self) -> Mapping[str, NDArray[Any]]: ...
    def __len__(self) -> int: ...


def best_keys(
    keys: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k keys with the highest scores, best first; the smaller key wins ties."""
    if len(keys) > 4 * k:
        kept = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
        keys, scores = keys[kept], scores[kept]
    order = np.lexsort((keys, -scores))[:k]
    return keys[order], scores[order]


def search(
    segments: Sequence[Segment], usable: Sequence[Mask | None], model: Model, tokens: Floats, k: int, effort: Effort
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """One query, m × dim unit vectors → keys and MaxSim, best first.

    usable: per segment the documents that may be found, None for all.
    """
    run = kernels.use()
    query = Query.of(tokens)
    candidates = max(effort.candidates, k)
    if sum(_count(segment, mask) for segment, mask in zip(segments, usable, strict=True)) <= candidates:
        chosen = [_rows(mask) for mask in usable]
    else:
        tables = [run.table(part, model.centroids.blocks, len(model.centroids)) for part in parts(query)]
        chosen = nominate(run, segments, usable, tables, len(query), Effort(candidates, effort.probes))
    keys, scores, places = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)], [np.zeros((0, 2), np.int64)]
    for number, (segment, some) in enumerate(zip(segments, chosen, strict=True)):
        rows = np.arange(len(segment)) if some is None else some
        keys.append(segment.keys[rows])
        scores.append(segment.maxsim(query, some))
        places.append(np.stack([np.full(len(rows), number), rows], axis=1))
    key, score = np.concatenate(keys), np.concatenate(scores)
    if model.exact and k:
        best = top_k(score, RESCORED[model.bits] * k)
        key, score = key[best], _rescored(segments, np.concatenate(places)[best], np.asarray(tokens, np.float32))
    return best_keys(key, score, k)


def _rescored(
    segments: Sequence[Segment], places: NDArray[np.int64], query: NDArray[np.float32]
) -> NDArray[np.float32]:
    """MaxSim of documents by their float16 tokens. places: number of the segment and row, n × 2."""
    scores = np.empty(len(places), np.float32)
    for number, segment in enumerate(segments):
        mine = np.flatnonzero(places[:, 0] == number)
        if len(mine) and segment.exact is not None:
            rows = np.ascontiguousarray(places[mine, 1])
            scores[mine] = kernels.use().maxsim_half(query, segment.exact, segment.offsets, rows)
    return scores


def nominate(
    run: ModuleType,
    segments: Sequence[Coded],
    usable: Sequence[Mask | None],
    tables: Sequence[Bytes],
    asked: int,
    effort: Effort,
) -> list[Rows | None]:
    """Per segment the documents with the best centroids, `effort.candidates` in all."""
    rows, scores = [], []
    for segment, mask in zip(segments, usable, strict=True):
        mine = _rows(mask)
        if effort.probes and segment.listed and _count(segment, mask) > 2 * effort.reached:
            listed = _listed(run, segment, mask, tables, asked, effort)
            mine = listed if len(listed) >= effort.candidates else mine
        rows.append(mine)
        scores.append(interact(run, segment, tables, mine))
    bounds = np.cumsum([0, *map(len, scores)])
    best = run.top(np.concatenate(scores), effort.candidates)
    split = np.searchsorted(best, bounds)
    chosen = [best[a:b] - np.int32(start) for (a, b), start in zip(pairwise(split), bounds, strict=False)]
    return [some if mine is None else mine[some] for some, mine in zip(chosen, rows, strict=True)]


def interact(run: ModuleType, segment: Coded, tables: Sequence[Bytes], rows: Rows | None) -> Rows:
    """Scores by centroids, halved for very long queries so that they fit into 16 bits."""
    total = run.interact(tables[0], segment.codes, segment.code_offsets, rows)
    for table in tables[1:]:
        total += run.interact(table, segment.codes, segment.code_offsets, rows)
    limit = len(tables) * SLOTS * 255
    scaled: Rows = total if limit < 65536 else (total // (limit // 65536 + 1)).astype(np.int32)
    return scaled


def _listed(
    run: ModuleType, segment: Coded, mask: Mask | None, tables: Sequence[Bytes], asked: int, effort: Effort
) -> Rows:
    """Documents that the lists reach best, at most `effort.reached`."""
    return _most(run, *reach(run, segment, tables, asked, effort.probes), mask, effort.reached)


def reach(
    run: ModuleType, segment: Coded, tables: Sequence[Bytes], asked: int, probes: int
) -> tuple[Rows, NDArray[np.int32]]:
    """Documents in the lists of the best centroids of each query token, and their scores by those alone."""
    lists, offsets = segment.arrays["lists"], segment.arrays["list_offsets"]
    total = np.zeros(len(segment), np.int32)
    for number, table in enumerate(tables):
        here = min(SLOTS, asked - number * SLOTS)
        found, reached = run.gather(table, here, probes, offsets, lists, len(segment))
        if len(tables) == 1:
            return found, reached
        total[found] += reached
    found = np.flatnonzero(total).astype(np.int32)
    return found, np.minimum(total[found], 65535)


def _most(run: ModuleType, found: Rows, reached: Rows, mask: Mask | None, count: int) -> Rows:
    if mask is not None:
        kept = mask[found]
        found, reached = found[kept], reached[kept]
    chosen: Rows = found[run.top(reached, count)]
    return chosen


def parts(query: Query) -> list[Query]:
    """A query in pieces that fit a table."""
    return [query.part(start, start + SLOTS) for start in range(0, len(query), SLOTS)]


def _rows(mask: Mask | None) -> Rows | None:
    return None if mask is None else np.flatnonzero(mask).astype(np.int32)


def _count(segment: Coded, mask: Mask | None) -> int:
    return len(segment) if mask is None else int(np.count_nonzero(mask))

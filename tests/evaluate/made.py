"""Rankings and benchmarks made of plain words, for tests of what is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import bowerbird as bb
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.judged import Catalogue, Judged, judge
from bowerbird.ranking import Ranking


def ranking(hits: Mapping[str, Sequence[str] | Mapping[str, float]]) -> Ranking:
    """Hits per query: ids from best to worst, or ids with scores in any order."""
    queries, number, ids, scores = [], [], [], []
    for row, (name, found) in enumerate(hits.items()):
        queries.append(bb.Query.of(name))
        scored = found if isinstance(found, Mapping) else {hit: -float(rank) for rank, hit in enumerate(found)}
        number += [row] * len(scored)
        ids += list(scored)
        scores += list(scored.values())
    columns = np.array(number, np.int64), np.array(ids, object), np.array(scores, np.float32)
    return Ranking.from_hits(queries, *columns)


def judged(
    hits: Mapping[str, Sequence[str] | Mapping[str, float]],
    qrels: Mapping[str, Mapping[str, float]],
    benchmark: Benchmark | None = None,
) -> Judged:
    return judge(ranking(hits), list(hits), qrels, Catalogue(benchmark) if benchmark else None)


def benchmark(qrels: Mapping[str, Mapping[str, float]], items: Sequence[bb.Item] = (), **more: Any) -> Benchmark:
    """A benchmark whose queries are the words that name them."""
    queries = {name: bb.Query.of(name) for name in qrels}
    return Benchmark("made", queries, qrels, lambda: iter(items), **more)


def passage(name: str, text: str = "", **place: Any) -> bb.Item:
    return bb.Item(name, "passage", (bb.Text(text or name),), bb.Locator(place.pop("source", name), **place))


@dataclass(frozen=True)
class Found:
    """A pipeline that finds the same hits for a query every time, told by the query's words."""

    hits: Mapping[str, Sequence[str] | Mapping[str, float]]

    def __call__(self, asked: Ranking) -> Ranking:
        found = ranking({query.text: self.hits.get(query.text, ()) for query in asked.queries})
        return replace(found, queries=asked.queries)

"""Evaluation of large runs against ranx and pytrec_eval, in one process each after the other.

    python -m benchmarks.evaluation                     # 10,000 queries × 1,000 hits, a few minutes
    python -m benchmarks.evaluation --queries 1000

The run is made: 1,000 hits of each query from 100,000 documents, a tenth of the scores tied, 20 judgements with
grades 0 to 3. Every tool starts from the same flat columns (query number, document, score), makes its own input of
them, then computes six measures for every query. Seconds are of the processor (all threads together), the best of
`--repeats`; compilation by numba is left out.
The mean values of all tools are compared with ours before anything is printed.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import bowerbird as bb
from benchmarks.report import machine, write_section
from bowerbird.evaluate import evaluate
from bowerbird.ranking import Ranking

GUIDE = Path(__file__).parents[1] / "docs/benchmarks.md"
DOCUMENTS = 100_000
HITS = 1_000
JUDGED = 20
MEASURES = ("nDCG@10", "AP", "RR", "P@10", "R@100", "Success@5")
IN_PYTREC_EVAL = ("ndcg_cut_10", "map", "recip_rank", "P_10", "recall_100", "success_5")
IN_RANX = ("ndcg@10", "map", "mrr", "precision@10", "recall@100", "hit_rate@5")

Values = Mapping[str, float]


@dataclass(frozen=True)
class Columns:
    """A run as flat columns, by query and score, and its judgements."""

    names: list[str]
    query: NDArray[np.int64]
    ids: NDArray[Any]
    scores: NDArray[np.float32]
    qrels: dict[str, dict[str, int]]

    def nested(self) -> dict[str, dict[str, float]]:
        """The run as dictionaries, as pytrec_eval and ranx take it."""
        ids, scores = self.ids.tolist(), self.scores.tolist()
        return {
            name: dict(zip(ids[start : start + HITS], scores[start : start + HITS], strict=True))
            for name, start in zip(self.names, range(0, len(ids), HITS), strict=True)
        }


@dataclass(frozen=True)
class Tool:
    """make: columns → the tool's input; score: that input → mean values."""

    name: str
    make: Callable[[Columns], Any]
    score: Callable[[Any], Values]


def columns(queries: int, seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    documents = np.array([f"doc{number:06d}" for number in range(DOCUMENTS)], object)
    names = [f"q{number}" for number in range(queries)]
    ids, qrels = [], {}
    for name in names:
        found = rng.choice(DOCUMENTS, HITS, replace=False)
        ids.append(documents[found])
        judged = np.concatenate(
            [rng.choice(found, JUDGED // 2, replace=False), rng.integers(0, DOCUMENTS, JUDGED // 2)]
        )
        grades = rng.integers(0, 4, JUDGED)
        qrels[name] = {str(documents[row]): int(grade) for row, grade in zip(judged, grades, strict=True)}
    scores = rng.random((queries, HITS), np.float32)
    tied = rng.random(scores.shape) < 0.1
    scores[tied] = np.round(scores[tied], 2)
    scores = -np.sort(-scores, axis=1)
    return Columns(names, np.repeat(np.arange(queries), HITS), np.concatenate(ids), scores.ravel(), qrels)


def ours() -> Tool:
    def make(data: Columns) -> Any:
        offsets = np.arange(0, len(data.ids) + 1, HITS)
        queries = (bb.Query(()),) * len(data.names)
        return Ranking(queries, offsets, data.ids, data.scores), data

    def score(given: Any) -> Values:
        ranking, data = given
        return evaluate(ranking, data.qrels, MEASURES, query_ids=data.names).values

    return Tool("bowerbird", make, score)


def pytrec_eval() -> Tool:
    import pytrec_eval

    def make(data: Columns) -> Any:
        return pytrec_eval.RelevanceEvaluator(data.qrels, set(IN_PYTREC_EVAL)), data.nested()

    def score(given: Any) -> Values:
        evaluator, run = given
        found = evaluator.evaluate(run).values()
        means = (float(np.mean([row[name] for row in found])) for name in IN_PYTREC_EVAL)
        return dict(zip(MEASURES, means, strict=True))

    return Tool("pytrec_eval", make, score)


def ranx() -> Tool:
    import ranx

    def make(data: Columns) -> Any:
        return ranx.Qrels(data.qrels), ranx.Run(data.nested())

    def score(given: Any) -> Values:
        found = ranx.evaluate(*given, list(IN_RANX))
        return dict(zip(MEASURES, (float(found[name]) for name in IN_RANX), strict=True))

    return Tool("ranx", make, score)


def timed(tool: Tool, data: Columns, repeats: int) -> tuple[float, float, Values]:
    """Best seconds to make the input, best seconds to score it, and the values."""
    making, scoring, values = [], [], {}
    for _ in range(repeats):
        gc.collect()
        started = time.process_time()
        given = tool.make(data)
        making.append(time.process_time() - started)
        started = time.process_time()
        values = dict(tool.score(given))
        scoring.append(time.process_time() - started)
        del given
    return min(making), min(scoring), values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    data, small = columns(given.queries), columns(100, seed=1)
    header = ("tool", "input, s", "measures, s", "together, s", "times ours", "largest difference")
    rows: list[tuple[str, ...]] = []
    first: tuple[float, Values] | None = None
    for tool in (ours(), pytrec_eval(), ranx()):
        timed(tool, small, 1)  # imports and compilation
        making, scoring, values = timed(tool, data, given.repeats)
        first = first or (making + scoring, values)
        differs = max(abs(values[name] - first[1][name]) for name in MEASURES)
        cells = (making, scoring, making + scoring)
        ratio = f"{(making + scoring) / first[0]:.1f}"
        rows.append((tool.name, *(f"{seconds:.2f}" for seconds in cells), ratio, f"{differs:.1e}"))
    title = f"{given.queries:,} queries × {HITS:,} hits, {len(MEASURES)} measures ({', '.join(MEASURES)})"
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(title, table)
    lines = ["| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows)]
    write_section(GUIDE, "evaluation", "\n".join([f"{title}, on {machine()}; seconds of the processor.", "", *lines]))


if __name__ == "__main__":
    main()

"""Run a pipeline over all queries of a benchmark, and write what it found as TREC runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmark import Benchmark, Qrels
from bowerbird.items import Part, Query, QueryLike
from bowerbird.ranking import Ranking, trec_word

Pipeline: TypeAlias = Callable[[Ranking], Ranking]


def asked(benchmark: Benchmark) -> list[Query]:
    """The queries of a benchmark in order; plain texts and parts become queries. Raises EvaluationError for others."""
    return [_query(benchmark.name, name, content) for name, content in benchmark.queries.items()]


def _query(benchmark: str, name: str, content: QueryLike) -> Query:
    odd: list[object]
    try:
        query = Query.of(content)
        odd = [part for part in query.parts if not isinstance(part, Part)]
    except TypeError:
        odd = [content]
    if odd:
        raise EvaluationError(
            f"query {name!r} of {benchmark} holds a {type(odd[0]).__name__}; "
            f"a query is a Query, a text, a part, or a list of texts and parts"
        )
    return query


def run(
    pipeline: Pipeline, queries: Sequence[Query], *, name: str, batch: int, advance: Callable[[int], None]
) -> tuple[Ranking, float]:
    """One ranking of all queries, asked in batches, and the seconds that the pipeline took.

    The first query is asked once more before, so that models and indexes are loaded when the clock runs.
    Raises EvaluationError, naming the pipeline, if it gives no ranking or drops queries.
    """
    found, seconds = [], 0.0
    pipeline(Ranking.empty(queries[:1]))
    for start in range(0, len(queries), batch):
        part = queries[start : start + batch]
        started = time.perf_counter()
        ranking = pipeline(Ranking.empty(part))
        seconds += time.perf_counter() - started
        if not isinstance(ranking, Ranking):
            raise EvaluationError(f"{name} returned {type(ranking).__name__}; a pipeline maps a Ranking to a Ranking")
        if len(ranking) != len(part):
            raise EvaluationError(
                f"{name} was given {len(part)} queries and returned {len(ranking)}; "
                f"a pipeline must return every query, also those without hits, in the same order"
            )
        found.append(ranking)
        advance(len(part))
    return joined(queries, found), seconds


def joined(queries: Sequence[Query], parts: Sequence[Ranking]) -> Ranking:
    """Rankings of consecutive batches as one; evidence columns are left behind."""
    counts = np.concatenate([[0], *(np.diff(part.offsets) for part in parts)])
    ids = np.concatenate([part.ids.astype(object) for part in parts]) if parts else np.empty(0, object)
    scores = np.concatenate([part.scores for part in parts]) if parts else np.empty(0, np.float32)
    return Ranking(tuple(queries), np.cumsum(counts).astype(np.int64), ids, scores)


def write_run(path: Path, ranking: Ranking, query_ids: Sequence[str], tag: str) -> None:
    """See `Ranking.to_trec`."""
    path.write_text(ranking.to_trec(query_ids, tag), "utf8")


def write_qrels(path: Path, qrels: Qrels) -> None:
    """TREC qrels: lines 'qid 0 docid gain'."""
    with path.open("w", encoding="utf8") as file:
        for name, gains in qrels.items():
            for item, gain in gains.items():
                file.write(f"{trec_word(name)} 0 {trec_word(item)} {gain:g}\n")

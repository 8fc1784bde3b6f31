"""Compare pipelines on a benchmark: one table, with what is certain about its differences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.judged import Catalogue
from bowerbird.evaluate.measures.composed import within, without
from bowerbird.evaluate.measures.registry import measure
from bowerbird.evaluate.progress import progress
from bowerbird.evaluate.results import Comparison, Results, System
from bowerbird.evaluate.runs import Pipeline, asked, run
from bowerbird.evaluate.scoring import score
from bowerbird.evaluate.statistics import Floats, bootstrap, holm, paired_t, randomisation


def experiment(
    pipelines: Sequence[Pipeline],
    benchmark: Benchmark,
    measures: Sequence[str] | None = None,
    *,
    names: Sequence[str] | None = None,
    baseline: int | None = 0,
    seed: int = 0,
    batch: int = 100,
) -> Results:
    """Run every pipeline over all queries and compare what they find.

    pipelines: stages, or any function from rankings to rankings, over a library that holds the benchmark (`fill`).
    measures: without it, the benchmark's own. names: without it, how the pipelines print.
    baseline: the pipeline that all others are tested against (paired t-test and randomisation test, Holm-corrected
    over the pipelines per measure); None for no tests. seed: of the randomisation and the bootstrap.
    Hits that the benchmark leaves out, or that are outside a query's pool, are taken out before anything is counted.
    Raises EvaluationError for misspelt measures (before anything runs), and for rankings that cannot be scored.
    """
    wanted = tuple(measures or benchmark.measures)
    for name in wanted:
        measure(name)
    titles = _titles(pipelines, names)
    if baseline is not None and not 0 <= baseline < len(pipelines):
        raise EvaluationError(f"baseline {baseline} is none of the {len(pipelines)} pipelines; they count from 0")
    catalogue, queries, query_ids = Catalogue(benchmark), asked(benchmark), list(benchmark.queries)
    systems = []
    for title, pipeline in zip(titles, pipelines, strict=True):
        with progress(title, len(queries)) as advance:
            ranking, seconds = run(pipeline, queries, name=title, batch=batch, advance=advance)
        ranking = within(without(ranking, query_ids, benchmark.left_out), query_ids, benchmark.pools)
        evaluation = score(ranking, query_ids, benchmark.qrels, wanted, catalogue)
        systems.append(System(title, ranking, evaluation, seconds))
    low, high = _intervals(systems, seed)
    comparisons = {} if baseline is None else _comparisons(systems, baseline, seed)
    return Results(benchmark, wanted, tuple(systems), baseline, seed, low, high, comparisons)


def _titles(pipelines: Sequence[Pipeline], names: Sequence[str] | None) -> list[str]:
    titles = [repr(pipeline) for pipeline in pipelines] if names is None else list(names)
    if not pipelines or len(titles) != len(pipelines):
        raise EvaluationError(f"there are {len(pipelines)} pipelines and {len(titles)} names; give one name to each")
    if len(set(titles)) < len(titles):
        twice = next(title for title in titles if titles.count(title) > 1)
        raise EvaluationError(f"two pipelines are called {twice!r}; tell them apart with names=[…]")
    return titles


def _columns(systems: Sequence[System]) -> tuple[list[tuple[str, str]], Floats]:
    """(system, measure) of every column that has values per query, and these: q × columns."""
    keys = [(system.name, name) for system in systems for name in system.evaluation.per_query]
    columns = [values for system in systems for values in system.evaluation.per_query.values()]
    return keys, np.stack(columns, axis=1) if columns else np.empty((0, 0))


def _intervals(systems: Sequence[System], seed: int) -> tuple[dict[tuple[str, str], float], ...]:
    keys, values = _columns(systems)
    if not keys:
        return {}, {}
    low, high = bootstrap(values, seed)
    return dict(zip(keys, low.tolist(), strict=True)), dict(zip(keys, high.tolist(), strict=True))


def _comparisons(systems: Sequence[System], baseline: int, seed: int) -> dict[tuple[str, str], Comparison]:
    """Every other system against the baseline, in every measure with values per query."""
    others = [system for number, system in enumerate(systems) if number != baseline]
    base = systems[baseline].evaluation.per_query
    keys, values = _columns(others)
    if not keys:
        return {}
    differences = values - np.stack([base[name] for _, name in keys], axis=1)
    t, random = paired_t(differences), randomisation(differences, seed)
    out = {}
    for name in base:
        mine = [column for column, key in enumerate(keys) if key[1] == name]
        for column, p_t, p_random in zip(mine, holm(t[mine]), holm(random[mine]), strict=True):
            delta = differences[:, column]
            better, worse = int((delta > 0).sum()), int((delta < 0).sum())
            out[keys[column]] = Comparison(float(np.nanmean(delta)), better, worse, float(p_t), float(p_random))
    return out

"""Score one ranking against judgements, or answers against references."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmark import Benchmark, Qrels
from bowerbird.evaluate.judged import Catalogue, Floats, judge
from bowerbird.evaluate.measures.answers import Reference, Reply
from bowerbird.evaluate.measures.composed import within, without
from bowerbird.evaluate.measures.registry import answer_measure, measure
from bowerbird.ranking import Ranking


@dataclass(frozen=True)
class Evaluation:
    """Values of one system. evaluation["nDCG@10"] is the mean over the judged queries.

    per_query: for every measure that has one value per query, in the order of query_ids.
    """

    query_ids: tuple[str, ...]
    values: Mapping[str, float]
    per_query: Mapping[str, Floats]

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def evaluate(
    ranking: Ranking,
    truth: Benchmark | Qrels,
    measures: Sequence[str] | None = None,
    *,
    query_ids: Sequence[str] | None = None,
) -> Evaluation:
    """Score a ranking.

    truth: a benchmark, whose left_out and pools are honoured, or bare qrels.
    measures: without it, the benchmark's own, or nDCG@10.
    query_ids: the id of every query of the ranking; without it, they are the queries of the benchmark (or of the
    qrels), in their order.
    Judged queries without hits score 0; queries without judgements are left out.
    Raises EvaluationError for duplicate hits, unknown queries, unknown measures, and measures of relevant items where
    a benchmark judges places alone.
    """
    benchmark = truth if isinstance(truth, Benchmark) else None
    catalogue = Catalogue(benchmark) if benchmark else None
    qrels = truth.qrels if isinstance(truth, Benchmark) else truth
    names = list(query_ids if query_ids is not None else benchmark.queries if benchmark else qrels)
    wanted = measures or (benchmark.measures if benchmark else ("nDCG@10",))
    return score(ranking, names, qrels, wanted, catalogue)


def score(
    ranking: Ranking, query_ids: Sequence[str], qrels: Qrels, measures: Sequence[str], catalogue: Catalogue | None
) -> Evaluation:
    """`evaluate` with everything spelt out; a catalogue is shared between the systems of an experiment."""
    wanted = [measure(name) for name in measures]
    if catalogue and len(query_ids) == len(ranking):
        ranking = without(ranking, query_ids, catalogue.benchmark.left_out)
        ranking = within(ranking, query_ids, catalogue.benchmark.pools)
    judged = judge(ranking, query_ids, qrels, catalogue)
    if not len(judged):
        raise EvaluationError("no query has judgements, so there is nothing to average; check the qrels")
    lacking = [chosen.name for chosen in wanted if chosen.needs_qrels]
    if lacking and not len(judged.gains):
        raise EvaluationError(
            f"{lacking[0]} asks which items are relevant, but only places are judged; there are no qrels"
        )
    if not len(judged.ranking.ids):
        warnings.warn(f"nothing was found for any of {len(judged)} queries; is the library filled?", stacklevel=3)
    values, per_query = {}, {}
    for chosen in wanted:
        found = chosen.compute(judged)
        if isinstance(found, np.ndarray):
            per_query[chosen.name] = found
        values[chosen.name] = _mean(found)
    return Evaluation(judged.query_ids, values, per_query)


def evaluate_answers(
    replies: Mapping[str, Reply | str], references: Mapping[str, Reference], measures: Sequence[str]
) -> Evaluation:
    """Score answers by query id against references; a question without an answer scores as an empty one.

    Raises EvaluationError for answers to questions that have no reference, and for unknown measures.
    """
    unknown = set(replies) - set(references)
    if unknown:
        raise EvaluationError(f"{len(unknown)} answers have no reference, such as {min(unknown)!r}")
    given = {name: replies.get(name, "") for name in references}
    ready = {name: Reply(reply) if isinstance(reply, str) else reply for name, reply in given.items()}
    per_query = {}
    for name in measures:
        compute = answer_measure(name)
        per_query[name] = np.array([compute(ready[query], reference) for query, reference in references.items()])
    values = {name: _mean(found) for name, found in per_query.items()}
    return Evaluation(tuple(references), values, per_query)


def _mean(found: Floats | float) -> float:
    """The mean over the queries for which a measure is defined; NaN if it is for none."""
    known = np.atleast_1d(found)[~np.isnan(np.atleast_1d(found))]
    return float(known.mean()) if len(known) else float("nan")

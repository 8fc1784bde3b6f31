"""All other measures, through ir-measures (MacAvaney et al., ECIR 2022), which calls the reference programs."""

from __future__ import annotations

from subprocess import SubprocessError
from typing import Any

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Floats, Judged


def compute(judged: Judged, measure: Any) -> Floats:
    """A parsed measure of ir-measures for every query: q.

    Some of the programs behind it want numbers for query ids, ids without blanks and scores above 0, and each breaks
    ties its own way; so queries and items are numbered, and scores fall with the rank in trec_eval's order.
    Raises EvaluationError for gains that are no whole numbers, or if no installed program computes the measure.
    """
    import ir_measures

    if not np.array_equal(judged.gains, np.round(judged.gains)):
        raise EvaluationError(f"{measure} counts whole gains, but the qrels hold fractions; round them first")
    number: dict[str, str] = {}
    qrels, run = {}, {}
    for row, (name, hits) in enumerate(zip(judged.query_ids, judged.hits(), strict=True)):
        gains = judged.qrels[name].items()
        qrels[str(row)] = {number.setdefault(item, f"d{len(number)}"): int(gain) for item, gain in gains}
        named = (number.setdefault(hit, f"d{len(number)}") for hit in hits)
        run[str(row)] = {hit: float(len(hits) - rank) for rank, hit in enumerate(named)}
    try:
        found = {metric.query_id: metric.value for metric in ir_measures.iter_calc([measure], qrels, run)}
    except (ValueError, RuntimeError, OSError, SubprocessError) as error:
        raise EvaluationError(f"{measure} cannot be computed here: {error}") from error
    return np.array([found.get(str(row), 0.0) for row in range(len(judged))], np.float64)

"""Composed image retrieval: a picture and words ask for another picture.

The reference picture is no answer: CIRR and CIRCO take it out before they count (FashionIQ does not). CIRCO's
multi-target mAP@k is `average_precision` with the divisor min(R,k) on what `without` leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Floats, Judged
from bowerbird.ranking import Ranking


def without(ranking: Ranking, query_ids: Sequence[str], left_out: Mapping[str, frozenset[str]]) -> Ranking:
    """A ranking without those hits that are left out for their query, such as its reference picture."""
    if not left_out:
        return ranking
    return ranking.take(~_named(ranking, query_ids, left_out))


def within(ranking: Ranking, query_ids: Sequence[str], pools: Mapping[str, frozenset[str]]) -> Ranking:
    """A ranking with only those hits that are in the pool of their query; queries without a pool keep all."""
    if not pools:
        return ranking
    has_pool = np.array([name in pools for name in query_ids], bool)
    return ranking.take(_named(ranking, query_ids, pools) | ~has_pool[ranking.query_of_hit])


def _named(ranking: Ranking, query_ids: Sequence[str], sets: Mapping[str, frozenset[str]]) -> NDArray[np.bool_]:
    """Which hits are in the set of their query."""
    mask = np.zeros(len(ranking.ids), bool)
    for row, name in enumerate(query_ids):
        if sets.get(name):
            hits = slice(ranking.offsets[row], ranking.offsets[row + 1])
            mask[hits] = [str(hit) in sets[name] for hit in ranking.ids[hits]]
    return mask


def subset_recall(judged: Judged, cutoff: int, subsets: Mapping[str, frozenset[str]] | None = None) -> Floats:
    """Recall_subset@k of CIRR: 1 where the target is among the first k of its subset (arXiv 2108.04024, section 4.1).

    Hits outside the query's subset (the other members of its group of six) are passed over; the target's rank among
    the rest counts. A target that was not found scores 0. subsets: per query; without it the benchmark's pools.
    """
    subsets = judged.asked()[0].pools if subsets is None else subsets
    out = np.zeros(len(judged))
    for row, (name, hits) in enumerate(zip(judged.query_ids, judged.hits(), strict=True)):
        if name not in subsets:
            raise EvaluationError(f"query {name!r} has no subset; subset recall needs one for every query")
        first = [hit for hit in hits if hit in subsets[name]][:cutoff]
        out[row] = any(judged.qrels[name].get(hit, 0) >= 1 for hit in first)
    return out

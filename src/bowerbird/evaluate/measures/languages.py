"""Consistency across languages: does an item have the same rank whichever language asks for it (1-to-K, 2406.18254)?"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Judged


def mean_rank_variance(ranks: NDArray[Any], form: Literal["variance", "deviation"] = "variance") -> float:
    """MRV: the spread of one item's ranks over K languages, averaged over N items; lower is better.

    ranks: N × K, rank of the right item when asked in language k.
    "variance": mean over items of (1/K) sum_k (rank - mean)^2; "deviation": mean of its square root, which is what
    the released code of 1-to-K computes. Say which one you report. A model that always fails is consistent as well,
    so report recall beside it.
    """
    if ranks.ndim != 2 or not ranks.size:
        raise EvaluationError(f"ranks must be items × languages, got the shape {ranks.shape}")
    spread = ranks.astype(np.float64).var(axis=1)
    return float(spread.mean() if form == "variance" else np.sqrt(spread).mean())


def run_rank_variance(judged: Judged, form: Literal["variance", "deviation"] = "variance") -> float:
    """MRV of a run whose queries ask for the same items in K languages: those with the same relevant item are a group.

    An item that was not found takes the rank behind the last hit, so let the pipeline rank deeply.
    Raises EvaluationError if groups differ in size, as then a language is missing.
    """
    groups: dict[str, list[int]] = {}
    lengths = np.diff(judged.ranking.offsets)
    for row, name in enumerate(judged.query_ids):
        relevant = [item for item, gain in judged.qrels[name].items() if gain >= 1]
        if len(relevant) != 1:
            raise EvaluationError(f"MRV asks for one relevant item per query; query {name!r} has {len(relevant)}")
        hits = judged.rank[(judged.query == row) & (judged.gain >= 1)]
        groups.setdefault(relevant[0], []).append(int(hits[0]) if len(hits) else int(lengths[row]) + 1)
    sizes = {len(ranks) for ranks in groups.values()}
    if len(sizes) != 1 or sizes == {1}:
        raise EvaluationError(
            f"MRV asks for every item once per language, but items are asked for {sorted(sizes)} times; "
            f"take parallel queries only"
        )
    return mean_rank_variance(np.array(list(groups.values())), form)

"""Hubness: how unevenly a gallery's items are found. One value for a whole run (dbnorm, arXiv 2310.11612).

N_k(item) is the number of queries whose first k hits hold the item; items never found count with 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Floats, Judged


def k_occurrence(hits: Sequence[Sequence[str]], gallery: int) -> Floats:
    """N_k of every item, in no particular order: gallery values.

    hits: the first k ids of each query; gallery: how many items could have been found.
    """
    found = np.fromiter(Counter(name for names in hits for name in names).values(), np.float64)
    if len(found) > gallery:
        raise EvaluationError(f"{len(found)} different items were found in a gallery of {gallery}; count it anew")
    return np.concatenate([found, np.zeros(gallery - len(found))])


def skewness(counts: Floats) -> float:
    """Third standardised moment of N_k: 0 without hubs, large with few strong ones (Radovanović et al., JMLR 2010).

    Over the whole gallery with population moments; 0 where all counts are equal.
    """
    if not len(counts):
        return 0.0
    spread = counts - counts.mean()
    deviation = counts.std()
    return float((spread**3).mean() / deviation**3) if deviation > 0 else 0.0


def hub_rate(counts: Floats) -> float:
    """Share of all found places that hubs take: items with N_k above its mean by more than two standard deviations.

    0 is free of hubs, 1 says that nothing but hubs is found. The threshold standardises N_k as Radovanović et al.
    (JMLR 2010) do, so that it fits galleries of any size.
    """
    if not len(counts):
        return 0.0
    hubs = counts > counts.mean() + 2 * counts.std()
    return float(counts[hubs].sum() / max(counts.sum(), 1))


def run_skewness(judged: Judged, cutoff: int = 10) -> float:
    """`skewness` of the first k hits of a run; the gallery is all items of the kinds that were found."""
    return skewness(_of_run(judged, cutoff))


def run_hub_rate(judged: Judged, cutoff: int = 10) -> float:
    """`hub_rate` of the first k hits of a run; the gallery is all items of the kinds that were found."""
    return hub_rate(_of_run(judged, cutoff))


def _of_run(judged: Judged, cutoff: int) -> Floats:
    _, catalogue = judged.asked()
    hits = list(judged.hits(cutoff))
    found = {catalogue.of(name)[0] for names in hits for name in names}
    return k_occurrence(hits, sum(kind in found for kind, _ in catalogue.known.values()))

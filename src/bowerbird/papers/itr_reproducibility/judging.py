"""What retrieval is worth by the sum of recalls, and whether two methods differ by more than luck."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bowerbird.evaluate.statistics import randomisation
from bowerbird.papers.itr_reproducibility.towers import Array

Floats = NDArray[np.float64]

CUTOFFS = (1, 5, 10)
FOLDS = 5
SPLITS = 60
"""Ways to halve the seeds of one method that are tried when false wins are counted."""


def recalls(similarities: Array) -> Floats:
    """n × 6: R@1, 5, 10 of pictures → words (the best caption counts), then of words → pictures (each caption counts).

    similarities: n × (n · captions). In percent, so that the sum of the means is rsum. Ties count against a query.
    """
    count = len(similarities)
    each = similarities.shape[1] // count
    own = similarities.reshape(count, count, each)[np.arange(count), np.arange(count)]
    wrong = similarities.copy().reshape(count, count, each)
    wrong[np.arange(count), np.arange(count)] = -np.inf
    to_words = 1 + (wrong >= own.max(axis=1)[:, None, None]).sum(axis=(1, 2))
    to_pictures = 1 + (wrong >= own[None]).sum(axis=0)
    both = [[(ranks <= k).reshape(count, -1).mean(axis=1) for k in CUTOFFS] for ranks in (to_words, to_pictures)]
    return 100 * np.stack([*both[0], *both[1]], axis=1)


def rsum(similarities: Array) -> Floats:
    """n: what each picture and its captions add to rsum, the sum of the six recalls; its mean is rsum."""
    total: Floats = recalls(similarities).sum(axis=1)
    return total


def difference(a: Floats, b: Floats, seed: int = 0, rounds: int = 1000) -> tuple[float, float, float]:
    """Mean of b less that of a, and its 95 % interval when both the seeds and the photos had been others.

    a, b: seeds × photos, the same photos. Seeds are drawn anew for each method, photos for both at once.
    """
    random = np.random.default_rng(seed)
    photos = random.multinomial(a.shape[1], np.full(a.shape[1], 1 / a.shape[1]), rounds) / a.shape[1]
    drawn = [
        ((random.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), rounds) / len(runs) @ runs) * photos).sum(1)
        for runs in (a, b)
    ]
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    return float(b.mean() - a.mean()), float(low), float(high)


def false_wins_of_runs(runs: Floats) -> float:
    """How often a paired randomisation test over photos (5 %) calls one of two runs better that differ in seed only."""
    pairs = list(combinations(range(len(runs)), 2))
    differences = np.stack([runs[b] - runs[a] for a, b in pairs], axis=1)
    return float((randomisation(differences, rounds=2000) < 0.05).mean())


def false_wins_of_seeds(runs: Floats, seed: int) -> float:
    """The same for `difference` between two halves of the seeds of one method."""
    random = np.random.default_rng(seed)
    half = len(runs) // 2
    wins = []
    for number in range(SPLITS):
        order = random.permutation(len(runs))
        _, low, high = difference(runs[order[:half]], runs[order[half:]], number)
        wins.append(low > 0 or high < 0)
    return float(np.mean(wins))


def in_folds(similarities: Array, folds: int = FOLDS) -> float:
    """rsum when every query searches only its own of several disjoint parts, as "COCO 1K" does."""
    count = len(similarities)
    blocks = similarities.reshape(count, count, -1)
    parts = np.array_split(np.arange(count), folds)
    return float(np.mean([rsum(blocks[np.ix_(rows, rows)].reshape(len(rows), -1)).mean() for rows in parts]))

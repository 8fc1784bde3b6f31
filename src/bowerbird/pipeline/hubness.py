"""Corrections of hubs: gallery items that are near everything are pushed down by what banks of other queries, and of
other gallery items, say about them.

    IS        inverted softmax (Smith et al., ICLR 2017): a score less the log-sum of the bank's scores of the item
    DIS       dynamic IS (QB-Norm, Bogolin et al., CVPR 2022): only for queries whose best item is a hub of the bank
    dual      both banks (DBNorm, Wang, Jian and Xue, EMNLP 2023, section 3): the sum of the corrections
    CSLS      less the mean of the bank's K highest scores of the item (Conneau et al., ICLR 2018)

Everything is in logarithms, so that no exponential overflows and corrected scores of all queries are on one scale.
A correction is a number per gallery item, found once. `bank` rows come from training data, never from the queries
that are tested.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense

BLOCK = 1024
"""Rows of a bank whose scores are in memory at a time."""

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Bank:
    """What one bank says about n gallery items at a sharpness beta (of the scores; 20 to 100 for cosines).

    density: log Σ_j exp(beta <bank_j, item>). hubs: the items that are the best of some bank row.
    """

    beta: float
    density: Array
    hubs: Mask

    @staticmethod
    def of(bank: Dense, gallery: Dense, beta: float) -> Bank:
        """bank: m × dim. gallery: n × dim. Raises ValueError for an empty bank."""
        if not len(bank):
            raise ValueError("the bank is empty: give it queries, or gallery items, of the training data")
        density = np.full(len(gallery), -np.inf, np.float32)
        hubs = np.zeros(len(gallery), bool)
        items = gallery.vectors.astype(np.float32, copy=False).T
        for start in range(0, len(bank), BLOCK):
            scores = bank.vectors[start : start + BLOCK].astype(np.float32, copy=False) @ items
            hubs[scores.argmax(axis=1)] = True
            density = np.logaddexp(density, log_sum(np.float32(beta) * scores)).astype(np.float32)
        return Bank(beta, density, hubs)


def inverted_softmax(scores: Array, *banks: Bank) -> Array:
    """q × n scores → q × n logarithms of (dual) inverted softmax, Σ over the banks of beta · score − density."""
    corrected = np.zeros_like(scores)
    for bank in banks:
        corrected += np.float32(bank.beta) * scores - bank.density
    return corrected


def dynamic_inverted_softmax(scores: Array, *banks: Bank) -> Array:
    """As `inverted_softmax`, but each bank's density counts only for queries whose best item is one of its hubs.

    A bank of other queries than those that come thus does next to no harm.
    """
    best = scores.argmax(axis=1)
    corrected = np.zeros_like(scores)
    for bank in banks:
        corrected += np.float32(bank.beta) * scores - np.where(bank.hubs[best][:, None], bank.density, np.float32(0))
    return corrected


def csls(scores: Array, bank: Dense, gallery: Dense, neighbours: int = 10) -> Array:
    """q × n scores → 2 · score − the mean of the `neighbours` highest scores that the bank gives the item."""
    similarity = gallery.vectors.astype(np.float32) @ bank.vectors.astype(np.float32).T
    count = min(neighbours, similarity.shape[1])
    near = np.partition(similarity, -count, axis=1)[:, -count:].mean(axis=1)
    corrected: Array = 2 * scores - near
    return corrected


def log_sum(exponents: Array) -> Array:
    """m × n → n: log Σ exp over the first axis, without overflow."""
    top = exponents.max(axis=0)
    found: Array = top + np.log(np.exp(exponents - top).sum(axis=0, dtype=np.float32))
    return found

"""Is a difference between two systems more than the luck of the queries?

All columns of a table are tested on the same random draws, so that one seed gives one table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import MissingExtra

Floats = NDArray[np.float64]

ROUNDS = 10_000
"""Random draws per test: p-values down to 0.0001, and a standard error of 0.002 at p = 0.05."""

BLOCK = 10_000_000
"""Random numbers that are held at once."""


def paired_t(differences: Floats) -> Floats:
    """Two-sided p-value of Student's paired t-test per column; differences: q queries × c, NaN where undefined: c.

    1 where all differences are equal to zero, NaN for fewer than two queries. Raises MissingExtra without scipy.
    """
    try:
        from scipy.stats import t
    except ImportError:
        raise MissingExtra("evaluate", "the t-test") from None
    out = np.full(differences.shape[1], np.nan)
    for column, values in enumerate(differences.T):
        known = values[~np.isnan(values)]
        if len(known) < 2:
            continue
        error = known.std(ddof=1) / np.sqrt(len(known))
        if error > 0:
            out[column] = 2 * t.sf(abs(known.mean()) / error, len(known) - 1)
        else:
            out[column] = 1.0 if known.mean() == 0 else 0.0
    return out


def randomisation(differences: Floats, seed: int = 0, rounds: int = ROUNDS) -> Floats:
    """Two-sided p-value of Fisher's paired randomisation test per column: signs of the differences flip at random.

    differences: q × c; p = (1 + draws at least as extreme) / (1 + rounds) (Smucker, Allan and Carterette, CIKM 2007).
    """
    given = np.nan_to_num(differences)
    observed = np.abs(given.sum(axis=0))
    rng = np.random.default_rng(seed)
    extreme = np.zeros(given.shape[1])
    for count in _blocks(rounds, len(given)):
        signs = rng.integers(0, 2, (count, len(given)), np.int8) * 2.0 - 1
        extreme += (np.abs(signs @ given) >= observed - 1e-12).sum(axis=0)
    return np.asarray((1 + extreme) / (1 + rounds), np.float64)


def holm(p: Sequence[float] | Floats) -> Floats:
    """p-values of several tests made comparable with one threshold: Holm's step-down correction (1979); NaN stays."""
    values = np.asarray(p, np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known])]
    out = np.full(len(values), np.nan)
    out[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)), 1)
    return out


def bootstrap(values: Floats, seed: int = 0, level: float = 0.95, rounds: int = 2000) -> Floats:
    """Interval of the mean per column when queries are drawn anew with replacement (percentiles): 2 × c.

    values: q × c, NaN where undefined.
    """
    known = ~np.isnan(values)
    given = np.nan_to_num(values)
    rng = np.random.default_rng(seed)
    means = []
    for count in _blocks(rounds, len(given)):
        times = rng.multinomial(len(given), np.full(len(given), 1 / len(given)), count).astype(np.float64)
        drawn = times @ known
        means.append(np.divide(times @ given, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0))
    tail = (1 - level) / 2
    return np.asarray(np.nanquantile(np.concatenate(means), [tail, 1 - tail], axis=0), np.float64)


def _blocks(rounds: int, width: int) -> list[int]:
    """Rounds in portions of bounded memory."""
    each = max(1, min(rounds, BLOCK // max(width, 1)))
    return [each] * (rounds // each) + ([rounds % each] if rounds % each else [])

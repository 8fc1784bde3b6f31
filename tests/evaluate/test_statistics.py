"""Tests and intervals against scipy, and corrections by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from bowerbird.evaluate.statistics import bootstrap, holm, paired_t, randomisation

RNG = np.random.default_rng(3)
A = RNG.random((40, 1))
B = A + RNG.normal(0.05, 0.15, (40, 3))


def test_t_test_is_that_of_scipy() -> None:
    expected = [scipy.stats.ttest_rel(column, A[:, 0]).pvalue for column in B.T]
    np.testing.assert_allclose(paired_t(B - A), expected)
    assert paired_t(np.zeros((5, 1)))[0] == 1
    assert np.isnan(paired_t(np.ones((1, 1)))[0])


def test_randomisation_is_exact_for_few_queries() -> None:
    """Of the 8 sign patterns of 1, 2, 3 two are as far from zero as the observed sum."""
    assert randomisation(np.array([[1.0], [2.0], [3.0]]))[0] == pytest.approx(2 / 8, abs=0.015)
    assert randomisation(np.zeros((9, 1)))[0] == 1


def test_randomisation_is_near_that_of_scipy() -> None:
    def mean(values: np.ndarray, axis: int) -> np.ndarray:
        return values.mean(axis=axis)

    expected = [
        scipy.stats.permutation_test((column - A[:, 0],), mean, permutation_type="samples", n_resamples=9999).pvalue
        for column in B.T
    ]
    np.testing.assert_allclose(randomisation(B - A), expected, atol=0.02)


def test_holm_by_hand() -> None:
    """0.01 * 3, then 0.02 * 2 = 0.04, then 0.03 * 1, which may not be below the one before it."""
    np.testing.assert_allclose(holm([0.02, 0.01, 0.03]), [0.04, 0.03, 0.04])
    np.testing.assert_allclose(holm([0.6, 0.9, np.nan]), [1, 1, np.nan])


def test_bootstrap_holds_the_mean_and_is_near_that_of_scipy() -> None:
    low, high = bootstrap(B)
    for column, start, end in zip(B.T, low, high, strict=True):
        theirs = scipy.stats.bootstrap((column,), np.mean, method="percentile", random_state=0).confidence_interval
        assert (start, end) == pytest.approx((theirs.low, theirs.high), abs=0.01)
    assert bootstrap(np.array([[1.0], [np.nan]]))[:, 0].tolist() == [1, 1]


def test_a_seed_gives_the_same_draws() -> None:
    assert randomisation(B - A, seed=5).tolist() == randomisation(B - A, seed=5).tolist()
    assert bootstrap(B, seed=5).tolist() != bootstrap(B, seed=6).tolist()

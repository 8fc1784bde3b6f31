"""One more coordinate ranks as the penalties do."""

from __future__ import annotations

import numpy as np
import pytest

from bowerbird.embeddings import Dense
from bowerbird.index.dense import DenseIndex
from bowerbird.index.hub_correction import HubCorrection

BETA = 20.0


def unit(count: int, seed: int, hub: float) -> np.ndarray:
    draw = np.random.default_rng(seed)
    vectors = draw.standard_normal((count, 64)) + hub * draw.gamma(1, size=(count, 1))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


GALLERY, BANK, ASKED = unit(6000, 0, 0.4), unit(500, 1, 0.5), unit(100, 2, 0.5)
PENALTIES = np.log(np.exp(BETA * (GALLERY @ BANK.T)).sum(axis=1))
EXPECTED = BETA * (ASKED @ GALLERY.T) - PENALTIES


def test_inner_products_are_corrected_similarities() -> None:
    hubs = HubCorrection.fit(PENALTIES, BETA)
    products = hubs.queries(Dense(ASKED)).vectors @ hubs.documents(Dense(GALLERY), PENALTIES).vectors.T
    np.testing.assert_allclose(products - hubs.middle, EXPECTED, atol=1e-3)


def test_an_index_finds_what_the_corrected_scores_rank_first() -> None:
    hubs = HubCorrection.fit(PENALTIES, BETA)
    index = DenseIndex.build(np.arange(6000), hubs.documents(Dense(GALLERY), PENALTIES))
    found = index.search(hubs.queries(Dense(ASKED)), 10)
    best, plain = np.argsort(-EXPECTED, axis=1)[:, :10], np.argsort(-(ASKED @ GALLERY.T), axis=1)[:, :10]
    assert np.mean([len(set(a) & set(b)) for a, b in zip(best, found.keys, strict=True)]) > 9.8
    assert np.mean([len(set(a) & set(b)) for a, b in zip(best, plain, strict=True)]) < 8


def test_equal_penalties_change_no_ranking() -> None:
    hubs = HubCorrection.fit(np.full(50, 3.0, np.float32), 2.0)
    products = hubs.queries(Dense(ASKED)).vectors @ hubs.documents(Dense(GALLERY[:50]), np.full(50, 3.0)).vectors.T
    np.testing.assert_allclose(products, 2 * (ASKED @ GALLERY[:50].T), atol=1e-5)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="beta"):
        HubCorrection.fit(PENALTIES, 0.0)
    with pytest.raises(ValueError, match="penalties are numbers"):
        HubCorrection.fit(np.array([np.nan]), 1.0)
    with pytest.raises(ValueError, match="one per vector"):
        HubCorrection.fit(PENALTIES, 1.0).documents(Dense(GALLERY), PENALTIES[:3])

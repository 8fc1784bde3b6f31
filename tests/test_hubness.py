"""Corrections of hubs: equal to their definitions, and worth something where there are hubs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bowerbird.embeddings import Dense
from bowerbird.pipeline.hubness import Bank, csls, dynamic_inverted_softmax, inverted_softmax

Array = NDArray[np.float32]


def unit(vectors: NDArray[np.floating]) -> Array:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


class World:
    """Queries of 400 items, where some items are hubs: they lean to the mean of the queries."""

    def __init__(self) -> None:
        random = np.random.default_rng(3)
        mean = random.standard_normal(64)

        def pairs(count: int) -> tuple[Array, Array]:
            concept = random.standard_normal((count, 64))
            lean = 0.4 * random.gamma(1.0, size=(count, 1)) * mean
            items = unit(concept + lean + 0.3 * random.standard_normal((count, 64)))
            return unit(concept + 1.6 * random.standard_normal((count, 64)) + 1.5 * mean), items

        self.queries, self.gallery = pairs(400)
        self.query_bank, self.gallery_bank = (Dense(side) for side in pairs(1500))
        self.strange = Dense(-self.query_bank.vectors)
        self.scores = self.queries @ self.gallery.T

    def hits(self, scores: Array) -> float:
        return float((scores.argmax(axis=1) == np.arange(len(scores))).mean())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_the_logarithms_equal_the_naive_products(world: World) -> None:
    gallery = Dense(world.gallery)
    query, item = Bank.of(world.query_bank, gallery, 20), Bank.of(world.gallery_bank, gallery, 3)
    raw = world.scores.astype(np.float64)
    naive = np.ones_like(raw)
    for bank, beta in ((world.query_bank, 20.0), (world.gallery_bank, 3.0)):
        among = bank.vectors.astype(np.float64) @ world.gallery.astype(np.float64).T
        naive *= np.exp(beta * raw) / np.exp(beta * among).sum(axis=0)
    np.testing.assert_allclose(inverted_softmax(world.scores, query, item), np.log(naive), atol=2e-5)


def test_banks_lift_the_right_items_over_hubs(world: World) -> None:
    gallery = Dense(world.gallery)
    query, item = Bank.of(world.query_bank, gallery, 20), Bank.of(world.gallery_bank, gallery, 3)
    raw = world.hits(world.scores)
    assert world.hits(inverted_softmax(world.scores, query)) > raw + 0.2
    assert world.hits(inverted_softmax(world.scores, query, item)) > raw + 0.2
    assert world.hits(dynamic_inverted_softmax(world.scores, query, item)) > raw + 0.2
    assert world.hits(csls(world.scores, world.query_bank, gallery)) > raw + 0.2


def test_a_strange_bank_breaks_the_static_form_and_not_the_dynamic_one(world: World) -> None:
    strange = Bank.of(world.strange, Dense(world.gallery), 20)
    raw = world.hits(world.scores)
    assert world.hits(inverted_softmax(world.scores, strange)) < raw - 0.1
    assert world.hits(dynamic_inverted_softmax(world.scores, strange)) >= raw - 0.04


def test_high_sharpness_does_not_overflow(world: World) -> None:
    bank = Bank.of(world.query_bank, Dense(world.gallery), 1000)
    assert np.isfinite(inverted_softmax(world.scores, bank)).all()


def test_an_empty_bank_is_an_error(world: World) -> None:
    with pytest.raises(ValueError, match="bank is empty"):
        Bank.of(Dense(np.zeros((0, 64), np.float32)), Dense(world.gallery), 20)

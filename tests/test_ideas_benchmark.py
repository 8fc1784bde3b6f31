"""The benchmark of ideas from the literature, on a small made-up set."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.engine.arrays import best, offsets_of, unit
from benchmarks.engine.ideas import bit_limit, budgets, early_exit
from benchmarks.engine.ideas.candidates import DEPTHS, by_vectors, measure, pooled
from benchmarks.engine.ideas.early_exit import Point, compare, reached
from benchmarks.engine.sets import BenchSet
from benchmarks.engine.truth import maxsim

from bowerbird.embeddings import MultiVector
from bowerbird.index.multivector import MultiVectorIndex, calibration
from bowerbird.index.multivector.centroids import Centroids

DOCUMENTS, DIM, WORDS = 300, 16, 40


@pytest.fixture(scope="module")
def entries() -> np.ndarray:
    """Of the tokens of documents; some words are rare."""
    random = np.random.default_rng(0)
    return np.minimum(random.geometric(0.08, DOCUMENTS * 12) - 1, WORDS - 1)


@pytest.fixture(scope="module")
def given(entries: np.ndarray) -> BenchSet:
    """Documents of twelve noisy words, and queries that are noisy parts of documents."""
    random = np.random.default_rng(1)
    words = unit(random.standard_normal((WORDS, DIM)))
    tokens = unit(words[entries] + 0.4 * random.standard_normal((len(entries), DIM)) / np.sqrt(DIM)).astype(np.float16)
    offsets = offsets_of(np.full(DOCUMENTS, 12))
    asked = [
        unit(tokens[12 * one : 12 * one + 6] + 0.05 * random.standard_normal((6, DIM))) for one in range(0, 300, 15)
    ]
    queries = [one.astype(np.float32) for one in asked]
    truth = np.array([best(row, 100) for row in maxsim(tokens, offsets, queries)], np.int32)
    return BenchSet("made up", tokens, offsets, queries, truth)


def test_a_finder_that_knows_maxsim_finds_all_and_a_blind_one_does_not(given: BenchSet) -> None:
    documents = MultiVector(given.vectors, given.offsets)
    finder = by_vectors("mean pooling", "16", 0.0, pooled(documents), pooled)
    blind = by_vectors("blind", "16", 0.0, np.ones((DOCUMENTS, DIM), np.float32), pooled)
    means, nothing = measure([finder, blind], given)
    assert means.recalls == sorted(means.recalls)
    assert means.recalls[0] > 0.6
    assert nothing.recalls[0] < 0.4
    assert nothing.recalls[DEPTHS.index(400)] == 1


def test_centroids_are_shared_out_in_every_way(given: BenchSet, entries: np.ndarray) -> None:
    finders = budgets.finders(given, entries, (64,))
    assert [finder.setting.partition(",")[0] for finder in finders[:3]] == ["64"] * 3
    found = measure(finders, given)
    assert len(found) == 4
    assert all(one.recalls[0] > 0.8 for one in found)


def test_a_token_has_a_centroid_of_its_own_entry(given: BenchSet, entries: np.ndarray) -> None:
    points, codes = budgets.by_entry(given.vectors, entries, 200)
    owners = [set(entries[codes == number].tolist()) for number in range(len(points))]
    assert all(len(owner) <= 1 for owner in owners)


def test_a_budget_keeps_its_bounds() -> None:
    shares = budgets.budget([100, 200, 400, 40_000, 10_000], [1.0, 1.0, 1.0, 1.0, 2.0], 300)
    assert shares[:2] == [1, 2]
    assert shares[2] == 10  # at most one for 39 vectors
    assert shares[3] / shares[4] == pytest.approx(np.sqrt(4) / 2, rel=0.1)
    assert 290 <= sum(shares) <= 300


def test_early_exit_scores_fewer_where_fewer_do(given: BenchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "ASKED", 20)
    index = MultiVectorIndex.build(
        np.arange(DOCUMENTS), MultiVector(given.vectors, given.offsets), strategy="pass", centroids=64
    )
    rows = compare(index, given)
    assert {row.rule for row in rows} == set(early_exit.RULES)
    settled = [row.calibrated for row in rows if row.calibrated is not None]
    assert settled
    assert all(point.candidates <= DOCUMENTS for point in settled)


def test_a_set_is_shortened(given: BenchSet) -> None:
    short = early_exit.shortened(given, 5)
    assert np.array_equal(np.diff(short.offsets), np.full(DOCUMENTS, 5))
    assert np.array_equal(short.vectors[5:10], given.vectors[12:17])
    assert not np.array_equal(short.truth[:, :10], given.truth[:, :10])


def test_a_recall_is_reached_between_two_settings() -> None:
    points = [Point(1, 0.9, 100, 1), Point(2, 1.0, 200, 3)]
    between = reached(points, 0.95)
    assert between is not None
    assert [between.setting, between.candidates, between.ms] == pytest.approx([1.5, 150, 2])
    assert reached(points, 0.8) is None


def test_lemur_learns_maxsim(given: BenchSet) -> None:
    pytest.importorskip("torch")
    from benchmarks.engine.ideas import lemur

    documents = MultiVector(given.vectors, given.offsets)
    sizes = lemur.Sizes(targets=200, learned=2000, fitted=2000, seconds=0.3)
    learned, features = measure(
        lemur.finders(documents, given.vectors, [64], sizes, source="tokens", untrained=True), given
    )
    assert learned.recalls[0] > 0.8
    assert features.finder.setting == "64, random features"
    tokens = np.asarray(given.vectors[:20], np.float32)
    similar = np.concatenate(list(lemur.similarities(tokens, documents)), axis=1)
    exact = np.maximum.reduceat(tokens @ documents.vectors.astype(np.float32).T, documents.offsets[:-1], axis=1)
    assert np.allclose(similar, exact, atol=0.02)


def test_what_bits_can_keep(given: BenchSet) -> None:
    """More bits keep more, and no code keeps more than one at the bound of the very same rate, scales counted."""
    centroids = Centroids.train(np.asarray(given.vectors), 64)
    rows = {(row.code, row.bits): row for row in bit_limit.compare(given, centroids)}
    assert bit_limit.rates(DIM) == (2, 3, 4, 5)
    bound = [rows["bound", bits] for bits in bit_limit.rates(DIM)]
    assert [row.error for row in bound] == sorted((row.error for row in bound), reverse=True)
    assert bound[-1].recall > bound[0].recall
    for bits in (3, 5):  # 2 and 4, and 16 of a scale for 16 dimensions
        assert rows["ours", bits].error > rows["bound", bits].error
    assert len(rows) == 6
    assert bit_limit.rates(128) == (2, 2.125, 3, 4, 4.125)


def test_a_direction_without_variance_costs_nothing() -> None:
    """A code at the bound loses what the bound says, and nothing of what never varies."""
    sample = np.random.default_rng(2).standard_normal((20_000, 3)) * [4, 1, 0] + [0, 0, 7]
    bound = bit_limit.Bound.of(sample)
    assert bound.variances.min() == 0
    back = bound.give_back(sample, 1)
    assert np.allclose(back[:, 2], 7, atol=1e-5)
    lost = bit_limit.distortions(bound.variances, 3)
    assert ((back - sample) ** 2).mean(axis=0).sum() == pytest.approx(lost.sum(), rel=0.03)


def test_the_bound_spends_its_bits() -> None:
    """Reverse water-filling: 2 bits for two directions, of which one is too weak to get any."""
    lost = bit_limit.distortions(np.array([16.0, 0.5]), 2)
    np.testing.assert_allclose(lost, [1, 0.5])
    np.testing.assert_allclose(bit_limit.distortions(np.array([4.0, 4.0]), 2), [1, 1])

"""Training with seeds, recall both ways, and a comparison that is not fooled by luck."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bowerbird.papers.itr_reproducibility import features, judging, towers
from tests.shared import shared


def test_recall_counts_the_best_caption_one_way_and_each_caption_the_other() -> None:
    similarities = np.array([[0.9, 0.1, 0.5, 0.2], [0.3, 0.8, 0.1, 0.4]], np.float32)  # two captions each
    found = judging.recalls(similarities)
    np.testing.assert_array_equal(found[0], [100, 100, 100, 50, 100, 100])  # its second caption finds the other first
    np.testing.assert_array_equal(found[1], [0, 100, 100, 50, 100, 100])
    assert (
        judging.rsum(np.zeros((10, 20), np.float32)).max() == 100
    )  # ties count against a query: only R@10 of ten is left


def test_fewer_others_make_a_higher_recall() -> None:
    noise = np.random.default_rng(0).standard_normal((50, 100)).astype(np.float32)
    assert judging.in_folds(noise) > judging.rsum(noise).mean() + 100


@pytest.mark.parametrize("name", towers.LOSSES)
def test_each_loss_teaches_towers_to_find_captions_of_new_photos(name: str) -> None:
    pytest.importorskip("torch")
    pairs = _translations()
    train, test = np.arange(200), np.arange(200, 250)
    first, last = (
        [judging.rsum(one.similarities(pairs[test])).mean() for one in towers.trained(pairs[train], loss, 0, 60)][-1]
        for loss in (lambda similarities: 0 * similarities.sum(), towers.LOSSES[name])
    )
    assert last > 1.5 * first
    again, other = (towers.trained(pairs[train], towers.LOSSES[name], seed, 30)[-1] for seed in (0, 1))
    assert np.array_equal(again.words, towers.trained(pairs[train], towers.LOSSES[name], 0, 60)[0].words)
    assert not np.array_equal(again.words, other.words)


def test_luck_is_no_win_and_a_true_gain_is_one() -> None:
    random = np.random.default_rng(1)
    photos = 60 * random.standard_normal(200)

    def runs(gain: float) -> np.ndarray:
        seeds = 8 * random.standard_normal((10, 1))  # each seed shifts all photos
        return 300 + gain + photos + seeds + 60 * random.standard_normal((10, 200))

    wins = []
    for number in range(40):
        _, low, high = judging.difference(runs(0), runs(0), number, 200)
        wins.append(low > 0 or high < 0)
    assert np.mean(wins) <= 0.15
    mean, low, high = judging.difference(runs(0), runs(40))
    assert 0 < low < mean < high
    same = runs(0)
    assert judging.false_wins_of_runs(same) > 0.2


def _translations() -> towers.Pairs:
    """250 photos: their German caption looks for their English ones; no word says which belong together."""
    path = shared("images/flickr8k-ml") / "items.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf8").splitlines()[:250]]
    sides = [[[entry["multi30k"]["de"]] for entry in entries], [entry["captions_en"] for entry in entries]]
    german, english = (features.tf_idf(texts, np.arange(200)) for texts in sides)
    return towers.Pairs(german[:, 0], english)

"""Codes across modalities from few pairs: small pictures of emoji, and the spelling of their names and keywords."""

from __future__ import annotations

import json
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from bowerbird.papers.rreh import Things, average_precision
from bowerbird.papers.rreh.hashing import Settings, fit, relations, sylvester
from tests.shared import shared

SETTINGS = Settings(bits=16, anchors=40, kernels=80, rounds=6)
GROUPS = ("flags", "smileys-emotion", "food-drink")


@pytest.fixture(scope="module")
def things() -> Things:
    folder = shared("images/emoji-styles")
    lines = (folder / "items.jsonl").read_text("utf8").splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["group"] in GROUPS][::2]
    entries = [entries[row] for row in np.random.default_rng(0).permutation(len(entries))]
    looks, words = [], np.zeros((len(entries), 400))
    for row, entry in enumerate(entries):
        with Image.open(folder / entry["images"]["twitter"]) as picture:
            white = Image.new("RGBA", picture.size, "white")
            white.alpha_composite(picture.convert("RGBA"))
            looks.append(np.asarray(white.convert("RGB").resize((8, 8), Image.Resampling.BOX), float).ravel())
        for word in ", ".join([entry["names"]["en"], *entry["keywords"]["en"]]).lower().split():
            words[row, crc32(word.encode()) % 400] += 1
    labels = np.array([GROUPS.index(entry["group"]) for entry in entries])
    return Things((np.stack(looks), words), labels)


def test_the_objective_never_rises_and_codes_find_the_group(things: Things) -> None:
    asked, stored = things.take(np.arange(60)), things.take(np.arange(60, len(things.labels)))
    pairs, alone = stored.halves(0.3)
    hasher = fit(pairs, alone, SETTINGS)
    history = np.array(hasher.history)
    assert (np.diff(history) <= 1e-6 * history[:-1]).all()
    assert history[-1] < 0.8 * history[0]
    mixed = np.random.default_rng(1).permutation(len(pairs[1]))
    wrong = fit((pairs[0], pairs[1][mixed]), alone, SETTINGS)
    for modality in (0, 1):
        found = average_precision(hasher.encode, asked, stored, modality).mean()
        assert found > 0.6
        assert found > average_precision(wrong.encode, asked, stored, modality).mean() + 0.1


def test_relations_to_the_anchors_make_better_codes(things: Things) -> None:
    gains = []
    for seed in range(4):
        mixed = things.take(np.random.default_rng(seed).permutation(len(things.labels)))
        asked, stored = mixed.take(np.arange(60)), mixed.take(np.arange(60, len(things.labels)))
        near, far = (fit(*stored.halves(0.1), replace(SETTINGS, alpha=alpha, seed=seed)).encode for alpha in (1.0, 0.0))
        gains += [
            average_precision(near, asked, stored, way).mean() - average_precision(far, asked, stored, way).mean()
            for way in (0, 1)
        ]
    assert np.mean(gains) > 0.03


def test_relations_rebuild_items_from_anchors() -> None:
    rng = np.random.default_rng(0)
    anchors, weights = rng.random((6, 20)), rng.random((9, 6))
    np.testing.assert_allclose(relations(weights @ anchors, anchors, 1e-9), weights, atol=1e-5)


def test_the_sylvester_equation_is_solved() -> None:
    rng = np.random.default_rng(0)
    left, right = (made.T @ made + np.eye(len(made)) for made in (rng.random((5, 5)), rng.random((3, 3))))
    target = rng.random((5, 3))
    found = sylvester(left, right, target)
    np.testing.assert_allclose(left @ found + found @ right, target)


def test_pairs_must_be_as_many_on_both_sides() -> None:
    with pytest.raises(ValueError, match="as many"):
        fit((np.zeros((3, 4)), np.zeros((2, 4))), (np.zeros((0, 4)), np.zeros((0, 4))), SETTINGS)
    with pytest.raises(ValueError, match="whole bytes"):
        Settings(bits=12)

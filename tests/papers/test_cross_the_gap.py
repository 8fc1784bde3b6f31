"""Inversion through towers that learned from real pictures and names: what is sought is found, and steps matter."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from bowerbird.papers.cross_the_gap import emoji as data
from tests.shared import shared

COUNT, TEST = 72, 24


@cache
def small() -> Any:
    """Emoji, and towers that were trained on two thirds of them for a few steps."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from bowerbird.papers.cross_the_gap.towers import train

    folder = shared("images/emoji-styles")
    emoji = data.load(folder, data.read(folder)[:: 1854 // COUNT][:COUNT])
    return emoji, train(emoji, np.arange(TEST, COUNT), 0.05, 0, steps=60)


def test_the_patches_of_a_picture_are_where_they_are() -> None:
    emoji, _ = small()
    assert emoji.patches.shape == (COUNT, 9, 256)
    np.testing.assert_allclose(np.linalg.norm(emoji.patches, axis=2), 1, atol=1e-4)
    spread = emoji.patches.std(axis=1).mean()
    assert spread > 0.2 * emoji.patches.std(axis=0).mean()  # places of one picture differ


def test_training_brings_pictures_and_their_names_together() -> None:
    emoji, pair = small()
    rows = np.arange(TEST, COUNT)
    scores = pair.pictures(emoji.patches[rows]) @ pair.texts(emoji.texts[rows, 0]).T
    assert (scores.argmax(axis=1) == np.arange(len(rows))).mean() > 0.5


def test_pseudo_tokens_and_pseudo_patches_come_to_what_they_stand_for() -> None:
    emoji, pair = small()
    from bowerbird.papers.cross_the_gap.inversion import textual, visual

    pictures, texts = pair.pictures(emoji.patches[:TEST]), pair.texts(emoji.texts[:TEST, 0])
    words = pair.texts(emoji.texts.reshape(-1, emoji.texts.shape[2]))
    oti = textual(pictures, pair.text, emoji.prefix, (0, 40))
    assert oti.cosine[1] > (pictures @ words.T).max(axis=1).mean()
    assert oti.cosine[1] > oti.cosine[0] + 0.2
    ovi = visual(texts, pair.picture, (0, 40))
    assert ovi.cosine[1] > ovi.cosine[0] + 0.2
    np.testing.assert_allclose((oti.last * pictures).sum(axis=1).mean(), oti.cosine[1], atol=1e-5)
    alone = textual(pictures[:2], pair.text, emoji.prefix, (0, 40)).last
    np.testing.assert_allclose(alone, oti.last[:2], atol=1e-3)  # each query on its own


def test_real_words_through_the_hook_are_those_words() -> None:
    torch = pytest.importorskip("torch")
    emoji, pair = small()
    ids = torch.from_numpy(emoji.texts[:8, 0])
    ends = (ids == emoji.end).int().argmax(1)
    through = pair.text.from_tokens(pair.text.embed(ids), ends)
    torch.testing.assert_close(through, pair.text(ids))
    patches = torch.from_numpy(emoji.patches[:8])
    torch.testing.assert_close(pair.picture.from_patches(pair.picture.patch(patches)), pair.picture(patches))


def test_a_page_is_made_of_two_pairs_of_towers() -> None:
    emoji, pair = small()
    from bowerbird.papers.cross_the_gap import experiment

    found = {name: experiment.Found() for name in ("gap", "no gap")}
    experiment.measure(found["gap"], pair, emoji, np.arange(COUNT), 0)
    found["no gap"] = found["gap"]
    value = {(figure.method, figure.measure): figure.value for figure in experiment._figures("gap", found["gap"])}
    assert (
        value["gap: OTI", "mAP pictures by picture"] > value["gap: pseudo-tokens not sought", "mAP pictures by picture"]
    )
    assert value["gap: OVI", "mAP texts by text"] > value["gap: pseudo-patches not sought", "mAP texts by text"]
    seen = {check.says: check.seen for check in experiment._checks(found)}
    assert seen["pseudo-tokens come nearer to a picture than any real text does"]
    assert not seen["a low temperature keeps modalities apart"]  # the two are the same pair here
    assert not seen["OTI gains more with a gap than without"]


def test_average_precision_leaves_the_query_out() -> None:
    pytest.importorskip("torch")
    from bowerbird.papers.cross_the_gap.experiment import precision

    scores = np.array([[1, 0.5, 0.9, 0.1], [0.2, 1, 0.3, 0.4]], np.float32)
    labels = np.array([0, 0, 1, 2])
    np.testing.assert_allclose(precision(scores, labels), [1 / 2, 1 / 3])


def test_the_gap_is_the_distance_of_means() -> None:
    pytest.importorskip("torch")
    from bowerbird.papers.cross_the_gap.inversion import gap, shifted

    a, b = np.eye(4, dtype=np.float32)[:2], np.eye(4, dtype=np.float32)[2:]
    assert gap(a, b) == pytest.approx(1)
    assert gap(shifted(a, a, b), b) < gap(a, b)

"""A score that is learned from real photos and captions, and contexts that are as long as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pil

import bowerbird as bb
from bowerbird.embeddings import Floats
from bowerbird.encoders.lite import unit
from bowerbird.items import Item, Locator, Query, Text
from bowerbird.papers.rerank_context import (
    Candidates,
    Gallery,
    Told,
    calibrated,
    calibration_error,
    rank_correlation,
    statements_of,
)
from bowerbird.papers.rerank_context.scorer import RelevancyScore
from bowerbird.pipeline.scorers import PairScorer
from bowerbird.pipeline.select import FixedK, UpToK
from tests.shared import shared

FREQUENT = 15


@pytest.fixture(scope="module")
def told() -> Told:
    """300 photos by their colours, 8 × 8 pixels of them, and the commonest statements of their captions."""
    folder = shared("images/flickr8k-ml")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()[::3][:300]]
    looks = []
    for entry in entries:
        with pil.open(folder / entry["image"]) as picture:
            picture.draft("RGB", (48, 48))
            looks.append(np.asarray(picture.convert("RGB").resize((8, 8)), np.float32).ravel())
    statements, said = statements_of(entries)
    frequent = np.flatnonzero((said >= 2).sum(axis=1) >= FREQUENT)
    words = unit(np.random.default_rng(0).standard_normal((len(statements), 32)))[frequent]
    pictures = np.concatenate([np.zeros((len(entries), 32)), unit(np.stack(looks) - np.mean(looks, axis=0))], axis=1)
    return Told(words, pictures.astype(np.float32), said[frequent])


def right_order(scores: Floats, relevant: np.ndarray) -> float:
    """Share of pairs of a relevant and another photo that are in the right order."""
    good, bad = scores[relevant], scores[~relevant]
    return float((good[:, None] > bad).mean())


def test_what_is_learned_from_captions_tells_relevant_photos_of_other_photos(told: Told) -> None:
    train, rest = told.part(np.arange(200)), Gallery.drawn(told.part(np.arange(200, 300)), np.random.default_rng(0))
    mixed = train.said[:, np.random.default_rng(1).permutation(200)]
    learned, shuffled = (RelevancyScore.learn(train.statements, train.photos, said) for said in (train.said, mixed))
    candidates = Candidates.coarse(rest)
    pairs, relevant = candidates.pairs(rest), candidates.right.ravel()
    scores = calibrated(learned, rest).judge(pairs)
    assert right_order(scores, relevant) > 0.6
    assert right_order(calibrated(shuffled, rest).judge(pairs), relevant) < 0.57
    assert calibration_error(scores, relevant) < 0.05
    assert ((scores >= 0) & (scores <= 1)).all()


def test_bases_hold_no_photo_that_only_one_caption_speaks_for(told: Told) -> None:
    rest = Gallery.drawn(told, np.random.default_rng(0))
    counts = rest.relevant.sum(axis=1)
    assert (rest.judged.sum(axis=1) == 60).all()
    assert (rest.relevant <= rest.judged).all()
    assert counts.min() == 0
    assert counts.max() == 6
    assert 0.1 < (counts == 0).mean() < 0.3


def test_sets_are_judged_by_what_they_hold_and_miss() -> None:
    found = Candidates(
        np.array([[4, 7, 2], [1, 0, 3]]),
        np.array([[0.9, 0.6, 0.1], [0.4, 0.3, 0.2]], np.float32),
        np.array([[True, False, True], [False, False, False]]),
        np.array([3, 0]),
    )
    assert found.f1(FixedK(2)).tolist() == [pytest.approx(2 / 5), 0]
    assert found.f1(UpToK(2, 0.5)).tolist() == [pytest.approx(2 / 5), 1]
    assert found.f1(UpToK(2, 0.8)).tolist() == [pytest.approx(2 / 4), 1]
    again = found.rescored(np.array([0.1, 0.9, 0.9, 0.2, 0.2, 0.2]))
    assert again.items.tolist() == [[7, 2, 4], [1, 0, 3]]
    assert again.right[0].tolist() == [False, True, True]
    assert 0.4 < found.threshold() <= 0.9


def test_ranks_are_compared_with_ties() -> None:
    assert rank_correlation(np.array([1, 2, 2, 3]), np.array([10, 20, 20, 30])) == pytest.approx(1)
    assert rank_correlation(np.array([3, 2, 1]), np.array([1, 2, 3])) == pytest.approx(-1)
    assert rank_correlation(np.array([1, 1]), np.array([1, 2])) == 0


def test_it_is_a_pair_scorer_that_names_an_item_without_a_picture(told: Told, tmp_path: Path) -> None:
    scorer = RelevancyScore.learn(told.statements, told.photos, told.said)
    assert isinstance(scorer, PairScorer)
    assert scorer.score([]).shape == (0,)
    item = Item("note", "passage", (Text("no picture"),), Locator("note.txt"))
    with pytest.raises(ValueError, match="'note' has no picture"):
        scorer.score([(Query.of("a dog"), item)])
    ready = bb.Lexical(bb.open(tmp_path / "library")) >> bb.Rerank(scorer)
    bb.check(ready, ["a dog"])
    assert repr(ready) == "Lexical >> Rerank(RelevancyScore)"

"""WeiMoCIR: weights matter, captions of the reference stand for it, and the reference is no answer."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from bowerbird.papers.page import Run
from bowerbird.papers.weimocir import Composed, Surface, composed_emoji
from tests.shared import shared


@cache
def couples() -> Composed:
    """Twelve people, each as a man and as a woman, and what is asked of each is the other."""
    styles, edits = shared("images/emoji-styles"), shared("composed/emoji-edits")
    asked = [query for query in _lines(edits / "queries.jsonl") if query["kind"] == "gender"][:24]
    needed = {query["target_id"] for query in asked}
    entries = [entry for entry in _lines(styles / "items.jsonl") if entry["id"] in needed]
    return composed_emoji(asked, entries, Run(styles.parents[1]))


def test_picture_and_words_find_what_neither_finds_and_captions_help() -> None:
    task = couples()
    first = {name: (task.ranks(scores) == 1).mean() for name, scores in _systems(task).items()}
    assert first["captions"] > first["query against captions"]
    assert first["captions"] > max(first["picture"], first["words"]) + 0.2
    assert first["captions"] > (task.ranks(task.with_wrong_captions(0.9, 0).score(0.5, 0.9)) == 1).mean()


def test_the_surface_depends_on_both_weights() -> None:
    surface = Surface.of(replace(couples(), held=np.zeros(24, bool)), cutoff=1)
    assert np.ptp(surface.recall[:, 0]) > 0.05
    assert np.ptp(surface.recall[10]) > 0.1
    alpha, beta = surface.both
    assert 0 < alpha < 1
    assert beta > 0


def test_the_reference_is_left_out_and_ties_count_against_a_query() -> None:
    task = couples()
    asked = np.arange(len(task.reference))
    perfect = np.zeros((len(asked), len(task.gallery)), np.float32)
    perfect[asked, task.target], perfect[asked, task.reference] = 1, 2
    assert (task.ranks(perfect) == 1).all()
    assert (task.ranks(np.zeros_like(perfect)) == len(task.gallery) - 1).all()
    assert (task.group.sum(axis=1) == 6).all()
    assert task.group[asked, task.target].all()
    assert (task.ranks(np.zeros_like(perfect), task.group) == 5).all()


def test_captions_that_an_item_lacks_do_not_count() -> None:
    task = couples()
    gone = task.captions.copy()
    gone[:, 1] = 0
    alone = replace(task, captions=task.captions[:, :1])
    np.testing.assert_allclose(replace(task, captions=gone).told(0.5), alone.told(0.5), atol=1e-6)


def _systems(task: Composed) -> dict[str, np.ndarray]:
    return {
        "picture": task.look(0),
        "words": task.look(1),
        "query against captions": 0.1 * task.look(0.5) + 0.9 * task.told_to_picture(0.5),
        "captions": task.score(0.5, 0.9),
    }


def _lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]

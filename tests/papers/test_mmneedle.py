"""MMNeedle's page: haystacks of real photos, whose labels are right and whose cells are found by their own pictures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bowerbird.evaluate.measures.needle import parse_needles
from bowerbird.papers import mmneedle
from bowerbird.papers.mmneedle import Haystacks, Setting, grids, haystacks, looks, samples, scored, swapped, tile
from tests.shared import shared

SETTING = Setting(2, 2)


@pytest.fixture(scope="module")
def stacks() -> Haystacks:
    """Needles are asked for by their own picture instead of a caption, so that the right cell is known to be best."""
    folder = shared("images/flickr8k-ml")
    lines = (folder / "items.jsonl").read_text("utf8").splitlines()[:12]
    photos = [folder / json.loads(line)["image"] for line in lines]
    made, same = haystacks(SETTING, photos, looks([tile(path) for path in photos]), np.random.default_rng(0))
    assert same
    return made


def test_every_needle_is_found_in_its_cell_and_only_there(stacks: Haystacks) -> None:
    truths = [one.truth for one in stacks.samples]
    found = scored(stacks.answers(stacks.cells), truths)
    assert found["exact"].mean() == 1
    assert scored([swapped(answer) for answer in stacks.answers(stacks.cells)], truths)["exact"].mean() < 0.7
    whole = scored(stacks.whole_answers(np.random.default_rng(0)), truths)
    assert whole["exact"].mean() < 0.6 < whole["index"].mean()


def test_a_threshold_tells_what_is_absent(stacks: Haystacks) -> None:
    everything = range(len(stacks.samples))
    answers = stacks.answers(stacks.cells, stacks.threshold(everything))
    assert scored(answers, [one.truth for one in stacks.samples])["existence"].mean() > 0.95
    assert scored(stacks.answers(stacks.cells), [one.truth for one in stacks.samples])["existence"].mean() == 0.5


def test_needles_lie_uniformly_in_distinct_cells_and_absent_ones_nowhere() -> None:
    random, setting = np.random.default_rng(1), Setting(10, 2, 2)
    grid = grids(60, 2, random)
    assert len(np.unique(grid)) == grid.size
    made = samples(grid, setting, 60, random)
    counts = np.zeros((10, 2, 2))
    for one in made:
        inside = grid[list(one.haystack)].reshape(10, 2, 2)
        for target, place in zip(one.targets, one.places, strict=False):
            assert inside[place] == target
            counts[place] += 1
        assert bool(one.places) != (not set(one.targets) & set(inside.ravel().tolist()))
    expected = counts.sum() / counts.size
    assert ((counts - expected) ** 2 / expected).sum() < 73  # the 0.1 % point of chi-square with 39 degrees of freedom


def test_answers_are_written_as_the_benchmark_reads_them() -> None:
    assert mmneedle.written([(0, 1, 2), (9, 0, 0)], 2) == "1, 2, 3; 10, 1, 1"
    assert parse_needles(mmneedle.written((), 2)) == [None, None]
    assert [mmneedle.place(cell, 4) for cell in (0, 6, 16)] == [(0, 0, 0), (0, 1, 2), (1, 0, 0)]
    assert str(replace(SETTING, needles=5)) == "M=2 N=2 K=5"

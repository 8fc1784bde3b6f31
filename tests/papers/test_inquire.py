"""INQUIRE's page: its AP@k, and two stages over real emoji."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bowerbird.papers import inquire
from bowerbird.papers.inquire import Collection, measured, official_ap, without
from tests.shared import shared


@pytest.fixture(scope="module")
def emoji() -> Collection:
    """Faces and animals, ranked by a first stage that knows nothing and a second that reads."""
    lines = (shared("images/emoji-styles") / "items.jsonl").read_text("utf8").splitlines()
    entries = [json.loads(line) for line in lines]
    groups = ("smileys-emotion", "animals-nature")
    entries = [entry for entry in entries if entry["group"] in groups][::9]
    queries = ["face", "animal", "bird", "flower", "fish"]
    relevant = np.array([[query in entry["keywords"]["en"] for entry in entries] for query in queries])
    kept = relevant.any(axis=1)
    queries = [query for query, keep in zip(queries, kept, strict=True) if keep]
    sight = np.random.default_rng(0).random((len(queries), len(entries))).astype(np.float32)
    read = inquire._read(queries, entries, relevant[kept])
    return Collection(queries, sight, read, relevant[kept], ["all"] * len(queries))


def test_the_second_stage_lifts_what_the_first_found_and_misses_the_rest(emoji: Collection) -> None:
    half = emoji.relevant.shape[1] // 2
    one = emoji.scored(emoji.sight)["AP@50[min]"].mean()
    two = emoji.scored(emoji.two_stages(emoji.read, half))["AP@50[min]"].mean()
    oracle = emoji.scored(emoji.two_stages(emoji.relevant.astype(np.float32), half))["AP@50[min]"].mean()
    assert one < two <= oracle < 1
    ranked = np.isfinite(emoji.two_stages(emoji.read, half))
    assert (ranked.sum(axis=1) == half).all()
    assert (emoji.sight[ranked].mean()) > emoji.sight[~ranked].mean() + 0.3


@pytest.mark.parametrize(
    ("found", "total", "k", "expected"),
    [([1, 0, 1], 2, 3, (1 + 2 / 3) / 2), ([1, 0, 1], 10, 3, 0.5556), ([1, 1, 1], 10, 3, 1.0), ([0, 0], 4, 2, 0.0)],
)
def test_ap_at_k_of_the_released_code(found: list[int], total: int, k: int, expected: float) -> None:
    assert official_ap([bool(one) for one in found], total, k) == pytest.approx(expected, abs=1e-4)


def test_the_librarys_ap_is_that_of_the_released_code() -> None:
    assert inquire._equals_official(np.random.default_rng(5))
    assert inquire._differs_from_map_cut()
    scores = np.array([[3.0, 2.0, 1.0, -np.inf]], np.float32)
    assert measured(scores, np.array([[True, False, False, True]]))["AP@50[min]"][0] == 0.5


def test_the_keyword_that_is_asked_for_is_not_read() -> None:
    assert without("cat face with cats’ eyes category", "cat") == "face with ’ eyes category"
    assert without("c++ face", "c++") in {"face", "c++ face"}

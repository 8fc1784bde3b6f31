"""Composed retrieval under four protocols: what is written is read, and rules change figures as they should."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bowerbird.evaluate import evaluate
from bowerbird.evaluate.benchmarks import check, load
from bowerbird.papers import cir_survey as page
from bowerbird.papers.cir_survey import composers
from bowerbird.papers.cir_survey.edits import Edits, mined, write_all
from bowerbird.papers.taxonomy import completeness, resolved
from tests.shared import shared

Array = np.ndarray


@cache
def sides() -> tuple[Edits, Edits]:
    folder = shared("images/emoji-styles")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    return mined(folder, entries, 0, 80)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test side in all formats; looks are random, as they only choose sets and galleries."""
    _, test = sides()
    looks = np.random.default_rng(0).standard_normal((len(test.paths), 16)).astype(np.float32)
    folder = tmp_path_factory.mktemp("edits")
    write_all(test, looks / np.linalg.norm(looks, axis=1, keepdims=True), folder, 0)
    return folder


def test_edits_of_both_sides_are_of_other_emoji() -> None:
    train, test = sides()
    tested = {test.names[row] for one in test.edits for row in (one.reference, one.target)}
    assert tested
    assert not set(train.names) & tested
    assert set(train.names) < set(test.names)  # they distract
    assert min(len(train.edits), len(test.edits)) >= 30
    for one in (*test.edits, *train.edits):
        assert one.reference != one.target
    one = test.edits[0]
    assert one.new.split()[0] in test.names[one.target].lower()
    assert one.old.split()[0] in test.names[one.reference].lower()


def test_each_format_is_read_back_whole(written: Path) -> None:
    _, test = sides()
    for protocol in page.protocols(written):
        contents = check(protocol.benchmark)  # every picture that is named is there
        assert contents.queries == len(test.edits)
    by_name = {protocol.name: protocol.benchmark for protocol in page.protocols(written)}
    assert {len(pool) for pool in by_name["GeneCIS"].pools.values()} == {15}
    assert {len(pool) for pool in by_name["CIRR subset"].pools.values()} == {5}
    assert {len(found) for found in by_name["CIRCO"].qrels.values()} == {2}
    assert by_name["CIRR"].left_out
    whole, named = (by_name[f"FashionIQ, {part} split"] for part in ("whole", "VAL"))
    assert len(list(named.items())) == page.fashioniq_sizes(whole)[1] < page.fashioniq_sizes(whole)[0]
    assert not by_name["FashionIQ, whole split"].left_out


def test_a_query_that_finds_its_reference_first_scores_where_that_is_left_out(written: Path) -> None:
    _, test = sides()
    by_name = {protocol.name: protocol for protocol in page.protocols(written)}
    for name, first in (("CIRR", 1.0), ("FashionIQ, whole split", 0.0), ("CIRR subset", 1.0), ("GeneCIS", 1.0)):
        benchmark = by_name[name].benchmark
        ids = np.array([item.id for item in benchmark.items()], object)
        place = {str(identity): column for column, identity in enumerate(ids)}
        asked = list(benchmark.queries)
        prefix = "" if name == "GeneCIS" else "e"
        vectors = np.zeros((len(asked), len(ids)), np.float32)
        for row, one in enumerate(test.edits):
            vectors[row, place[f"{prefix}{one.target}"]] = 1
            vectors[row, place[f"{prefix}{one.reference}"]] = 2
        encoded = page.Encoded(vectors, vectors, ids, np.eye(len(ids), dtype=np.float32))
        ranking = page.ranked(benchmark, encoded, composers.picture_only)
        measure = "R_subset@1" if name == "CIRR subset" else "R@1"
        assert evaluate(ranking, benchmark, (measure,))[measure] == first, name
        if name == "CIRR":
            assert evaluate(ranking, replace(benchmark, left_out={}), ("R@1",))["R@1"] == 0


def test_composers_that_learn_find_what_a_sum_does_not() -> None:
    pytest.importorskip("torch")
    random = np.random.default_rng(0)

    def some(count: int, said: Array) -> tuple[Array, Array, Array]:
        """Words say what becomes of the second half of a picture; the first half is one of twenty things."""
        things = kinds[random.integers(0, 20, count)]
        old, new = random.standard_normal((2, count, 16)).astype(np.float32)
        sides = np.concatenate([things, old], 1), np.concatenate([0 * things, new @ said], 1)
        return tuple(page.unit(side) for side in (*sides, np.concatenate([things, new], 1)))  # type: ignore[return-value]

    kinds = random.standard_normal((20, 16)).astype(np.float32)
    plain, turned = np.eye(16, dtype=np.float32), np.linalg.qr(random.standard_normal((16, 16)))[0].astype(np.float32)
    train, test = some(400, turned), some(200, turned)

    def first(composer: composers.Composer) -> float:
        return float(((composer(test[0], test[1]) @ test[2].T).argmax(axis=1) == np.arange(200)).mean())

    learned = composers.fit_combiner(*train, seed=0)
    assert first(learned) > max(first(composers.summed), first(composers.picture_only)) + 0.2
    weighted, share = composers.fit_weighted(*some(400, plain))
    assert 0 < share < 1
    test = some(200, plain)
    assert first(weighted) >= max(first(composers.picture_only), first(composers.words_only) - 0.02)
    inverted = composers.fit_inversion(train[0], train[0] @ np.roll(np.eye(32, dtype=np.float32), 1, 0), *train)
    assert np.abs(inverted(test[0], 0 * test[1]) - test[0] @ np.roll(np.eye(32), 1, 0)).max() < 0.1


def test_published_annotations_say_what_one_judged_target_hides() -> None:
    circo = load("circo", shared("benchmarks/CIRCO"), "val")
    perfect = page.perfect_order(circo, 0)
    assert perfect["AP@5[min]"].min() == 1
    chance = np.mean([1 / len(found) for found in circo.qrels.values()])
    assert abs(perfect["R@1"].mean() - chance) < 0.1
    whole, named = page.fashioniq_sizes(load("fashioniq", shared("benchmarks/FashionIQ"), "dress.val"))
    assert (whole, named) == (3817, 2628)


def test_what_the_taxonomy_names_is_there() -> None:
    for family in page.FAMILIES:
        if family.part:
            assert resolved(family) is not None
    lines = completeness(page.FAMILIES)
    assert any("not here: gated residual (TIRG)" in line for line in lines)

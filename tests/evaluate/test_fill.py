"""A benchmark in a real library: filled in batches, gone on with, searched and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import bowerbird as bb
from bowerbird.errors import EvaluationError
from bowerbird.evaluate import Benchmark
from tests.evaluate.made import benchmark, passage

TEXTS = {
    "heart": "The heart has four chambers and pumps blood through the body.",
    "bridge": "The old stone bridge was built between 1351 and 1358.",
    "loan": "The library lends up to ten books for two weeks.",
    "rain": "Seattle gets less rain in a year than New York.",
}
QRELS = {"stone bridge": {"bridge": 1}, "how many books": {"loan": 1}, "blood pump": {"heart": 1}}
ITEMS = [passage(name, text) for name, text in TEXTS.items()]


def test_filling_stops_and_goes_on(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields={"text": "e5"})

    def breaks() -> Iterator[bb.Item]:
        yield from ITEMS[:3]
        raise OSError("the disk of the corpus is gone")

    made = benchmark(QRELS, ITEMS)
    with pytest.raises(OSError, match="gone"):
        bb.fill(library, Benchmark("breaks", made.queries, QRELS, breaks), batch=2)
    assert sorted(library.snapshot().ids) == ["bridge", "heart"]
    filled = bb.fill(library, made, batch=2)
    assert (filled.added, filled.present, filled.unknown) == (2, 2, ())
    assert bb.fill(library, made).added == 0
    assert sorted(library.snapshot().ids) == sorted(TEXTS)

    with pytest.warns(UserWarning, match="nothing was found"):
        results = bb.experiment(
            [bb.Lexical(library), lambda asked: asked], made, ["RR", "hub_rate@1"], names=["words", "none"]
        )
    assert results["words", "RR"] == 1
    assert results["none", "RR"] == 0


def test_judged_items_that_the_corpus_does_not_have(tmp_path: Path) -> None:
    made = benchmark({"q": {"loan": 1, "lost": 1}}, ITEMS[2:3], pools={"q": frozenset({"loan", "gone"})})
    with pytest.warns(UserWarning, match="2 of 3 judged items are not in the corpus, such as 'gone' of query 'q'"):
        assert bb.fill(bb.open(tmp_path / "library", fields={"text": "e5"}), made).unknown == ("gone", "lost")


def test_a_source_that_comes_back_is_an_error(tmp_path: Path) -> None:
    items = [passage("a", source="one"), passage("b", source="two"), passage("c", source="one")]
    with pytest.raises(EvaluationError, match="items of source 'one' do not come one after the other"):
        bb.fill(bb.open(tmp_path / "library", fields={"text": "e5"}), benchmark({"q": {"a": 1}}, items), batch=1)

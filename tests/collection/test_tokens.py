"""Fields with token vectors only: centroids nominate what late interaction scores, whatever changes or breaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bowerbird.collection import generations as generations_module
from bowerbird.collection import segment
from bowerbird.collection.generations import Generations
from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import CollectionError
from bowerbird.index.kernels import Query
from bowerbird.index.multivector import nominator
from bowerbird.index.multivector.centroids import how_many
from tests.collection.rows import Folder, Row
from tests.index.test_multivector import documents

COUNT = 3600
TOKENS = documents(COUNT)
QUESTIONS = [Query.of(np.asarray(one)) for one in map(documents(20, seed=1).__getitem__, range(20))]


def rows(start: int, end: int) -> list[Row]:
    return [Row(str(number), tokens=np.asarray(TOKENS[number])) for number in range(start, end)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Two large segments, a small one, and rows that were there once."""
    made = Folder(tmp_path_factory.mktemp("tokens") / "library")
    generations = Generations(made.path)
    for start, end in ((0, 3000), (3000, 3100), (3100, COUNT)):
        made.replace([], {str(start): rows(start, end)})
        len(made.snapshot(generations))
    made.replace(["3000"], {})
    return made


def recall(view: Snapshot, allowed: np.ndarray | None = None) -> float:
    """At ten, beside MaxSim of all."""
    every = np.arange(len(view)) if allowed is None else np.flatnonzero(allowed)
    shares = []
    for query in QUESTIONS:
        found, scores = view.late("text", query, 10, allowed)
        np.testing.assert_array_equal(scores, view.maxsim(query, found))
        assert len(found) == 10
        assert allowed is None or allowed[found].all()
        best = every[np.argsort(-view.maxsim(query, every), kind="stable")[:10]]
        shares.append(len(set(best) & set(found)) / 10)
    return float(np.mean(shares))


def test_centroids_nominate_what_is_found(folder: Folder) -> None:
    view = folder.snapshot(Generations(folder.path))
    (words, tokens) = view.index(lambda derived: derived.indexes(["text"]))
    assert words.field == "words"
    first = how_many(int(TOKENS.offsets[3000]))
    assert tokens.index == f"MaxSim of those that {first} centroids nominate"
    assert (tokens.rows, tokens.segments) == (3500, 2)
    assert 0 < tokens.bytes < 10 * TOKENS.offsets[-1]
    assert recall(view) >= 0.97
    nominated = view.index(lambda derived: derived.late("text")).nominate(QUESTIONS[0], 10, None, 0.9)
    assert len(nominated) < 1500  # 500 are in the small segment
    assert recall(view, np.random.default_rng(0).random(3500) < 0.3) >= 0.97
    few = np.zeros(3500, bool)
    few[5:3500:100] = True
    assert recall(view, few) == 1.0


@pytest.mark.parametrize("listed", [False, True])
def test_merged_segments_find_as_much(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    if listed:
        monkeypatch.setattr(nominator, "LISTED", 1000)
    view = folder.rebuilt(tmp_path / "index")
    (_, tokens) = view.index(lambda derived: derived.indexes(["text"]))
    assert tokens.segments == 1
    assert recall(view) >= 0.97


@pytest.mark.parametrize("least", [1 << 16, 10])
def test_rows_without_tokens_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int) -> None:
    monkeypatch.setattr(segment, "NOMINATED", least)
    made = Folder(tmp_path / "library")
    empty = [Row(f"empty {number}", tokens=np.zeros((0, 64), np.float32)) for number in range(20)]
    made.replace([], {"file": [*rows(0, 3), Row("without"), *empty]})
    found, _ = made.snapshot(Generations(made.path)).late("text", QUESTIONS[0], 10)
    assert sorted(found) == [0, 1, 2]


@pytest.mark.parametrize("batch", [1, 40, 1000])
def test_tokens_are_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(segment, "NOMINATED", 10)
    made = Folder(tmp_path / "library")
    made.replace([], {"file": rows(0, 60)})
    expected = made.rebuilt(tmp_path / "whole").late("text", QUESTIONS[0], 10)
    monkeypatch.setattr(nominator, "BATCH", batch)
    found = made.rebuilt(tmp_path / "in batches").late("text", QUESTIONS[0], 10)
    np.testing.assert_array_equal(found, expected)


def test_opening_a_version_does_not_learn_centroids_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Folder(tmp_path / "library")
    generations = Generations(made.path)
    for start in range(0, 200, 50):
        made.replace([], {str(start): rows(start, start + 50)})
        len(made.snapshot(generations))
        monkeypatch.setattr(segment, "NOMINATED", 100)
        monkeypatch.setattr(generations_module, "NOMINATED", 100)
    view = made.snapshot(generations)
    assert view.index(lambda derived: derived.late("text")).segments == 4
    assert generations.merge()
    after = Generations(made.path)
    assert made.snapshot(after).index(lambda derived: derived.late("text")).segments == 1
    best = made.snapshot(after).late("text", QUESTIONS[0], 5)[0]
    assert best.tolist() == view.late("text", QUESTIONS[0], 5)[0].tolist()


def test_a_damaged_pack_stops_no_merge_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "NOMINATED", 100)
    monkeypatch.setattr(generations_module, "NOMINATED", 100)
    made = Folder(tmp_path / "library")
    generations = Generations(made.path)
    for start in range(0, 200, 50):
        made.replace([], {str(start): rows(start, start + 50)})
        len(made.snapshot(generations))
    for path in (made.path / "packs").iterdir():
        path.write_bytes(b"nothing of it left")
    again = Generations(made.path)
    assert made.snapshot(again).index(lambda derived: derived.late("text")).segments == 4
    assert not again.merge()
    assert len(made.snapshot(again)) == 200


def test_damaged_tokens_are_named_and_stop_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "NOMINATED", 100)
    made = Folder(tmp_path / "library")
    made.replace([], {"file": rows(0, 50)})
    (path,) = (made.path / "packs").iterdir()
    whole, named = path.read_bytes(), 0
    for place in range(len(whole) - 1, 0, -len(whole) // 40):  # tokens are most of a pack
        broken = bytearray(whole)
        broken[place] ^= 16
        path.write_bytes(broken)
        view = made.rebuilt(tmp_path / str(place))
        try:
            found = view.late("text", QUESTIONS[0], 3)[0]
        except CollectionError as error:
            assert path.name in str(error)  # noqa: PT017
            named += 1
        else:
            path.write_bytes(whole)
            again = made.rebuilt(tmp_path / f"{place} again")
            assert found.tolist() == again.late("text", QUESTIONS[0], 3)[0].tolist()
    assert named > 20

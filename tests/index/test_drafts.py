"""Changes that fail before or while the manifest is written leave no files, and lose none to another writer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bowerbird.embeddings import Dense
from bowerbird.errors import CollectionError, LockedError
from bowerbird.index import segments
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.drafts import tidy
from bowerbird.index.manifest import MANIFEST, Manifest
from bowerbird.index.multivector import index as multivector
from bowerbird.storage.lock import writer_lock
from tests.index.test_indexes import ASKED, KINDS, Kind, Model, near_codes

MEANS = BitMeans(np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32))


class IndexWithMeans(BinaryIndex):
    @classmethod
    def build(cls, *given: Any, **options: Any) -> BinaryIndex:
        return BinaryIndex.build(*given, **options, means=MEANS)


WITH_MEANS = Kind(IndexWithMeans, near_codes, KINDS["binary"].rows, KINDS["binary"].scores)
ALL = KINDS | {"binary with means": WITH_MEANS}


@pytest.fixture(params=ALL)
def kind(request: pytest.FixtureRequest) -> Kind:
    return ALL[request.param]


def packs(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {MANIFEST, "writer.lock"}


def added(kind: Kind, index: Any, folder: Path) -> None:
    index.add(np.arange(40, 50), kind.draw(10, 2))


def removed(kind: Kind, index: Any, folder: Path) -> None:
    index.remove(np.arange(5))


def saved(kind: Kind, index: Any, folder: Path) -> None:
    index.save(folder)


def built(kind: Kind, index: Any, folder: Path) -> None:
    kind.index.build(np.arange(9), kind.draw(9, 3), folder=folder)


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("change", [added, removed, saved, built])
def test_a_manifest_that_cannot_be_written_leaves_no_files(
    kind: Kind, change: Callable[..., None], damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = kind.index.build(np.arange(40), kind.draw(40, 1), folder=tmp_path)
    if change is saved:
        kind.index.build(np.arange(3), kind.draw(3, 4), folder=tmp_path / "copy")
    place, error = tmp_path / "copy" if change is saved else tmp_path, OSError(28, "the disk is full")
    if damaged:
        (place / MANIFEST).write_bytes(b"\xff")
    before = packs(place)

    def full(manifest: Manifest, folder: Path) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", full)
        refused = damaged and change in (added, removed)
        with pytest.raises(CollectionError if refused else OSError, match="cannot be read" if refused else "is full"):
            change(kind, index, place)
    assert packs(place) == before
    if not damaged:
        assert index.verify() == []
        change(kind, index, place)


@pytest.mark.parametrize("change", [added, saved, built])
def test_a_change_of_a_locked_folder_leaves_no_files(
    kind: Kind, change: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "writer_lock", partial(writer_lock, wait=0))
    index = kind.index.build(np.arange(40), kind.draw(40, 1), folder=tmp_path)
    place = tmp_path if change is added else tmp_path / "copy"
    place.mkdir(exist_ok=True)
    before = packs(place)
    with writer_lock(place), pytest.raises(LockedError):
        change(kind, index, place)
    assert packs(place) == before


def test_a_merge_that_meets_a_lock_leaves_no_files(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = kind.index.build(np.arange(10), kind.draw(10, 1), folder=tmp_path)
    monkeypatch.setattr(segments, "writer_lock", partial(writer_lock, wait=0))
    monkeypatch.setattr(index._segments, "_merge_in_background", lambda: None)
    for start in (10, 20, 30):
        index.add(np.arange(start, start + 10), kind.draw(10, start))
    before, join = packs(tmp_path), index._segments._join
    with ExitStack() as rival:

        def joined(parts: Any) -> Any:
            rival.enter_context(writer_lock(tmp_path))
            return join(parts)

        monkeypatch.setattr(index._segments, "_join", joined)
        with pytest.raises(LockedError):
            index.merge()
    assert packs(tmp_path) == before
    monkeypatch.setattr(index._segments, "_join", join)
    assert index.merge()


def test_what_another_writer_tidies_up_before_a_save_is_written_after(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model(kind)
    index = kind.index.build(np.arange(40), kind.rows(model.vectors, np.arange(40)), folder=tmp_path / "index")

    @contextmanager
    def after_another(folder: Path) -> Iterator[None]:
        with writer_lock(folder):
            tidy(folder)
            yield

    monkeypatch.setattr(segments, "writer_lock", after_another)
    index.save(tmp_path / "copy")
    copy = kind.index.open(tmp_path / "copy")
    model.row_of = {key: key for key in range(40)}
    model.check(copy, kind.draw(ASKED, 5), 20)
    assert copy.verify() == []
    if kind is WITH_MEANS:
        hits = copy.search(kind.draw(ASKED, 5), 9)
        assert (copy.rescore(Dense(np.ones((ASKED, 64), np.float32)), hits).keys >= 0).all()


def test_a_build_in_portions_leaves_one_segment_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS["multi-vector"]
    model, made = Model(kind), multivector.segment_arrays
    monkeypatch.setattr(multivector, "BATCH_TOKENS", 40)

    def third_is_too_much(*given: Any) -> Any:
        if len(packs(tmp_path)) == 2:
            raise OSError(28, "the disk is full")
        return made(*given)

    with monkeypatch.context() as patch:
        patch.setattr(multivector, "segment_arrays", third_is_too_much)
        with pytest.raises(OSError, match="is full"):
            kind.index.build(np.arange(60), kind.rows(model.vectors, np.arange(60)), folder=tmp_path)
    assert not packs(tmp_path)
    index = kind.index.build(np.arange(60), kind.rows(model.vectors, np.arange(60)), folder=tmp_path)
    assert len(packs(tmp_path)) == 2, "a segment and the model"
    model.row_of = {key: key for key in range(60)}
    model.check(index, kind.draw(ASKED, 5), 20)

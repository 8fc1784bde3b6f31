"""A full disk: an error that names the file, an index that goes on as it was, and no room taken by what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bowerbird.index.manifest import named_in
from tests.index.test_indexes import ASKED, KINDS, Kind, Model

resource = pytest.importorskip("resource", reason="limits the size of files as POSIX does")

SIZES = (0, 300, 500, 900, 3000)
"""Of files that are cut off: a note, a mask, a manifest, a segment."""


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """Every file ends after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def prepared(kind: Kind, folder: Path) -> tuple[Any, Model]:
    """An index with three segments and a row that is gone: one more segment, and they are merged."""
    model = Model(kind)
    index = kind.index.build(np.arange(40), kind.rows(model.vectors, np.arange(40)), folder=folder)
    for start in (40, 50):
        index.add(np.arange(start, start + 10), kind.rows(model.vectors, np.arange(start, start + 10)))
    index.remove(np.array([7]))
    index.wait()
    model.row_of = {key: key for key in range(60) if key != 7}
    return index, model


def added(kind: Kind, model: Model, index: Any, folder: Path) -> None:
    index.add(np.arange(60, 80), kind.rows(model.vectors, np.arange(60, 80)))
    index.wait()
    model.row_of |= {key: key for key in range(60, 80)}


def removed(kind: Kind, model: Model, index: Any, folder: Path) -> None:
    index.remove(np.arange(5))
    model.row_of = {key: row for key, row in model.row_of.items() if key >= 5}


def saved(kind: Kind, model: Model, index: Any, folder: Path) -> None:
    index.save(folder.with_name("copy"))


def built(kind: Kind, model: Model, index: Any, folder: Path) -> None:
    kind.index.build(np.arange(9), kind.rows(model.vectors, np.arange(9)), folder=folder)
    model.row_of = {key: key for key in range(9)}


@pytest.mark.parametrize("name", ["dense", "binary", "multi-vector"])
@pytest.mark.parametrize("change", [added, removed, saved, built])
def test_a_change_fails_as_a_whole(name: str, change: Callable[..., None], tmp_path: Path) -> None:
    kind, errors = KINDS[name], []
    queries = kind.draw(ASKED, 5)
    for size in SIZES:
        folder = tmp_path / str(size) / "index"
        index, model = prepared(kind, folder)
        saved(kind, model, index, folder)
        model.check(index, queries, 20)  # what is compiled for the first search is written, too
        try:
            with full_disk(size):
                change(kind, model, index, folder)
        except OSError as error:
            errors.append(error)
        assert not list(folder.parent.glob("*/*.partial"))
        for place in (folder, folder.with_name("copy")):
            again = kind.index.open(place)
            assert again.verify() == []
        if change is not built:
            model.check(index, queries, 20)
            change(kind, model, index, folder)
            model.check(index, queries, 20)
        else:
            change(kind, model, index, folder)
        model.check(kind.index.open(folder.with_name("copy") if change is saved else folder), queries, 20)
    assert len(errors) >= 2, "the disk was hardly ever full"
    assert {Path(error.filename).suffix for error in errors} <= {".json", ".pack"}


@pytest.mark.parametrize("name", ["dense", "binary", "multi-vector"])
def test_a_merge_that_fails_leaves_its_segments(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, errors = KINDS[name], []
    queries = kind.draw(ASKED, 5)
    for size in SIZES:
        index, model = prepared(kind, tmp_path / str(size))
        with monkeypatch.context() as patch:
            patch.setattr(index._segments, "_merge_in_background", lambda: None)
            added(kind, model, index, tmp_path / str(size))
        with full_disk(size):
            try:
                assert index.merge()
            except OSError as error:
                errors.append(error)
        if errors:
            assert {path.name for path in (tmp_path / str(size)).glob("*.pack*")} == named_in(tmp_path / str(size))
        for one in (index, kind.index.open(tmp_path / str(size))):
            model.check(one, queries, 20)
            assert one.verify() == []
        index.merge()
        assert index.stats().detail["segments"] == 1
        model.check(index, queries, 20)
    assert len(errors) >= 2, "the disk was hardly ever full"
    assert all(Path(error.filename).parent.parent == tmp_path for error in errors)

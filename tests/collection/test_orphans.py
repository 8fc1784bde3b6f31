"""Packs that nothing refers to are deleted, but never one that an open reader may need."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.collection import ingest
from bowerbird.collection.store import Store
from bowerbird.errors import CollectionError

NOW = timedelta(0)
HOURS = 3600.0


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text("Salmon swim upstream.")
    return path


@pytest.fixture
def library(tmp_path: Path, note: Path) -> bb.Library:
    opened = bb.open(tmp_path / "library", fields={"text": "e5"})
    opened.add(note)
    return opened


def packs(library: bb.Library) -> set[Path]:
    return set((library.collection.folder / "packs").iterdir())


def tidy(library: bb.Library, grace: timedelta) -> None:
    Store(library.collection.folder).tidy(grace)


def age(path: Path, hours: float) -> None:
    then = time.time() - hours * HOURS
    os.utime(path, (then, then))


def test_the_pack_of_a_replaced_file_goes_when_its_version_does(library: bb.Library, note: Path) -> None:
    (old,) = packs(library)
    note.write_text("Trout swim upstream.")
    library.add(note)
    assert old in packs(library)
    tidy(library, NOW)
    assert old not in packs(library)
    assert len(packs(library)) == 1
    assert library.search("trout").hits
    assert not library.collection.verify().problems


def test_a_fresh_orphan_stays_and_an_old_one_goes(library: bb.Library) -> None:
    folder = library.collection.folder / "packs"
    used = packs(library)
    fresh, old, torn = folder / "fresh.pack", folder / "old.pack", folder / "torn.pack.partial"
    for path in (fresh, old, torn):
        path.write_bytes(b"from a crash")
    for path in (old, torn, *used):
        age(path, 2)
    tidy(library, timedelta(hours=1))
    assert packs(library) == {*used, fresh}


def test_a_version_that_was_newest_within_the_grace_stays_with_its_packs(library: bb.Library, note: Path) -> None:
    """However old it is: a reader may have opened it just before it was replaced."""
    before = library.collection.snapshot()
    (old,) = packs(library)
    time.sleep(1.2)
    note.write_text("Trout swim upstream.")
    library.add(note)
    age(old, 2)
    tidy(library, timedelta(seconds=1))
    assert old in packs(library)
    assert [item.text for item in before.items(np.arange(len(before)))][-1] == "Salmon swim upstream."
    assert len(library.collection.at(before.version)) == len(before)
    time.sleep(1.2)
    tidy(library, timedelta(seconds=1))
    assert old not in packs(library)
    with pytest.raises(CollectionError, match="is gone"):
        library.collection.at(before.version)


def test_a_pack_that_some_files_still_use_stays(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "COMMIT_SECONDS", 1e9)  # one commit and one pack, however slow the machine is
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"note about thing{number}")
    library.add(*(tmp_path / f"{number}.txt" for number in range(3)))
    shared = packs(library)
    library.collection.remove([str(tmp_path / "1.txt")])
    tidy(library, NOW)
    assert packs(library) == shared
    library.collection.remove([str(tmp_path / "0.txt"), str(tmp_path / "2.txt")])
    tidy(library, NOW)
    assert len(packs(library)) == len(shared) - 1
    assert library.search("salmon").hits


def test_what_a_re_embedding_replaced_goes_too(library: bb.Library) -> None:
    before = packs(library)
    library.reembed({"text": "lite"})
    assert before < packs(library)
    tidy(library, NOW)
    assert len(packs(library) - before) == len(packs(library)) == 1

"""Which files a collection takes for the same, which for gone, and which ids their items have."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

import bowerbird as bb
from bowerbird.collection import ingest
from bowerbird.embeddings import Embedding
from bowerbird.errors import CollectionError, ReadError
from bowerbird.items import Parts, text_of
from bowerbird.server.drawing import draw

FIELDS = {"text": "e5"}
LICENCE = "Bowerbirds may be copied by everyone."


@pytest.fixture
def library(tmp_path: Path) -> bb.Library:
    return bb.open(tmp_path / "library", fields=FIELDS)


def add_twins(library: bb.Library, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders with the same files, each added from inside as '.'."""
    one, two = root / "one", root / "two"
    one.mkdir()
    (one / "LICENSE").write_text(LICENCE)
    with ZipFile(one / "papers.zip", "w") as archive:
        archive.writestr("notes.txt", "Lyrebirds imitate chainsaws.")
    Image.new("RGB", (40, 30), "blue").save(one / "sky.png")
    shutil.copytree(one, two)
    with ZipFile(two / "papers.zip", "a") as archive:
        archive.writestr("more.txt", "An archive with another digest, but with a member that is the same.")
    for folder in (one, two):
        monkeypatch.chdir(folder)
        assert not library.add(".").failed


def test_two_files_of_one_name_and_content_are_both_found(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_twins(library, tmp_path, monkeypatch)
    ids = library.collection.snapshot().ids.tolist()
    assert len(ids) == len(set(ids))
    for question in ("who may copy bowerbirds", "lyrebirds imitate chainsaws", "sky"):
        first, second = library.search(question).hits[:2]
        assert (first.source, first.item.text) == (second.source, second.item.text)
        assert first.item.id != second.item.id
    assert library.ask("who may copy bowerbirds").citations


def test_items_of_twins_stay_with_their_file(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_twins(library, tmp_path, monkeypatch)
    snapshot = library.collection.snapshot()
    ids = snapshot.ids.tolist()
    home = dict(snapshot.columns("id", "path"))
    for name, parent in snapshot.columns("id", "parent"):
        assert parent is None or home[parent] == home[name]
    again = library.add(tmp_path / "one", tmp_path / "two")
    assert (again.unchanged, again.added, again.replaced) == (6, (), ())
    assert library.collection.snapshot().ids.tolist() == ids


def test_a_twin_is_read_again_for_its_picture(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_twins(library, tmp_path, monkeypatch)
    snapshot = library.collection.snapshot()
    pictures = [row for row, name in enumerate(snapshot.columns("source")) if name == ("sky.png",)]
    infos = snapshot.files(snapshot.rows_of(snapshot.ids[pictures]))
    assert {Path(info.path).parent.name for info in infos} == {"one", "two"}
    for info, row in zip(infos, pictures, strict=True):
        assert draw(info.path, "sky.png", info.digest, str(snapshot.ids[row]), None, (), 40).startswith(b"\x89PNG")


def test_twins_of_an_older_version_are_healed_by_the_next_add(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(ingest, "copy_id", lambda name, path: name)
        add_twins(library, tmp_path, monkeypatch)
    with pytest.raises(bb.errors.RankingError, match="twice"):
        library.search("who may copy bowerbirds")
    library.add(".")
    assert len(library.search("who may copy bowerbirds").hits) >= 2
    assert library.add(tmp_path / "one", tmp_path / "two").unchanged == 6


def test_pictures_of_twins_are_embedded_from_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = bb.open(tmp_path / "library")
    add_twins(library, tmp_path, monkeypatch)
    field = next(name for name in library.collection.stats().fields if name != "text")
    report = library.collection.reembed({field: library.collection._fields()[field].encoder})
    assert (report.thumbnails, report.left_out) == ((), ())


def item(name: str, source: str) -> bb.Item:
    return bb.Item(name, "passage", (bb.Text(f"about {source}"),), bb.Locator(source))


def test_two_items_of_one_id_are_refused(library: bb.Library) -> None:
    with pytest.raises(CollectionError, match="item 'id-1' of 'dogs' has the id of an item of 'cats'"):
        library.add_items([item("id-1", "cats"), item("id-1", "dogs")])
    assert len(library.collection.snapshot()) == 0
    library.add_items([item("id-1", "cats")])
    with pytest.raises(CollectionError, match="item 'id-1' of 'dogs' has the id of an item of 'cats'"):
        library.add_items([item("id-2", "birds"), item("id-1", "dogs")])
    assert library.collection.snapshot().ids.tolist() == ["id-1"]
    library.add_items([item("id-1", "cats"), item("id-2", "dogs")])
    assert sorted(library.collection.snapshot().ids) == ["id-1", "id-2"]


@pytest.mark.parametrize("kind", ["dense", "tokens"])
def test_an_encoder_that_gives_no_numbers_costs_the_file_alone(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """One file of three is refused, with what to know about it; the others are found."""
    library.add_items([item("before", "wrens")])
    encoder = type(library.collection.snapshot().encoder("text"))
    encode = encoder.encode_items

    def broken(self: object, batch: Sequence[Parts]) -> Embedding:
        made = encode(self, batch)
        for row, parts in enumerate(batch):
            if "lyrebirds" in text_of(parts).casefold():
                vectors = made.dense.vectors[row] if kind == "dense" else made.tokens[row][-1]
                vectors[-1] = np.nan if kind == "dense" else 1e6
        return made

    monkeypatch.setattr(encoder, "encode_items", broken)
    for name in ("bowerbirds", "lyrebirds", "magpies"):
        (tmp_path / f"{name}.txt").write_text(f"All about {name}.")
    report = library.add(*sorted(tmp_path.glob("*.txt")))
    assert sorted(Path(source).name for source in report.added) == ["bowerbirds.txt", "magpies.txt"]
    (failure,) = report.failed
    assert failure.source.endswith("lyrebirds.txt")
    assert re.search(
        r"item '.+': the encoder of field 'text' gave a value that is no number, or beyond 65,504", failure.reason
    )
    assert library.search("magpies").hits[0].source.endswith("magpies.txt")
    with pytest.raises(ReadError, match="lyrebirds: item 'id-1': the encoder of field 'text'"):
        library.add_items([item("id-1", "lyrebirds")])


def add_birds(library: bb.Library, root: Path) -> Path:
    """A folder with two files, one of them in a folder below it."""
    folder = root / "birds"
    (folder / "sub").mkdir(parents=True)
    (folder / "owl.txt").write_text("Owls fly at night.")
    (folder / "sub" / "kite.txt").write_text("Kites circle over the fields.")
    assert len(library.add(folder).added) == 2
    return folder


def stored(library: bb.Library) -> list[str]:
    return [Path(file.source).name for file in library.collection.files()]


def test_prune_keeps_what_is_below_a_folder_that_is_away(library: bb.Library, tmp_path: Path) -> None:
    folder = add_birds(library, tmp_path)
    folder.rename(tmp_path / "unmounted")
    report = library.add(folder, prune=True)
    assert [failure.source for failure in report.failed] == [str(folder)]
    assert report.removed == ()
    (tmp_path / "unmounted").rename(folder)
    (folder / "sub" / "kite.txt").unlink()
    assert [Path(name).name for name in library.add(folder, prune=True).removed] == ["kite.txt"]
    assert stored(library) == ["owl.txt"]


def test_a_folder_that_cannot_be_read_is_reported_and_kept(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is too long for the system stands for missing permissions, which do not stop an administrator."""
    monkeypatch.chdir(add_birds(library, tmp_path))
    (tmp_path / "birds" / "gone.txt").write_text("Dodos are gone.")
    library.add(".")
    (tmp_path / "birds" / "gone.txt").unlink()
    long = "/".join(["sub/.."] * 585)
    report = library.add(long, prune=True)
    assert {Path(failure.source).name for failure in report.failed} == {"owl.txt", "sub"}
    assert all("cannot be read: File name too long" in failure.reason for failure in report.failed)
    assert [Path(name).name for name in report.removed] == ["gone.txt"]
    assert sorted(stored(library)) == ["kite.txt", "owl.txt"]


def test_a_name_that_is_not_utf8_is_one_file(
    library: bb.Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    bad = folder / os.fsdecode(b"bad-\xff.txt")
    bad.write_text("Larks sing in the morning.")
    monkeypatch.chdir(tmp_path)
    library.add("names")
    ids = library.collection.snapshot().ids.tolist()
    assert library.add("names").unchanged == 1
    assert library.add("names", prune=True).removed == ()
    assert library.collection.snapshot().ids.tolist() == ids
    assert "Larks sing" in library.search("larks").hits[0].item.text
    bad.write_text("Larks sing at noon.")
    assert len(library.add("names").replaced) == 1
    assert len(library.collection.snapshot()) == len(ids)
    assert library.collection.remove([f"names/{bad.name}"]) == 1
    assert stored(library) == []

"""What `verify` finds and `repair` makes again, and that nothing else is touched by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import bowerbird as bb
from bowerbird.errors import CollectionError

FIELDS = {"text": "e5"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A library of a file, a file whose source is gone, and an item of a program, in one part of the table."""
    for name in ("kept", "gone"):
        (tmp_path / f"{name}.txt").write_text(f"This text is {name}.")
    library = bb.open(tmp_path / "library", fields=FIELDS)
    library.add(tmp_path / "kept.txt", tmp_path / "gone.txt")
    library.add_items([bb.Item("made", "passage", (bb.Text("a made up note"),), bb.Locator("notes"))])
    (tmp_path / "gone.txt").unlink()
    return tmp_path / "library"


def replace_in_table(folder: Path, old: bytes, new: bytes) -> None:
    for path in (folder / "items.lance" / "data").glob("*.lance"):
        path.write_bytes(path.read_bytes().replace(old, new))


def sources(folder: Path) -> set[str]:
    return {Path(file.source).name for file in bb.open(folder).collection.files()}


def test_what_has_a_source_is_made_again_and_all_else_stays(folder: Path) -> None:
    replace_in_table(folder, b"text is kept", b"text is kelt")
    report = bb.open(folder).collection.verify(repair=True)
    assert any("kept.txt" in name for name in report.repaired)
    assert not report.lost
    assert sources(folder) == {"kept.txt", "gone.txt", "notes"}
    again = bb.open(folder)
    assert not again.collection.verify().problems
    assert {hit.evidence.snippet for hit in again.search("text note").hits} >= {"This text is kept."}
    assert "made" in again.snapshot().ids


@pytest.mark.parametrize(("old", "new", "name"), [(b"made up", b"made op", "notes"), (b"is gone", b"is gome", "gone")])
def test_what_has_no_source_is_kept_and_named(folder: Path, old: bytes, new: bytes, name: str) -> None:
    replace_in_table(folder, old, new)
    before = set(bb.open(folder).snapshot().ids)
    report = bb.open(folder).collection.verify(repair=True)
    assert len(report.lost) == 1
    assert name in report.lost[0]
    assert set(bb.open(folder).snapshot().ids) == before
    assert bb.open(folder).collection.verify(repair=True).lost == report.lost
    with pytest.raises(CollectionError, match="is damaged"):
        bb.open(folder).search("This text is kept")
    assert bb.open(folder).collection.remove([report.lost[0].split("'")[1]]) == 1
    assert bb.open(folder).search("This text is kept").hits
    assert not bb.open(folder).collection.verify().problems


def test_a_damaged_pack_costs_no_items(folder: Path) -> None:
    before = set(bb.open(folder).snapshot().ids)
    for pack in (folder / "packs").iterdir():
        content = bytearray(pack.read_bytes())
        content[-3] ^= 1
        pack.write_bytes(content)
    report = bb.open(folder).collection.verify(repair=True)
    assert [any(name in line for line in report.lost) for name in ("gone.txt", "notes")] == [True, True]
    assert set(bb.open(folder).snapshot().ids) == before


def test_a_table_that_cannot_be_read_is_made_again_and_what_is_lost_is_named(folder: Path) -> None:
    for path in (folder / "items.lance" / "data").glob("*.lance"):
        path.write_bytes(bytes(path.stat().st_size))
    report = bb.open(folder).collection.verify(repair=True)
    assert len(report.lost) == 2
    assert sources(folder) == {"kept.txt"}
    assert bb.open(folder).search("kept").hits
    assert not bb.open(folder).collection.verify().problems


def test_a_file_that_cannot_be_read_again_keeps_its_rows(folder: Path) -> None:
    replace_in_table(folder, b"text is kept", b"text is kelt")
    (folder.parent / "kept.txt").write_bytes(bytes(range(256)) * 9)
    report = bb.open(folder).collection.verify(repair=True)
    assert len(report.lost) == 1
    assert "kept.txt" in report.lost[0]
    assert "kept.txt" in sources(folder)


def test_a_torn_line_does_not_take_the_next_commit_with_it(folder: Path) -> None:
    log = folder / "commits.jsonl"
    log.write_text(log.read_text() + '{"version": 99, "fi')
    (folder.parent / "new.txt").write_text("This text is new.")
    bb.open(folder).add(folder.parent / "new.txt")
    newest = min((folder / "items.lance" / "_versions").glob("*.manifest"), key=lambda path: path.name)
    newest.write_bytes(b"")
    assert "new.txt" in sources(folder)


def test_what_a_killed_writer_committed_is_checked_like_all_else(folder: Path) -> None:
    log = folder / "commits.jsonl"
    *lines, last = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines))  # as if it had been killed before it noted its commit
    data = next(name for name in json.loads(last)["files"] if name.endswith(".lance"))
    bb.open(folder).add(folder.parent / "kept.txt")
    path = folder / "items.lance" / data
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert any(data in problem for problem in bb.open(folder).collection.verify().problems)
    assert any("notes" in line for line in bb.open(folder).collection.verify(repair=True).lost)

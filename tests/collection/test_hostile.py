"""A folder of hostile files goes through `add`: no crash, no hang, a line for each refusal, good files are found."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bowerbird.collection.collection import Collection
from bowerbird.collection.ingest import AddReport
from bowerbird.collection.workers import Job, ReadPool, Settings
from tests.collection import hostile_files

SETTINGS = Settings(ocr=False, stall_seconds=40, memory_bytes=1500 << 20)


@dataclass(frozen=True)
class Run:
    folder: Path
    collection: Collection
    report: AddReport
    seconds: float

    def reason(self, name: str) -> str:
        """Why a file failed; empty if it was added."""
        reasons = [failure.reason for failure in self.report.failed if Path(failure.source).name == name]
        return reasons[0] if reasons else ""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("hostile")
    folder = root / "a" / "b" / "files"
    folder.mkdir(parents=True)
    hostile_files.make(folder)
    collection = Collection.open(root / "library", fields={"text": "e5", "image": "lite"})
    started = time.monotonic()
    report = collection.add([folder], jobs=2, settings=SETTINGS)
    return Run(folder, collection, report, time.monotonic() - started)


def test_every_file_is_added_or_refused_with_one_line(run: Run) -> None:
    there = [path for path in run.folder.iterdir() if not path.is_dir()]
    done = [*run.report.added, *(failure.source for failure in run.report.failed)]
    assert len(done) == len(set(done)) == len(there)
    for failure in run.report.failed:
        assert failure.reason.strip()
        assert "\n" not in failure.reason
        assert len(failure.reason) < 500


def test_nothing_takes_long(run: Run) -> None:
    slow = [failure for failure in run.report.failed if "took longer" in failure.reason]
    assert not slow


def test_no_parser_dies(run: Run) -> None:
    """Workers would survive it, but no file of this corpus is known to bring a parser down."""
    died = [failure for failure in run.report.failed if "crashed" in failure.reason or "memory" in failure.reason]
    assert not died


@pytest.mark.parametrize("name", hostile_files.MUST_FAIL)
def test_what_cannot_be_read_is_refused(run: Run, name: str) -> None:
    reason = run.reason(name)
    assert reason
    assert hostile_files.MUST_FAIL[name] in reason


@pytest.mark.parametrize("name", hostile_files.GOOD)
def test_good_files_beside_them_are_found(run: Run, name: str) -> None:
    snapshot = run.collection.snapshot()
    rows, _ = snapshot.lexical([hostile_files.GOOD[name]], 1)
    (item,) = snapshot.items(rows[0])
    assert Path(item.locator.source).name == name


@pytest.mark.parametrize(
    "name", ["two\nlines.txt", "-rf.txt", "invalid.txt", "latin.txt", "utf16.txt", "surrogates.json"]
)
def test_strange_names_and_bytes_are_no_reason_to_fail(run: Run, name: str) -> None:
    if name.endswith(".json"):
        pytest.importorskip("bowerbird.readers.json")
    assert not run.reason(name)


def test_a_second_run_reads_only_what_failed(run: Run) -> None:
    again = run.collection.add([run.folder / name for name in hostile_files.GOOD], settings=SETTINGS)
    assert again.unchanged == len(hostile_files.GOOD)
    assert not again.added


def test_a_third_run_of_the_whole_folder_adds_and_removes_nothing(tmp_path: Path) -> None:
    """The corpus is slow to refuse, so it is its strange names alone."""
    folder = tmp_path / "files"
    folder.mkdir()
    hostile_files.make_names(folder)
    collection = Collection.open(tmp_path / "library", fields={"text": "e5"})
    report = collection.add([folder], settings=SETTINGS)
    assert (len(report.added), report.failed) == (len(hostile_files.NAMES), ())
    ids = collection.snapshot().ids.tolist()
    for prune in (False, True):
        again = collection.add([folder], prune=prune, settings=SETTINGS)
        assert (again.unchanged, again.added, again.removed) == (len(hostile_files.NAMES), (), ())
    assert collection.snapshot().ids.tolist() == ids
    for name in hostile_files.NAMES:
        assert collection.remove([str(folder / os.fsdecode(name))]) == 1
    assert len(collection.snapshot()) == 0


def test_nothing_was_written_outside(run: Run) -> None:
    root = run.folder.parents[2]
    assert not list(root.rglob("*escaped*"))
    assert not Path("/escaped.txt").exists()


def test_what_was_stored_is_sound(run: Run) -> None:
    assert run.collection.verify().problems == ()


@pytest.mark.parametrize("name", hostile_files.LONG)
def test_long_texts_take_linear_time(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(hostile_files.LONG[name])
    with ReadPool(1, SETTINGS) as pool:
        (error,) = (chunk.error for chunk in pool.read([Job(str(path), name)]) if chunk.last)
    assert "took longer" not in error
    assert "crashed" not in error
    assert "memory" not in error


def test_a_file_that_vanishes_or_cannot_be_opened_costs_itself(tmp_path: Path) -> None:
    """Between the walk and the worker files can go away or lose their permissions."""
    good, locked, gone = tmp_path / "good.txt", tmp_path / "locked.txt", tmp_path / "gone.txt"
    good.write_text("still here")
    locked.write_text("secret")
    locked.chmod(0)
    with ReadPool(1, SETTINGS) as pool:
        chunks = list(pool.read(Job(str(path), path.name) for path in (gone, locked, good)))
    errors = {chunk.job.source: chunk.error for chunk in chunks if chunk.last}
    assert "No such file" in errors["gone.txt"]
    assert not errors["good.txt"]
    if os.geteuid():
        assert "Permission denied" in errors["locked.txt"]

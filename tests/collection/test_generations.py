"""The derived index: after any changes as if it were made anew, whole after crashes, honest about damage."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bowerbird.collection import Collection, segment
from bowerbird.collection import generations as module
from bowerbird.collection.generations import GENERATION, Generations
from bowerbird.collection.segment import SUFFIX
from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Dense
from bowerbird.index import dense_segment
from bowerbird.index.kernels import Query
from tests.collection.rows import DIM, WORDS, Folder, Row

QUERIES = ["blue bird", "nest", "song of a bird with a blue wing", "egg egg feather", "nothing like it"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "library")


def made(chance: random.Random, path: str, others: list[str]) -> list[Row]:
    """A file: a document with pages with passages; now and then something whose parent is in another file."""
    rows = [Row(f"{path}/document", "document")]
    for page in range(chance.randrange(3)):
        rows.append(Row(f"{path}/{page}", "page", rows[0].id))
        rows += [Row(f"{path}/{page}/{n}", "passage", f"{path}/{page}") for n in range(chance.randrange(4))]
    if others and chance.random() < 0.4:
        rows.append(Row(f"{path}/note", "passage", chance.choice(others)))
    return [filled(chance, row) for row in rows]


def filled(chance: random.Random, row: Row) -> Row:
    text = " ".join(chance.choices(WORDS, k=chance.randrange(9)))
    vector = np.array([chance.randrange(-3, 4) for _ in range(DIM)]) if chance.random() < 0.8 else None
    return Row(row.id, row.kind, row.parent, text, vector)


def same(one: Snapshot, other: Snapshot, seed: int) -> None:
    """That two views show the same rows and give the same answers."""
    assert one.ids.tolist() == other.ids.tolist()
    count = len(one)
    assert one.kinds.tolist() == other.kinds.tolist()
    assert (one.rows_of(other.ids) == np.arange(count)).all()
    assert one.rows_of(["absent", "~"]).tolist() == [-1, -1]
    for name in ("parents", "groups", "documents"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert [one.thumbnail(row) for row in range(count)] == [other.thumbnail(row) for row in range(count)]
    draw = np.random.default_rng(seed)
    some = draw.random(count) < 0.5
    asked = Dense(draw.integers(-3, 4, (3, DIM)).astype(np.float32))
    for allowed in (None, some):
        for k in (3, count + 1):
            equal_hits(one.lexical(QUERIES, k, allowed), other.lexical(QUERIES, k, allowed))
            equal_hits(one.dense("text", asked, k, allowed), other.dense("text", asked, k, allowed))
    np.testing.assert_allclose(one.lexical_ceiling(QUERIES), other.lexical_ceiling(QUERIES), rtol=1e-6)
    for text in QUERIES:
        assert one.query_words(text).weights.tolist() == other.query_words(text).weights.tolist()
    assert (one.sample("text", 10).vectors == other.sample("text", 10).vectors).all()
    query = Query.of(asked.vectors)
    np.testing.assert_array_equal(one.maxsim(query, np.arange(count)), other.maxsim(query, np.arange(count)))


def equal_hits(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    """The same scores, and the same rows but for those that score the same."""
    there = np.isfinite(expected[1])
    assert ((found[0] >= 0) == (expected[0] >= 0)).all()
    np.testing.assert_allclose(found[1][there], expected[1][there], rtol=1e-5, atol=1e-6)
    for rows, wanted, scores in zip(found[0], expected[0], expected[1], strict=True):
        hits = wanted >= 0
        last = scores[hits].min(initial=np.inf)  # equals of the last one may have been cut off
        clear = hits & (scores > last)
        assert set(rows[clear].tolist()) == set(wanted[clear].tolist())


@pytest.mark.parametrize("seed", range(3))
def test_is_as_if_made_anew_after_any_changes(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(module, "SOON", 20)  # so that large merges are writers' work here, too
    chance = random.Random(seed)
    files: dict[str, list[Row]] = {}
    kept = Generations(folder.path)
    for step in range(16):
        gone = chance.sample(sorted(files), min(len(files), chance.randrange(3)))
        stay = [row.id for path in sorted(files) if path not in gone for row in files[path]]
        names = [f"file-{chance.randrange(30):02}" for _ in range(chance.randrange(4))]
        fresh = {name: made(chance, name, stay) for name in names}
        folder.replace(sorted({*gone, *fresh} & set(files)), fresh)
        files = {path: rows for path, rows in files.items() if path not in gone} | fresh
        if chance.random() < 0.2:
            folder.store.dataset().optimize.compact_files(target_rows_per_fragment=1000)
        if chance.random() < 0.3:
            kept = Generations(folder.path)  # as another process has it
        if chance.random() < 0.7:
            snapshot = folder.snapshot(kept)
            same(snapshot, folder.rebuilt(tmp_path / f"anew-{step}"), step)
            while chance.random() < 0.8 and kept.merge():
                same(folder.snapshot(kept), snapshot, step)
    versions = [entry["version"] for entry in folder.store.dataset().versions()]
    for version in chance.sample(versions[1:], 3):  # older ones, which share segments with the newest
        same(folder.snapshot(kept, version), folder.rebuilt(tmp_path / f"at-{version}", version), version)


def grown(folder: Folder, steps: int, seed: int = 0) -> Generations:
    """Several segments, some with rows that are gone."""
    chance, kept = random.Random(seed), Generations(folder.path)
    for number in range(steps):
        fresh = {f"file-{number}-{n}": made(chance, f"file-{number}-{n}", []) for n in range(20)}
        folder.replace([f"file-{number - 1}-{n}" for n in range(3)] if number else [], fresh)
        len(folder.snapshot(kept))
    return kept


def index_files(folder: Folder, suffix: str) -> list[Path]:
    return sorted((folder.path / "index").glob(f"*{suffix}"))


def test_a_small_change_writes_little(folder: Folder) -> None:
    kept = grown(folder, 2)
    before = {path: path.stat().st_mtime_ns for path in index_files(folder, SUFFIX)}
    folder.replace([], {"one more": [Row("one", text="a blue bird")]})
    assert len(folder.snapshot(kept)) > 100
    after = {path: path.stat().st_mtime_ns for path in index_files(folder, SUFFIX)}
    assert before.items() <= after.items()
    (new,) = set(after) - set(before)
    assert new.stat().st_size < min(path.stat().st_size for path in before)


def test_nothing_is_left_of_what_is_replaced(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH", 0.0)
    kept = grown(folder, 9)
    while kept.merge():
        pass
    assert len(index_files(folder, GENERATION)) == 1
    assert len(index_files(folder, SUFFIX)) < 4
    assert set(index_files(folder, "")) == {*index_files(folder, GENERATION), *index_files(folder, SUFFIX)}


def flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def zeroed(path: Path, chance: random.Random) -> None:
    """As a file is after a loss of power: of the right length, but never written."""
    path.write_bytes(bytes(path.stat().st_size))


def gone(path: Path, chance: random.Random) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flipped, cut, zeroed, gone])
@pytest.mark.parametrize("suffix", [SUFFIX, GENERATION])
def test_damage_is_found_and_made_good(
    folder: Folder, tmp_path: Path, suffix: str, damage: Callable[[Path, random.Random], None]
) -> None:
    grown(folder, 3)
    whole, chance = folder.rebuilt(tmp_path / "anew"), random.Random(0)
    for _ in range(6):
        damage(chance.choice(index_files(folder, suffix)), chance)
        same(folder.snapshot(Generations(folder.path)), whole, 0)
        assert not Generations(folder.path).verify()


def test_every_part_of_a_segment_is_checked(folder: Folder, tmp_path: Path) -> None:
    """A bit in every array, one after the other."""
    grown(folder, 1)
    whole = folder.rebuilt(tmp_path / "anew")
    (path,) = index_files(folder, SUFFIX)
    content = path.read_bytes()
    for at in range(0, len(content), 509):
        changed = bytearray(content)
        changed[at] ^= 4
        path.write_bytes(changed)
        damaged = Generations(folder.path).verify()
        if not damaged:  # between two arrays
            continue
        assert damaged == [path]
        same(folder.snapshot(Generations(folder.path)), whole, 0)
    path.write_bytes(content)
    assert not Generations(folder.path).verify()


def test_damage_under_an_open_view_is_made_good(folder: Folder, tmp_path: Path) -> None:
    kept = grown(folder, 2)
    snapshot, count = folder.snapshot(Generations(folder.path)), len(folder.snapshot(kept))
    assert len(snapshot) == count  # files are open, but next to nothing of them has been read
    for path in index_files(folder, SUFFIX):
        zeroed(path, random.Random(0))
    same(snapshot, folder.rebuilt(tmp_path / "anew"), 0)


def test_a_vanished_folder_is_made_again(folder: Folder, tmp_path: Path) -> None:
    kept = grown(folder, 2)
    shutil.rmtree(folder.path / "index")
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew"), 0)
    folder.replace([], {"one more": [Row("one", text="a blue bird")]})
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew"), 0)
    assert index_files(folder, GENERATION)


def test_a_folder_that_cannot_be_written_is_searched(folder: Folder, tmp_path: Path) -> None:
    grown(folder, 2)
    folder.replace([], {"one more": [Row("one", text="a blue bird")]})
    shutil.rmtree(folder.path / "index")
    (folder.path / "index").write_text("a file where the folder should be: nothing can be written, whoever tests")
    kept = Generations(folder.path)
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew"), 0)
    folder.replace(["one more"], {"two more": [Row("two", text="a blue feather")]})
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew-2"), 0)


@contextmanager
def lost(folder: Folder, tmp_path: Path) -> Iterator[None]:
    """What is stored in the block is lost afterwards; the next versions have its numbers and its rows' numbers."""
    before = tmp_path / "before"
    shutil.copytree(folder.path / "items.lance", before)
    yield
    shutil.rmtree(folder.path / "items.lance")
    shutil.move(before, folder.path / "items.lance")


def rows_of(names: Iterable[str], text: str, value: int, late: bool = False) -> dict[str, list[Row]]:
    """A file per name, with one row."""
    vector = np.full(DIM, value)
    made = {"tokens": np.stack([vector, np.ones(DIM)])} if late else {"vector": vector}
    return {name: [Row(name, text=text, **made)] for name in names}


def test_a_number_that_is_given_again_is_noticed(folder: Folder, tmp_path: Path) -> None:
    """A version is put aside as damaged after it was searched; the next one has its number and its rows' numbers."""
    grown(folder, 2)
    kept = Generations(folder.path)
    with lost(folder, tmp_path):
        folder.replace([], rows_of(["lost"], "blue", 1))
        before = folder.snapshot(kept)
        assert before.rows_of(["lost"])[0] >= 0
    folder.replace([], rows_of(["found"], "blue", 1))
    found = folder.snapshot(kept)
    assert found.version == before.version
    same(found, folder.rebuilt(tmp_path / "anew"), 0)
    same(folder.snapshot(Generations(folder.path)), folder.rebuilt(tmp_path / "anew"), 0)


@pytest.mark.parametrize("late", [False, True])
def test_a_lost_row_stays_lost_beside_others(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The lost rows are in one segment with others, which live on, and their numbers are given again."""
    monkeypatch.setattr(segment, "NOMINATED", 1)
    folder.replace([], rows_of(["one", "two", "three"], "egg", 1, late))
    kept = Generations(folder.path)
    with lost(folder, tmp_path):
        folder.replace([], rows_of(["lost"], "blue wing", 3, late))
        folder.replace([], rows_of(["lost too"], "blue wing", 3, late))
        assert (folder.snapshot(kept).rows_of(["lost", "lost too"]) >= 0).all()
        assert len(index_files(folder, SUFFIX)) == 1
    changes: list[tuple[list[str], list[str]]] = [([], ["found", "found too"]), ([], ["four"]), (["four"], [])]
    changes += [(["found"], ["five", "six"]), ([], ["seven"]), (["one", "two"], ["eight"]), (["three"], ["nine"])]
    query, versions = Query.of(np.ones((1, DIM), np.float32)), []
    for number, (gone, fresh) in enumerate(changes):
        folder.replace(gone, rows_of(fresh, "blue bird", 2, late))
        versions.append(int(folder.store.dataset().version))
        anew = folder.rebuilt(tmp_path / f"anew-{number}")
        for generations in (kept, Generations(folder.path)):  # the latter as another process has it
            view = folder.snapshot(generations)
            same(view, anew, number)
            np.testing.assert_array_equal(view.late("text", query, 9), anew.late("text", query, 9))
            generations.merge()
            same(folder.snapshot(generations), anew, number)
    for version in versions:
        same(folder.snapshot(kept, version), folder.rebuilt(tmp_path / f"at-{version}", version), version)


def test_a_lost_row_stays_lost_in_versions_that_were_passed_over(folder: Folder, tmp_path: Path) -> None:
    """The row that has its number is first looked for when a newer version, in which it is gone, has an index."""
    folder.replace([], rows_of(["one"], "egg", 1))
    with lost(folder, tmp_path):
        folder.replace([], rows_of(["lost"], "blue wing", 3))
        len(folder.snapshot(Generations(folder.path)))
    folder.replace([], rows_of(["found", "other"], "blue bird", 2))
    version = int(folder.store.dataset().version)
    folder.replace(["found"], {})
    kept = Generations(folder.path)
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew"), 0)
    same(folder.snapshot(kept, version), folder.rebuilt(tmp_path / "at", version), 0)


def test_a_view_of_a_lost_version_is_not_one_of_the_next(folder: Folder, tmp_path: Path) -> None:
    collection = Collection(folder.path)
    with lost(folder, tmp_path):
        folder.replace([], rows_of(["lost"], "blue wing", 3))
        before = collection.snapshot()
        assert collection.snapshot() is before
        assert before.rows_of(["lost"])[0] >= 0
        identity = before.identity
    folder.replace([], rows_of(["found"], "blue wing", 3))
    view = collection.snapshot()
    assert view.version == before.version
    assert view.rows_of(["lost", "found"]).tolist() == [-1, 0]
    assert view.identity != identity
    assert collection.snapshot() is view


def test_items_that_lie_in_each_other_end(folder: Folder) -> None:
    folder.replace([], {"knot": [Row("a", parent="b"), Row("b", parent="c"), Row("c", parent="a")]})
    assert set(folder.snapshot(Generations(folder.path)).documents) <= {0, 1, 2}


CHILD = """
import shutil
import sys
from pathlib import Path
from bowerbird.collection import generations
from tests.collection.rows import FIELDS
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.store import Store

folder, version = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    shutil.rmtree(folder / "index", ignore_errors=True)
    kept = generations.Generations(folder)
    for number in range(2, version + 1):
        len(Snapshot(folder, Store(folder).dataset(number), FIELDS, kept))
        kept.merge()
"""


def child(folder: Folder, rounds: int) -> subprocess.Popen[str]:
    """A process that makes the index anew, version by version, again and again."""
    last = int(folder.store.dataset().version)
    command = [sys.executable, "-c", CHILD, str(folder.path), str(last), str(rounds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_kill_while_index_files_are_written(folder: Folder, tmp_path: Path) -> None:
    grown(folder, 8)
    whole, chance = folder.rebuilt(tmp_path / "anew"), random.Random(0)
    for number in range(8):
        killed = child(folder, 1000)
        assert killed.stdout is not None
        killed.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.4))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert not Generations(folder.path).verify()
        same(folder.snapshot(Generations(folder.path)), whole, number)


def test_processes_make_and_delete_the_same_files_at_once(folder: Folder, tmp_path: Path) -> None:
    grown(folder, 6)
    both = [child(folder, rounds=5) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    same(folder.snapshot(Generations(folder.path)), folder.rebuilt(tmp_path / "anew"), 0)


def test_views_hold_while_versions_and_merges_go_on(folder: Folder, tmp_path: Path) -> None:
    grown(folder, 2)
    wrong: list[str] = []
    stop = threading.Event()

    def read() -> None:
        kept = Generations(folder.path)
        try:
            while not stop.is_set():
                snapshot = folder.snapshot(kept)
                assert (snapshot.rows_of(snapshot.ids) == np.arange(len(snapshot))).all()
                assert (snapshot.lexical(QUERIES, 5)[0] < len(snapshot)).all()
        except Exception as error:
            wrong.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    kept = Generations(folder.path)
    for number in range(12):
        folder.replace([], {f"more-{number}": [Row(f"more-{number}", text="one more blue bird")]})
        len(folder.snapshot(kept))
        kept.merge()
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    same(folder.snapshot(kept), folder.rebuilt(tmp_path / "anew"), 0)


def test_many_vectors_use_product_codes(folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_segment, "EXACT", 50)
    draw, generations = np.random.default_rng(0), Generations(folder.path)
    for number in range(2):
        vectors = draw.integers(-99, 100, (300, DIM))
        folder.replace([], {str(number): [Row(f"{number}/{n}", vector=one) for n, one in enumerate(vectors)]})
        len(folder.snapshot(generations))
        monkeypatch.setattr(dense_segment, "LISTED", 250)  # what was made before stays as it is
    view = folder.snapshot(generations)
    assert name_of(view) == "product codes in 2 lists, re-scored"
    whole = folder.rebuilt(tmp_path / "whole")
    assert name_of(whole) == "product codes in 4 lists, re-scored"
    queries = Dense(draw.standard_normal((20, DIM)).astype(np.float32))
    every = view.sample("text", 10_000).vectors
    best = np.argsort(-(queries.vectors @ every.T), axis=1)[:, :10]
    for one in (view, whole):
        found, _ = one.dense("text", queries, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, best, strict=True)]) >= 0.95


def name_of(view: Snapshot) -> str:
    """How the vectors of texts are searched."""
    (_, text) = view.index(lambda derived: derived.indexes(["text"]))
    return text.index

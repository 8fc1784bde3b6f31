"""What every index promises: right after any changes, whole after crashes, honest about damage and bad input."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import Binary, Dense, MultiVector
from bowerbird.errors import CollectionError
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.dense import DenseIndex
from bowerbird.index.manifest import named_in
from bowerbird.index.multivector import MultiVectorIndex
from bowerbird.index.multivector.search import Effort
from bowerbird.index.segments import BULK, Segments
from bowerbird.index.two_stage import TwoStageIndex
from bowerbird.storage.packs import Pack

ASKED = 3


@dataclass(frozen=True)
class Kind:
    """draw: n vectors of a seed. rows: some of them. scores: of queries with vectors, q × n, exact."""

    index: Any
    draw: Callable[[int, int], Any]
    rows: Callable[[Any, np.ndarray], Any]
    scores: Callable[[Any, Any], np.ndarray]


def whole_numbers(count: int, seed: int) -> Dense:
    """Small whole numbers: inner products are exact, and many are equal."""
    return Dense(np.random.default_rng(seed).integers(-3, 4, (count, 8)).astype(np.float32))


def dense_rows(vectors: Dense, rows: np.ndarray) -> Dense:
    return Dense(vectors.vectors[rows])


def near_codes(count: int, seed: int) -> Binary:
    """Codes of a few families, with some bits turned: many are equally near."""
    draw, centres = np.random.default_rng(seed), np.random.default_rng(99).integers(0, 256, (4, 8)).astype(np.uint8)
    return Binary(centres[draw.integers(0, 4, count)] ^ np.packbits(draw.random((count, 64)) < 0.03, axis=1))


def same_bits(queries: Binary, codes: Binary) -> np.ndarray:
    asked, stored = np.unpackbits(queries.codes, axis=1), np.unpackbits(codes.codes, axis=1)
    return -(asked[:, None] != stored).sum(axis=2).astype(np.float32)


class ExactMultiVectorIndex(MultiVectorIndex):
    """All documents are candidates; test_multivector.py looks at how they are chosen."""

    def effort(self, recall: float = 1.0, *, latency_ms: float | None = None) -> Effort:
        return Effort(1 << 30)


def token_sets(count: int, seed: int) -> MultiVector:
    """Sets of one to five vectors that int8 holds exactly."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 6, count)
    vectors = 127 * draw.integers(-1, 2, (int(lengths.sum()), 8))
    vectors[:, 0] = 127
    return MultiVector(vectors.astype(np.float32), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def token_rows(tokens: MultiVector, rows: np.ndarray) -> MultiVector:
    lengths = tokens.lengths[rows]
    sets = [tokens.vectors[:0], *(tokens[int(row)] for row in rows)]
    return MultiVector(np.concatenate(sets), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def late_interaction(queries: MultiVector, documents: MultiVector) -> np.ndarray:
    products = queries.vectors @ documents.vectors.T
    best = np.maximum.reduceat(products, documents.offsets[:-1], axis=1) if len(documents) else products
    return np.add.reduceat(best, queries.offsets[:-1], axis=0)


KINDS = {
    "dense": Kind(DenseIndex, whole_numbers, dense_rows, lambda q, d: q.vectors @ d.vectors.T),
    "binary": Kind(BinaryIndex, near_codes, lambda codes, rows: Binary(codes.codes[rows]), same_bits),
    "multi-vector": Kind(ExactMultiVectorIndex, token_sets, token_rows, late_interaction),
    "two-stage": Kind(TwoStageIndex, token_sets, token_rows, late_interaction),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


class Model:
    """The index that is obviously right: a dictionary."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.vectors = kind.draw(400, 1)
        self.row_of: dict[int, int] = {}

    def check(self, index: Any, queries: Any, k: int, allowed: np.ndarray | None = None) -> None:
        """That the index finds the k best, the lower key first among equals."""
        kept = [key for key in sorted(self.row_of) if allowed is None or (key < len(allowed) and allowed[key])]
        rows = np.array([self.row_of[key] for key in kept], np.int64)
        scores = self.kind.scores(queries, self.kind.rows(self.vectors, rows))
        found = index.search(queries, k, allowed=allowed, recall=1.0)
        assert found.keys.shape == found.scores.shape == (len(queries), k)
        for number in range(len(queries)):
            best = np.argsort(-scores[number], kind="stable")[:k]
            hits = found.keys[number] >= 0
            assert found.keys[number][hits].tolist() == [kept[row] for row in best]
            np.testing.assert_allclose(found.scores[number][hits], scores[number][best], rtol=1e-5, atol=1e-5)
            assert np.isneginf(found.scores[number][~hits]).all()


changes = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 60), max_size=25)), max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes, st.integers(0, 99), st.integers(0, 30))
def test_is_right_after_any_changes(kind: Kind, changes: list[tuple[bool, set[int]]], seed: int, k: int) -> None:
    draw, model = np.random.default_rng(seed), Model(kind)
    index = kind.index.build(np.arange(5), kind.rows(model.vectors, np.arange(5)))
    model.row_of = {key: key for key in range(5)}
    for added, chosen in changes:
        keys = draw.permutation(np.array(sorted(chosen), np.int64))
        rows = draw.integers(0, 400, len(keys))
        if added:
            index.add(keys, kind.rows(model.vectors, rows))
            model.row_of |= dict(zip(keys.tolist(), rows.tolist(), strict=True))
        else:
            assert index.remove(keys) == len(chosen & set(model.row_of))
            model.row_of = {key: row for key, row in model.row_of.items() if key not in chosen}
    assert sorted(index.keys.tolist()) == sorted(model.row_of)
    assert len(index) == index.stats().count == len(model.row_of)
    queries = kind.draw(ASKED, seed)
    model.check(index, queries, k)
    model.check(index, queries, k, draw.random(50) < 0.5)
    index.wait()
    model.check(index, queries, k)


def filled(kind: Kind, folder: Path | None, count: int = 60) -> tuple[Any, Model]:
    """An index with several segments, some rows of which are gone or replaced."""
    model = Model(kind)
    half = count // 2
    index = kind.index.build(np.arange(half), kind.rows(model.vectors, np.arange(half)), folder=folder)
    index.add(np.arange(half, count), kind.rows(model.vectors, np.arange(half, count)))
    index.add(np.arange(3), kind.rows(model.vectors, np.arange(100, 103)))
    model.row_of = {key: key for key in range(count)} | {key: 100 + key for key in range(3)}
    gone = np.arange(0, count, 7)
    assert index.remove(np.append(gone, 9999)) == len(gone)
    model.row_of = {key: row for key, row in model.row_of.items() if key % 7}
    return index, model


def test_opens_as_it_was_closed(kind: Kind, tmp_path: Path) -> None:
    index, model = filled(kind, tmp_path / "built")
    index.save(tmp_path / "saved")
    filled(kind, None)[0].save(tmp_path / "from memory")
    for name in ("built", "saved", "from memory"):
        again = kind.index.open(tmp_path / name)
        assert len(again) == len(model.row_of)
        model.check(again, kind.draw(ASKED, 5), 20)
        assert again.verify() == []
        named = (tmp_path / name / "manifest.json").read_text()
        assert all(path.name in named for path in (tmp_path / name).glob("*.pack"))
        again.add(np.array([7]), kind.rows(model.vectors, np.array([7])))
        assert len(again) == len(model.row_of) + 1


def test_an_index_of_another_version_or_size_is_not_opened(kind: Kind, tmp_path: Path) -> None:
    index = kind.index.build(np.arange(5), kind.draw(5, 0), folder=tmp_path, version=7)
    index.update(np.arange(5, 9), kind.draw(4, 1), version=8)
    assert len(kind.index.open(tmp_path, version=8, count=9)) == 9
    for asked, message in (
        ({"version": 7}, "has an index with version 8, not 7; build it again"),
        ({"count": 10}, "has an index with key count 9, not 10"),
        ({"version": 0, "count": 9}, "version 8, not 0"),
    ):
        with pytest.raises(CollectionError, match=message):
            kind.index.open(tmp_path, **asked)


def test_the_same_input_gives_the_same_files(kind: Kind, tmp_path: Path) -> None:
    names = []
    for home in ("one", "two"):
        kind.index.build(np.arange(50), kind.draw(50, 0), folder=tmp_path / home)
        names.append(sorted(path.name for path in (tmp_path / home).iterdir()))
    assert names[0] == names[1]


def test_what_was_built_before_is_gone(kind: Kind, tmp_path: Path) -> None:
    filled(kind, tmp_path)
    kind.index.build(np.arange(2), kind.draw(2, 9), folder=tmp_path)
    again = kind.index.open(tmp_path)
    assert again.keys.tolist() == [0, 1]
    named = (tmp_path / "manifest.json").read_text()
    assert all(path.name in named for path in tmp_path.glob("*.pack"))


def test_only_files_of_an_index_are_tidied_up(kind: Kind, tmp_path: Path) -> None:
    left = [f"{'0' * 32}.pack", f"{'0' * 32}.pack.1-2.partial", "manifest.json.partial"]
    users = ["mine.pack", "thesis.partial", "abc.pack", f"{'0' * 32}.pack.bak", f"my {'0' * 32}.pack"]
    index = kind.index.build(np.arange(9), kind.draw(9, 1), folder=tmp_path / "index")
    for change in (
        lambda: index.save(tmp_path / "copy"),
        lambda: kind.index.build(np.arange(9), kind.draw(9, 0), folder=tmp_path / "copy"),
    ):
        (tmp_path / "copy").mkdir(exist_ok=True)
        for name in left + users:
            (tmp_path / "copy" / name).write_bytes(b"")
        change()
        names = {path.name for path in (tmp_path / "copy").iterdir()}
        assert names == {"manifest.json", "writer.lock", *named_in(tmp_path / "copy"), *users}


def test_a_copy_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = DenseIndex.build(np.arange(5), whole_numbers(5, 0), folder=tmp_path / "index", version=1)
    adding = threading.Thread(target=index.update, args=(np.array([7]), whole_numbers(1, 1)), kwargs={"version": 2})

    def held(segments: Segments[Any]) -> Any:
        """The change comes just after a save has looked at the segments, if it may."""
        found = vars(segments)["held"]
        if threading.current_thread() is threading.main_thread() and adding.ident is None:
            adding.start()
            adding.join(0.5)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(
            Segments, "held", property(held, lambda segments, now: vars(segments).update(held=now)), raising=False
        )
        index.save(tmp_path / "copy")
    adding.join()
    assert (index.version, len(index)) == (2, 6)
    copy = DenseIndex.open(tmp_path / "copy")
    assert (copy.version, len(copy)) in {(1, 5), (2, 6)}


def test_the_same_vectors_twice_are_there_once(kind: Kind, tmp_path: Path) -> None:
    vectors = kind.draw(9, 0)
    index = kind.index.build(np.arange(9), vectors, folder=tmp_path)
    index.add(np.arange(9), vectors)
    for again in (index, kind.index.open(tmp_path)):
        assert sorted(again.keys.tolist()) == list(range(9))
        assert again.verify() == []


def test_merges_leave_few_segments_and_pause_no_search(kind: Kind, tmp_path: Path) -> None:
    model = Model(kind)
    index = kind.index.build(np.arange(10), kind.rows(model.vectors, np.arange(10)), folder=tmp_path)
    queries, stop, problems = kind.draw(ASKED, 3), threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            found = index.search(queries, 10)
            if (found.keys < 0).any() or any(len(set(row)) < 10 for row in found.keys.tolist()):
                problems.append(found.keys)

    asking = threading.Thread(target=ask)
    asking.start()
    for start in range(10, 400, 5):
        index.add(np.arange(start, start + 5), kind.rows(model.vectors, np.arange(start, start + 5)))
        if start % 3 == 0:
            index.remove(np.array([start]))
    stop.set()
    asking.join()
    index.wait()
    assert not problems
    assert index.stats().detail["segments"] <= 9
    model.row_of = {key: key for key in range(400) if key < 10 or key % 5 or key % 3}
    model.check(index, queries, 30)
    model.check(kind.index.open(tmp_path), queries, 30)
    index.remove(np.arange(395))
    index.wait()
    assert index.stats().detail["segments"] <= 3


def test_changes_during_a_merge_are_kept(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the segments that are being merged are replaced and removed, by this handle and by another."""
    index, model = filled(kind, tmp_path)
    other, queries = kind.index.open(tmp_path), kind.draw(ASKED, 3)
    join, begun, go_on = index._segments._join, threading.Event(), threading.Event()

    def slow(parts: Any) -> Any:
        made = join(parts)
        begun.set()
        assert go_on.wait(60)
        return made

    monkeypatch.setattr(index._segments, "_join", slow)
    add = [(key, 200 + key) for key in (8, 33, 60, 61)]
    for key, row in add:
        index.add(np.array([key]), kind.rows(model.vectors, np.array([row])))
    assert begun.wait(60)
    model.row_of |= dict(add)
    model.check(index, queries, 20)
    index.add(np.array([1, 8]), kind.rows(model.vectors, np.array([301, 308])))
    assert index.remove(np.array([2, 33])) == 2
    assert other.remove(np.array([4, 61])) == 2
    model.row_of |= {1: 301, 8: 308}
    model.row_of = {key: row for key, row in model.row_of.items() if key not in (2, 4, 33, 61)}
    go_on.set()
    index.wait()
    model.check(index, queries, 60)
    model.check(kind.index.open(tmp_path), queries, 60)
    assert index.stats().detail["segments"] < 7


def test_files_that_a_merge_replaced_are_not_damaged(tmp_path: Path) -> None:
    kind = KINDS["dense"]
    index, _ = filled(kind, tmp_path)
    other = kind.index.open(tmp_path)
    index.add(np.array([70]), kind.draw(1, 5))
    index.wait()
    assert index.merge() or len(index._segments.held) < 4
    assert other.verify() == []


def test_a_build_does_without_files_that_a_merge_took_for_leftovers(tmp_path: Path) -> None:
    kind = KINDS["dense"]
    index = kind.index.build(np.arange(20), kind.draw(20, 0), folder=tmp_path)
    segments = index._segments

    def measured(segment: Any) -> Any:
        for path in tmp_path.glob("*.pack"):
            path.unlink()
        return segments.head

    segments.create([segments.held[0].segment.arrays], 1, measured)
    assert kind.index.open(tmp_path, version=1, count=20).verify() == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.floats(0, 0.3))
def test_filters_leave_k_hits_where_there_are_k(kind: Kind, seed: int, k: int, share: float) -> None:
    index, model = filled(kind, None, 400)
    allowed = np.random.default_rng(seed).random(400) < share
    queries = kind.draw(ASKED, seed)
    model.check(index, queries, k, allowed)
    wanted = min(k, sum(bool(allowed[key]) for key in model.row_of))
    assert ((index.search(queries, k, allowed=allowed, recall=0.5).keys >= 0).sum(axis=1) == wanted).all()
    assert (index.search(queries, k, allowed=np.zeros(0, bool)).keys == -1).all()


@pytest.mark.parametrize("name", ["dense", "binary", "multi-vector"])
def test_threads_share_a_batch(name: str) -> None:
    kind = KINDS[name]
    index, _ = filled(kind, None, 400)
    for asked, threads in ((1, 4), (2, 3), (37, 2), (37, 64)):
        queries = kind.draw(asked, 5)
        alone, shared = index.search(queries, 20), index.search(queries, 20, threads=threads)
        np.testing.assert_array_equal(shared.keys, alone.keys)
        np.testing.assert_array_equal(shared.scores, alone.scores)
    with pytest.raises(ValueError, match="0"):
        index.search(kind.draw(2, 5), 20, threads=0)


def test_bad_input_is_refused(kind: Kind) -> None:
    vectors = kind.draw(3, 0)
    index = kind.index.build(np.arange(3), vectors)
    for change in (kind.index.build, index.add):
        for keys, message in (
            (np.arange(2), "2 keys"),
            (np.array([1, 1, 2]), "repeat"),
            (np.array([-1, 1, 2]), "from 0"),
            (np.ones(3), "whole numbers"),
        ):
            with pytest.raises(ValueError, match=message):
                change(keys, vectors)
    for options in ({"k": -1}, {"k": 3, "recall": 0.0}, {"k": 3, "recall": 1.5}):
        with pytest.raises(ValueError, match="got"):
            index.search(vectors, **options)
    with pytest.raises(ValueError, match="allowed is a mask over keys"):
        index.search(vectors, 3, allowed=np.array([0, 2]))
    assert index.search(vectors, 0).keys.shape == (3, 0)
    assert (index.search(vectors, 9).keys >= 0).sum() == 9
    assert len(index) == 3


def half(kind: Kind) -> Any:
    """Three vectors of half the size."""
    vectors = kind.draw(3, 0)
    if isinstance(vectors, Binary):
        return Binary(vectors.codes[:, :4])
    if isinstance(vectors, Dense):
        return Dense(vectors.vectors[:, :4])
    return MultiVector(vectors.vectors[:, :4], vectors.offsets)


def broken(kind: Kind) -> Any:
    """Three vectors, one with a value that is no number."""
    vectors = kind.draw(3, 0)
    vectors.vectors[-1, 2] = np.nan
    return vectors


def beyond_float32(kind: Kind) -> Any:
    """Three vectors, or sets of them, of which the second has a value that only float64 holds."""
    vectors = kind.draw(3, 0)
    wide = vectors.vectors.astype(np.float64)
    if isinstance(vectors, Dense):
        wide[1, 2] = 1e39
        return Dense(wide)
    wide[vectors.offsets[1], 2] = -1e39
    return MultiVector(wide, vectors.offsets)


def test_vectors_that_do_not_fit_are_refused(kind: Kind) -> None:
    index = kind.index.build(np.arange(3), kind.draw(3, 0))
    with pytest.raises(ValueError, match=r"4 dimensions|32 bits"):
        index.add(np.arange(3), half(kind))
    with pytest.raises(ValueError, match=r"queries have (4 dimensions|32 bits)"):
        index.search(half(kind), 2)
    index.add(np.zeros(0, np.int64), kind.rows(kind.draw(3, 0), np.zeros(0, np.int64)))  # nothing to add is no error
    assert index.remove(np.zeros(0, np.int64)) == 0
    assert index.search(kind.rows(kind.draw(3, 0), np.zeros(0, np.int64)), 2).keys.shape == (0, 2)
    assert sorted(index.keys.tolist()) == [0, 1, 2]


@pytest.mark.parametrize("name", ["dense", "multi-vector", "two-stage"])
def test_values_that_are_no_numbers_are_refused_or_not_found(name: str) -> None:
    kind = KINDS[name]
    index = kind.index.build(np.arange(3), kind.draw(3, 0))
    with pytest.raises(ValueError, match="query 2 of the batch has a value that is no number"):
        index.search(broken(kind), 2)
    with pytest.raises(ValueError, match="query 1 of the batch has a value that is no number, or beyond what float32"):
        index.search(beyond_float32(kind), 2)
    if name == "dense":  # kept, as other vectors of an addition may be fine
        index.add(np.array([7, 8, 9]), broken(kind))
        assert set(index.search(kind.draw(2, 1), 9).keys.ravel().tolist()) == {-1, 0, 1, 2, 7, 8}
    else:
        with pytest.raises(ValueError, match="document 9 has a token with a value that is no number; leave it out"):
            index.add(np.array([7, 8, 9]), broken(kind))
        assert len(index) == 3


@pytest.mark.parametrize("name", ["multi-vector", "two-stage"])
def test_ragged_sets_that_overlap_are_refused(name: str) -> None:
    vectors = np.ones((8, 8), np.float32)
    for offsets in ([0, 5, 3, 8], [2, 4, 6, 8]):
        with pytest.raises(ValueError, match=r"begin at 0 and never fall; MultiVector\.of"):
            KINDS[name].index.build(np.arange(3), MultiVector(vectors, np.array(offsets)))


@pytest.mark.skipif(os.name == "nt", reason="limits the size of files as POSIX does")
def test_a_full_disk_leaves_the_index_as_it_was(kind: Kind, tmp_path: Path) -> None:
    import resource

    index, model = filled(kind, tmp_path)
    queries, fresh = kind.draw(ASKED, 5), kind.rows(model.vectors, np.arange(200, 300))
    model.check(index, queries, 20)  # what is compiled for the first search is written, too
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))  # every file ends after 512 bytes
    try:
        with pytest.raises(OSError, match="File too large"):
            index.add(np.arange(200, 300), fresh)
        with pytest.raises(OSError, match="File too large"):
            kind.index.build(np.arange(100), fresh, folder=tmp_path)
        model.check(index, queries, 20)
        assert not list(tmp_path.glob("*.partial"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = kind.index.open(tmp_path)
    assert again.verify() == []
    model.check(again, queries, 20)
    index.add(np.arange(200, 300), fresh)
    model.row_of |= {key: key for key in range(200, 300)}
    model.check(kind.index.open(tmp_path), queries, 20)


BUILDER = """
import sys
import numpy as np
from tests.index.test_indexes import KINDS
kind = KINDS[sys.argv[2]]
vectors = kind.draw(400, 1)
for turn in range(100_000):
    rows = np.arange(turn % 50, turn % 50 + 60)
    kind.index.build(rows, kind.rows(vectors, rows), folder=sys.argv[1])
    print(turn, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
@pytest.mark.parametrize("name", KINDS)
def test_a_killed_build_leaves_the_index_before_it(name: str, tmp_path: Path) -> None:
    kind, model = KINDS[name], Model(KINDS[name])
    builder = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(tmp_path), name], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert builder.stdout is not None
    builder.stdout.readline()
    time.sleep(random.Random(name).uniform(0.05, 0.3))
    builder.send_signal(signal.SIGKILL)
    last = [0, *(int(line) for line in builder.stdout.read().splitlines() if line.strip())][-1]
    builder.wait()
    index = kind.index.open(tmp_path)
    assert index.verify() == []
    first = int(index.keys.min())
    assert first in {turn % 50 for turn in range(last, last + 2)}
    model.row_of = {key: key for key in range(first, first + 60)}
    model.check(index, kind.draw(ASKED, 5), 20)


def flipped(path: Path, section: str) -> None:
    """Turns the highest bit of a number in the middle of an array around."""
    pack, content = Pack(path), bytearray(path.read_bytes())
    array, start = pack[section], pack._start + pack._sections[section]["offset"]
    content[start + (array.size // 2 + 1) * array.itemsize - 1] ^= 128
    path.write_bytes(content)


def test_a_damaged_segment_is_refused_or_still_safe_to_search(kind: Kind, tmp_path: Path) -> None:
    filled(kind, tmp_path)
    queries, refused = kind.draw(ASKED, 5), set()
    for path in tmp_path.glob("*.pack"):
        content, names = path.read_bytes(), Pack(path).names
        for section in names if "keys" in names else ():
            if Pack(path)[section].size:
                flipped(path, section)
                try:
                    kind.index.open(tmp_path).search(queries, 20)
                except CollectionError:
                    refused.add(section)
                path.write_bytes(content)
    assert refused >= {"keys"} | ({"offsets", "scales"} if kind.draw is token_sets else set())


def test_damage_is_not_merged_into_a_segment_that_looks_whole(kind: Kind, tmp_path: Path) -> None:
    vectors = kind.draw(50, 1)
    index = kind.index.build(np.arange(20), kind.rows(vectors, np.arange(20)), folder=tmp_path)
    index.add(np.arange(20, 30), kind.rows(vectors, np.arange(20, 30)))
    path = next(path for path in tmp_path.glob("*.pack") if "keys" in Pack(path).names)
    flipped(path, next(name for name in Pack(path).names if name.rpartition(".")[2] in BULK))
    for start in (30, 40):
        index.add(np.arange(start, start + 10), kind.rows(vectors, np.arange(start, start + 10)))
    index.wait()
    assert index.verify() == [path.name]
    with pytest.raises(CollectionError, match="damaged part"):
        index.merge()


def test_damage_is_not_saved_into_a_copy_that_looks_whole(kind: Kind, tmp_path: Path) -> None:
    filled(kind, tmp_path / "index")
    path = max((tmp_path / "index").glob("*.pack"), key=lambda path: "keys" in Pack(path).names)
    flipped(path, next(name for name in Pack(path).names if name.rpartition(".")[2] in BULK))
    index = kind.index.open(tmp_path / "index")
    with pytest.raises(CollectionError, match=f"{path.name} has a damaged part"):
        index.save(tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["writer.lock"]


def test_damage_is_named(kind: Kind, tmp_path: Path) -> None:
    filled(kind, tmp_path)
    packs = {path: path.read_bytes() for path in sorted(tmp_path.glob("*.pack"))}
    for path, content in packs.items():
        if b'"alive"' in content:
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            with pytest.raises(CollectionError, match="damaged part 'alive'"):
                kind.index.open(tmp_path)
        elif b'"keys"' in content:
            path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
            assert kind.index.open(tmp_path).verify() == [path.name]
            path.write_bytes(content[:-20])
            with pytest.raises(CollectionError, match="cut off"):
                kind.index.open(tmp_path)
        path.write_bytes(content)
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(CollectionError, match=r"manifest\.json cannot be read.*build the index again"):
        kind.index.open(tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(CollectionError, match="cannot be read"):
        kind.index.open(tmp_path)


WRITER = """
import sys
import numpy as np
from tests.index.test_indexes import KINDS
kind = KINDS[sys.argv[2]]
index, vectors = kind.index.open(sys.argv[1]), kind.draw(400, 1)
for turn in range(100_000):
    first = turn % 20
    index.add(100 + np.arange(20), kind.rows(vectors, first + np.arange(20)))
    index.add(np.array([1000 + turn]), kind.rows(vectors, np.array([0])))
    index.remove(np.array([999 + turn]))
    print(turn, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
@pytest.mark.parametrize("name", KINDS)
def test_a_killed_writer_leaves_whole_changes(name: str, tmp_path: Path) -> None:
    kind, draw = KINDS[name], random.Random(0)
    model = Model(kind)
    kind.index.build(np.arange(120), kind.rows(model.vectors, np.arange(120)), folder=tmp_path)
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(draw.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        last = [0, *(int(line) for line in writer.stdout.read().splitlines() if line.strip())][-1]
        writer.wait()
        index = kind.index.open(tmp_path)
        assert index.verify() == []
        keys = index.keys.tolist()
        assert len(keys) == len(set(keys)) == len(index)
        assert set(range(120)) <= set(keys)
        assert {key - 1000 for key in keys if key >= 1000} & {last, last + 1}
        rows_of_turn = [  # all twenty are of one turn
            {100 + place: (turn % 20) + place for place in range(20)} for turn in range(last, last + 3)
        ]
        assert any(holds(model, index, rows) for rows in rows_of_turn)
        index.remove(np.arange(1000, 1000 + last + 3))


def test_two_handles_keep_what_the_other_changed(kind: Kind, tmp_path: Path) -> None:
    _, model = filled(kind, tmp_path)
    first, second = kind.index.open(tmp_path), kind.index.open(tmp_path)
    for turn in range(12):  # merges in both, too
        for place, index in enumerate((first, second)):
            key = 500 + 2 * turn + place
            index.add(np.array([key]), kind.rows(model.vectors, np.array([key - 300])))
            model.row_of[key] = key - 300
    assert second.remove(np.array([500, 522, 777])) == 2
    first.add(np.array([502]), kind.rows(model.vectors, np.array([3])))
    model.row_of = {key: row for key, row in model.row_of.items() if key not in (500, 522)} | {502: 3}
    model.check(first, kind.draw(ASKED, 5), 30)
    for index in (first, second):
        index.wait()
    again = kind.index.open(tmp_path)
    model.check(again, kind.draw(ASKED, 5), 30)
    assert again.verify() == []


def test_a_handle_of_another_index_cannot_change_the_folder(tmp_path: Path) -> None:
    old = DenseIndex.build(np.arange(5), whole_numbers(5, 0), folder=tmp_path)
    DenseIndex.build(np.arange(3), whole_numbers(3, 0), folder=tmp_path, seed=1)
    with pytest.raises(CollectionError, match="was built again since this index was opened; open it again"):
        old.add(np.array([9]), whole_numbers(1, 0))
    assert len(old) == 5
    assert len(DenseIndex.open(tmp_path)) == 3


RIVAL = """
import sys
import numpy as np
from tests.index.test_indexes import KINDS
kind, first = KINDS["dense"], int(sys.argv[2])
index = kind.index.open(sys.argv[1])
for key in range(first, first + 30):
    index.add(np.array([key]), kind.draw(1, key))
index.wait()
"""


def test_what_two_processes_add_is_all_there(tmp_path: Path) -> None:
    DenseIndex.build(np.arange(5), whole_numbers(5, 0), folder=tmp_path)
    rivals = [subprocess.Popen([sys.executable, "-c", RIVAL, str(tmp_path), str(first)]) for first in (100, 200)]
    assert [rival.wait() for rival in rivals] == [0, 0]
    again = DenseIndex.open(tmp_path)
    assert set(again.keys.tolist()) == {*range(5), *range(100, 130), *range(200, 230)}
    assert again.verify() == []


HOLDER = """
import sys, time
from pathlib import Path
from bowerbird.storage.lock import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
def test_a_change_waits_for_another_writer_until_it_is_killed(tmp_path: Path) -> None:
    index = DenseIndex.build(np.arange(5), whole_numbers(5, 0), folder=tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    adding = threading.Thread(target=index.add, args=(np.array([7]), whole_numbers(1, 1)))
    adding.start()
    assert len(DenseIndex.open(tmp_path)) == 5  # opening and searching need no lock
    adding.join(0.3)
    assert adding.is_alive()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    adding.join()
    assert 7 in DenseIndex.open(tmp_path).keys


def holds(model: Model, index: Any, rows: dict[int, int]) -> bool:
    """Whether the index has these rows of the model's vectors under these keys."""
    allowed = np.zeros(120, bool)
    allowed[list(rows)] = True
    model.row_of = rows
    try:
        model.check(index, model.kind.draw(ASKED, 8), 20, allowed)
    except AssertionError:
        return False
    return True

"""The index of binary codes: exact by scan and by hash tables, whole after crashes, honest about damage."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import Binary, Dense
from bowerbird.errors import CollectionError
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.hashing import HashTables
from bowerbird.index.kernels import BitGroups

NEVER = 1 << 40


def near(count: int, width: int, seed: int = 0, families: int = 40, share: float = 0.02) -> np.ndarray:
    """Codes of a few families, with some bits turned."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).integers(0, 256, (families, width)).astype(np.uint8)
    turned = np.packbits(draw.random((count, width * 8)) < share, axis=1)
    return centres[draw.integers(0, families, count)] ^ turned


def exact(
    stored: dict[int, np.ndarray], query: np.ndarray, k: int, allowed: np.ndarray | None
) -> list[tuple[int, int]]:
    """Minus distance and key of the best, by comparing all bits."""
    kept = [key for key in stored if allowed is None or (key < len(allowed) and allowed[key])]
    apart = {key: int((np.unpackbits(stored[key]) != np.unpackbits(query)).sum()) for key in kept}
    return [(-apart[key], key) for key in sorted(kept, key=lambda key: (apart[key], key))][:k]


def check(
    index: BinaryIndex, stored: dict[int, np.ndarray], queries: np.ndarray, k: int, allowed: np.ndarray | None
) -> None:
    found = index.search(Binary(queries), k, allowed=allowed)
    assert found.keys.shape == found.scores.shape == (len(queries), k)
    for number, query in enumerate(queries):
        expected = exact(stored, query, k, allowed)
        hits = found.keys[number] >= 0
        assert list(zip(found.scores[number][hits], found.keys[number][hits], strict=True)) == expected
        assert np.isneginf(found.scores[number][~hits]).all()


changes = st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 60), max_size=25)), max_size=7)


@settings(max_examples=60, deadline=None)
@given(changes, st.integers(0, 99), st.sampled_from([1, 2, 8, 12]), st.integers(0, 30), st.sampled_from([1, NEVER]))
def test_is_exact_after_any_changes(
    changes: list[tuple[bool, set[int]]], seed: int, width: int, k: int, hashed: int
) -> None:
    draw = np.random.default_rng(seed)
    index = BinaryIndex.build(np.zeros(0, np.int64), Binary(np.zeros((0, width), np.uint8)), hashed=hashed)
    stored: dict[int, np.ndarray] = {}
    for added, chosen in changes:
        keys = draw.permutation(np.array(sorted(chosen), np.int64))
        if added:
            codes = near(len(keys), width, int(draw.integers(1000)), families=4)
            index.add(keys, Binary(codes))
            stored |= dict(zip(keys.tolist(), codes, strict=True))
        else:
            assert index.remove(keys) == len(chosen & set(stored))
            stored = {key: code for key, code in stored.items() if key not in chosen}
    assert len(index) == len(stored)
    queries = near(4, width, seed, families=4)
    check(index, stored, queries, k, None)
    check(index, stored, queries, k, draw.random(50) < 0.5)


@pytest.mark.parametrize("masked", [False, True])
def test_hash_tables_find_what_the_scan_finds(masked: bool) -> None:
    codes = np.concatenate([near(20_000, 32, families=4000, share=0.01), near(5000, 32, 1, families=5000, share=0.3)])
    groups, tables = BitGroups.of(codes), HashTables.of(codes)
    usable = np.random.default_rng(0).random(len(codes)) < 0.5 if masked else None
    index = BinaryIndex.build(np.arange(len(codes)), Binary(codes))
    answered = 0
    for query in near(40, 32, 5, families=4000, share=0.01):
        hits = tables.nearest(query, groups, 2, usable)
        if hits is not None:
            answered += 1
            expected = index.search(Binary(query[None]), 2, allowed=usable)
            np.testing.assert_array_equal(hits[0], -expected.scores[0])
            np.testing.assert_array_equal(hits[1], expected.keys[0])
    assert answered >= 20


def test_hash_tables_leave_far_neighbours_to_the_scan() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (3000, 32)).astype(np.uint8)
    assert HashTables.of(codes).nearest(255 - codes[0], BitGroups.of(codes), 5, None) is None


def test_rescoring_with_real_queries_finds_more() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((2000, 24)) @ draw.standard_normal((24, 128)) * np.linspace(2, 0.1, 128)
    queries = vectors[:100] + 2 * draw.standard_normal((100, 128))
    vectors, queries = (Dense(side.astype(np.float32)).normalized().vectors for side in (vectors, queries))
    codes = Binary(np.packbits(vectors > 0, axis=1))
    index = BinaryIndex.build(np.arange(2000), codes)
    found = index.search(Binary(np.packbits(queries > 0, axis=1)), 100)
    again = index.rescore(Dense(queries), found, BitMeans.fit(Dense(vectors), codes))
    assert (np.sort(again.keys, axis=1) == np.sort(found.keys, axis=1)).all()
    assert (np.diff(again.scores, axis=1) <= 0).all()
    best = np.argsort(-(queries @ vectors.T), axis=1)[:, :10]
    before, after = (
        np.mean([len(set(a) & set(b)) for a, b in zip(best, f.keys[:, :10], strict=True)]) for f in (found, again)
    )
    assert after > before + 0.5


def test_means_of_bits_are_those_of_the_sample() -> None:
    vectors = np.array([[1, -2, 3], [3, -4, 5]], np.float32)
    means = BitMeans.fit(Dense(vectors), Binary(np.packbits(vectors > 0, axis=1)))
    np.testing.assert_array_equal(means.values, [[0, 2], [-3, 0], [0, 4]])
    np.testing.assert_array_equal(means.scores(np.ones(3, np.float32), np.array([[0b10100000]], np.uint8)), [3])


def test_rescoring_keeps_places_without_hits() -> None:
    index = BinaryIndex.build(np.arange(2), Binary(near(2, 4)))
    means = BitMeans(np.tile(np.float32([-1, 1]), (32, 1)))
    again = index.rescore(Dense(np.ones((1, 32), np.float32)), index.search(Binary(near(1, 4)), 4), means)
    assert again.keys[0, 2:].tolist() == [-1, -1]
    assert np.isneginf(again.scores[0, 2:]).all()
    with pytest.raises(KeyError, match="no code with key 7"):
        index.codes_of(np.array([1, 7]))


@pytest.mark.parametrize("hashed", [1, NEVER])
def test_opens_as_it_was_closed(tmp_path: Path, hashed: int) -> None:
    codes = near(500, 16)
    index = BinaryIndex.build(np.arange(400), Binary(codes[:400]), folder=tmp_path, hashed=hashed)
    index.add(np.arange(400, 500), Binary(codes[400:]))
    index.remove(np.arange(0, 500, 7))
    index.add(np.arange(3), Binary(codes[100:103]))
    again = BinaryIndex.open(tmp_path)
    stored = {key: codes[key] for key in range(500) if key % 7} | {key: codes[100 + key] for key in range(3)}
    assert len(again) == len(index) == len(stored)
    check(again, stored, near(5, 16, 3), 20, None)
    assert again.verify() == []
    assert again.stats().detail["parts with hash tables"] == (again.stats().detail["parts"] if hashed == 1 else 0)
    named = (tmp_path / "manifest.json").read_text()
    assert all(path.name in named for path in tmp_path.glob("*.pack"))


def test_many_small_additions_make_few_parts() -> None:
    index = BinaryIndex.build(np.arange(10), Binary(near(10, 8)))
    for start in range(10, 500, 5):
        index.add(np.arange(start, start + 5), Binary(near(5, 8, start)))
    assert len(index) == 500
    assert index.stats().detail["parts"] <= 6


def test_wrong_input_is_refused() -> None:
    index = BinaryIndex.build(np.arange(3), Binary(near(3, 8)))
    with pytest.raises(ValueError, match="2 keys for 3 codes"):
        index.add(np.arange(2), Binary(near(3, 8)))
    with pytest.raises(ValueError, match="repeat"):
        index.add(np.array([1, 1]), Binary(near(2, 8)))
    with pytest.raises(ValueError, match="from 0"):
        index.add(np.array([-1]), Binary(near(1, 8)))
    with pytest.raises(ValueError, match="32 bits"):
        index.add(np.array([9]), Binary(near(1, 4)))
    with pytest.raises(ValueError, match="32 bits"):
        index.search(Binary(near(1, 4)), 3)


def test_damage_is_named(tmp_path: Path) -> None:
    BinaryIndex.build(np.arange(300), Binary(near(300, 16)), folder=tmp_path).remove(np.arange(9))
    packs = sorted(tmp_path.glob("*.pack"), key=lambda path: path.stat().st_size)
    mask, codes = packs
    content = codes.read_bytes()
    codes.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    assert BinaryIndex.open(tmp_path).verify() == [codes.name]
    codes.write_bytes(content[:-200])
    with pytest.raises(CollectionError, match="cut off"):
        BinaryIndex.open(tmp_path)
    codes.write_bytes(content)
    mask.write_bytes(mask.read_bytes()[:-1] + b"?")
    with pytest.raises(CollectionError, match="damaged part 'alive'"):
        BinaryIndex.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(CollectionError, match=r"manifest\.json cannot be read"):
        BinaryIndex.open(tmp_path)


WRITER = """
import sys
import numpy as np
from bowerbird.embeddings import Binary
from bowerbird.index.binary import BinaryIndex
index = BinaryIndex.open(sys.argv[1])
for turn in range(100_000):
    keys = np.arange(20) + 20 * (turn % 5)
    index.add(keys, Binary(np.full((20, 8), turn % 256, np.uint8)))
    print(turn % 256, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="kills a process as POSIX does")
def test_a_killed_writer_leaves_whole_additions(tmp_path: Path) -> None:
    BinaryIndex.build(np.arange(100), Binary(np.zeros((100, 8), np.uint8)), folder=tmp_path)
    for turn in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(random.Random(turn).random() * 0.1)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        index = BinaryIndex.open(tmp_path)
        assert len(index) == 100
        assert index.verify() == []
        codes = index.codes_of(np.arange(100)).codes.reshape(5, -1)
        assert (codes == codes[:, :1]).all()

"""The index of binary codes: exact by scan and by hash tables, better with real queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bowerbird.embeddings import Binary, Dense
from bowerbird.errors import CollectionError
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.hashing import HashTables
from bowerbird.index.kernels import BitGroups
from bowerbird.storage.packs import Pack

NEVER = 1 << 40


def near(count: int, width: int, seed: int = 0, families: int = 40, share: float = 0.02) -> np.ndarray:
    """Codes of a few families, with some bits turned."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).integers(0, 256, (families, width)).astype(np.uint8)
    turned = np.packbits(draw.random((count, width * 8)) < share, axis=1)
    return centres[draw.integers(0, families, count)] ^ turned


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
    index = BinaryIndex.build(np.arange(2000), codes, means=BitMeans.fit(Dense(vectors), codes))
    found = index.search(Binary(np.packbits(queries > 0, axis=1)), 100)
    again = index.rescore(Dense(queries), found)
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
    index = BinaryIndex.build(np.arange(2), Binary(near(2, 4)), means=BitMeans(np.tile(np.float32([-1, 1]), (32, 1))))
    again = index.rescore(Dense(np.ones((1, 32), np.float32)), index.search(Binary(near(1, 4)), 4))
    assert again.keys[0, 2:].tolist() == [-1, -1]
    assert np.isneginf(again.scores[0, 2:]).all()
    with pytest.raises(KeyError, match="no code with key 7"):
        index.codes_of(np.array([1, 7]))


def test_means_are_kept_with_the_index(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    vectors, queries = draw.standard_normal((90, 29)).astype(np.float32), Dense(draw.standard_normal((5, 29)))
    codes, asked = Binary(np.packbits(vectors > 0, axis=1)), Binary(np.packbits(queries.vectors > 0, axis=1))
    means = BitMeans.fit(Dense(vectors), codes)
    index = BinaryIndex.build(np.arange(60), Binary(codes.codes[:60]), folder=tmp_path / "built", means=means)
    for start in range(60, 90, 5):  # and what merges tidy up
        index.add(np.arange(start, start + 5), Binary(codes.codes[start : start + 5]))
    index.wait()
    index.save(tmp_path / "saved")
    BinaryIndex.build(np.arange(90), codes, means=means).save(tmp_path / "from memory")
    expected = index.rescore(queries, index.search(asked, 20))
    for name in ("built", "saved", "from memory"):
        again = BinaryIndex.open(tmp_path / name)
        hits = again.rescore(queries, again.search(asked, 20))
        np.testing.assert_array_equal(hits.keys, expected.keys)
        np.testing.assert_array_equal(hits.scores, expected.scores)
        assert again.verify() == []
    (path,) = {path for path in (tmp_path / "saved").glob("*.pack") if "means" in Pack(path).names}
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CollectionError, match=f"{path.name} has a damaged part 'means'"):
        BinaryIndex.open(tmp_path / "saved")


def test_rescoring_needs_means_and_queries_that_fit() -> None:
    codes = Binary(near(3, 4))
    plain, means = BinaryIndex.build(np.arange(3), codes), BitMeans(np.zeros((32, 2), np.float32))
    with pytest.raises(ValueError, match="build it with means"):
        plain.rescore(Dense(np.ones((3, 32), np.float32)), plain.search(codes, 2))
    with pytest.raises(ValueError, match="means of 32 bits do not fit codes of 64"):
        BinaryIndex.build(np.arange(3), Binary(near(3, 8)), means=means)
    index = BinaryIndex.build(np.arange(3), codes, means=means)
    for shape, message in (((3, 31), "31 dimensions"), ((2, 32), "2 queries for the hits of 3")):
        with pytest.raises(ValueError, match=message):
            index.rescore(Dense(np.ones(shape, np.float32)), index.search(codes, 2))


def test_wrong_codes_are_refused() -> None:
    index = BinaryIndex.build(np.arange(3), Binary(near(3, 8)))
    with pytest.raises(ValueError, match="32 bits"):
        index.add(np.array([9]), Binary(near(1, 4)))
    with pytest.raises(ValueError, match="32 bits"):
        index.search(Binary(near(1, 4)), 3)


def test_large_segments_have_hash_tables(tmp_path: Path) -> None:
    codes = near(500, 16)
    index = BinaryIndex.build(np.arange(400), Binary(codes[:400]), folder=tmp_path, hashed=300)
    index.add(np.arange(400, 500), Binary(codes[400:]))
    assert index.stats().detail["segments with hash tables"] == 1
    plain = BinaryIndex.build(np.arange(500), Binary(codes), hashed=NEVER)
    asked = Binary(near(20, 16, 3))
    found, expected = BinaryIndex.open(tmp_path).search(asked, 20), plain.search(asked, 20)
    np.testing.assert_array_equal(found.keys, expected.keys)
    np.testing.assert_array_equal(found.scores, expected.scores)

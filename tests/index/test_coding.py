"""First passes over dense vectors: each reaches the recall that was asked for, in fewer or more bytes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import Dense
from bowerbird.encoders import load
from bowerbird.index import coding as coding_module
from bowerbird.index import dense_segment, kernels
from bowerbird.index.coding import Coding, Lists, Prefix, Wanted, arrays_of, first_pass
from bowerbird.index.dense import DenseIndex
from bowerbird.index.dense_calibration import Calibration
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.items import Text
from tests.shared import shared

CODINGS: tuple[Coding, ...] = ("int8", "product", Prefix(48))
DIM = 64


def nested(count: int, seed: int) -> np.ndarray:
    """Unit vectors around a few hundred centres, with dimensions that matter ever less."""
    fading = np.linspace(1.5, 0.2, DIM)
    centres = np.random.default_rng(0).standard_normal((300, DIM))
    draw = np.random.default_rng(seed)
    vectors = (centres[draw.integers(0, 300, count)] + draw.standard_normal((count, DIM))) * fading
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


COUNT = 6000
VECTORS, ASKED = nested(COUNT, 1), nested(60, 2)


def best(scores: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def share(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


@pytest.fixture(params=[False, True], ids=["scanned", "listed"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    if request.param:
        monkeypatch.setattr(dense_segment, "LISTED", 3000)
    return bool(request.param)


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_reaches_the_recall_that_was_asked_for(coding: Coding, listed: bool, tmp_path: Path) -> None:
    index = DenseIndex.build(np.arange(COUNT), Dense(VECTORS), coding=coding, folder=tmp_path)
    wanted = best(ASKED @ VECTORS.astype(np.float16).astype(np.float32).T)
    for target in (0.8, 0.95, 0.99):
        found = index.search(Dense(ASKED), 10, recall=target)
        assert share(found.keys, wanted) > target - 0.04
        scores = np.take_along_axis(ASKED @ VECTORS.T, found.keys, axis=1)
        np.testing.assert_allclose(found.scores, scores, atol=1e-3)  # those of the vectors, not of their codes
    again = DenseIndex.open(tmp_path)
    assert again.verify() == []
    np.testing.assert_array_equal(again.search(Dense(ASKED), 10).keys, index.search(Dense(ASKED), 10).keys)
    assert again.stats().detail["coding"] == index.stats().detail["coding"]
    assert index.stats().detail["strategy"] == ("lists" if listed else "scan")


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_filters_leave_k_hits_where_there_are_k(coding: Coding, listed: bool) -> None:
    index = DenseIndex.build(np.arange(COUNT), Dense(VECTORS), coding=coding)
    exact = ASKED @ VECTORS.astype(np.float16).astype(np.float32).T
    for seed, part in enumerate((0.5, 0.05, 0.003)):
        allowed = np.random.default_rng(seed).random(COUNT) < part
        found = index.search(Dense(ASKED), 10, allowed=allowed)
        assert (found.keys >= 0).all()
        assert allowed[found.keys].all()
        assert share(found.keys, best(np.where(allowed, exact, -9))) > (0.99 if part == 0.003 else 0.9)
    one_topic = np.zeros(COUNT, bool)
    one_topic[best(VECTORS[:1] @ VECTORS.T, 150)[0]] = True  # all of it far from most queries
    found = index.search(Dense(ASKED), 10, allowed=one_topic)
    assert one_topic[found.keys].all()
    assert (index.search(Dense(ASKED), 200, allowed=one_topic).keys >= 0).sum() == 150 * len(ASKED)
    for k in (COUNT - 1, COUNT + 1):  # nearly all, and more than there are
        everything = index.search(Dense(ASKED[:2]), k).keys
        assert [len(set(row[row >= 0].tolist())) for row in everything] == [min(k, COUNT)] * 2


def test_bytes_of_a_first_pass() -> None:
    sizes = {
        str(coding): DenseIndex.build(np.arange(COUNT), Dense(VECTORS), coding=coding).stats().detail
        for coding in CODINGS
    }
    passed = {name: detail["bytes of a first pass"] / COUNT for name, detail in sizes.items()}
    assert passed["product"] < DIM / 4 + 1
    assert passed["Prefix(dims=48)"] < 48 + 3 < DIM < passed["int8"] < DIM + 3


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_the_same_input_and_seed_give_the_same_files(coding: Coding, listed: bool, tmp_path: Path) -> None:
    names = []
    for threads, home in ((1, "one"), (2, "two")):
        DenseIndex.build(
            np.arange(COUNT), Dense(VECTORS), coding=coding, seed=3, threads=threads, folder=tmp_path / home
        )
        names.append(sorted(path.name for path in (tmp_path / home).iterdir()))
    assert names[0] == names[1]


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_additions_are_coded_alike(coding: Coding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    index = DenseIndex.build(np.arange(3000), Dense(VECTORS[:3000]), coding=coding)
    for start in range(3000, COUNT, 500):
        index.add(np.arange(start, start + 500), Dense(VECTORS[start : start + 500]))
    index.remove(np.arange(0, COUNT, 3))
    index.wait()
    names = [set(one.segment.arrays) for one in index._segments.held]
    assert all(("nibbles" in arrays) == (coding == "product") for arrays in names)
    exact = np.where(np.arange(COUNT) % 3, ASKED @ VECTORS.astype(np.float16).astype(np.float32).T, -9)
    assert share(index.search(Dense(ASKED), 10, recall=0.99).keys, best(exact)) > 0.95


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_vectors_that_are_no_numbers_are_not_found(coding: Coding, listed: bool) -> None:
    vectors = VECTORS.copy()
    vectors[::2, 5] = np.nan
    vectors[1, 0] = 1e6  # more than float16 can hold
    index = DenseIndex.build(np.arange(COUNT), Dense(vectors), coding=coding)
    found = index.search(Dense(ASKED), 10)
    assert (found.keys >= 0).all()
    assert (found.keys % 2 == 1).all()
    assert not (found.keys == 1).any()
    assert np.isfinite(found.scores).all()
    few = index.search(Dense(ASKED[:1]), 9, allowed=np.arange(COUNT) < 6)
    assert few.keys[0].tolist() == [*sorted(few.keys[0, :2].tolist(), key=few.keys[0].tolist().index), *[-1] * 7]
    assert set(few.keys[0, :2].tolist()) == {3, 5}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.integers(1, 300), st.sampled_from([1, 2, 5, 24]), st.integers(1, 40), st.booleans())
def test_a_first_pass_has_the_order_of_what_it_stores(seed: int, count: int, dim: int, k: int, masked: bool) -> None:
    """Against the scores of decoded vectors, one by one."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dim)).astype(np.float32)
    cut = int(random.integers(0, count + 1))
    points = random.standard_normal((2, dim)).astype(np.float16)
    lists = Lists(np.array([0, cut, count], np.int64), points, np.zeros(2, np.float32))
    query = random.standard_normal((1, dim)).astype(np.float32)
    usable = random.random(count) < 0.5 if masked else None
    open_to = np.ones(count, bool) if usable is None else usable
    for coding in ("int8", "product"):
        arrays = arrays_of(coding, vectors, lists, seed=seed)
        part = lists.part(np.array([1, 0]), query @ points.T)
        found = first_pass(arrays).nominate(query, part, Wanted.best(k), usable)[0].best_first().places
        assert len(found) == min(k, open_to.sum()) == len(set(found.tolist()))
        assert open_to[found].all()
        scores = (decoded(arrays, coding, vectors, lists) @ query[0])[found]
        rest = np.setdiff1d(np.flatnonzero(open_to), found)
        room = 2 * rounding(arrays, coding, vectors, query[0])
        assert (np.diff(scores) <= room).all()
        if len(rest):
            assert (decoded(arrays, coding, vectors, lists) @ query[0])[rest].max() <= scores.min() + room


def rounding(arrays: dict[str, np.ndarray], coding: str, vectors: np.ndarray, query: np.ndarray) -> float:
    """By how much whole numbers can change a score."""
    if coding == "product":
        words = arrays["words"]
        scores = np.einsum("mwj,mj->mw", words, np.pad(query, (0, -len(query) % 2)).reshape(len(words), 2))
        return float(np.ptp(scores, axis=1).max() / 127 * (len(words) + 1) / 2 + 1e-4)
    size, asked = np.abs(vectors), np.abs(query)
    return float((size.sum(axis=1) * asked.max() + size.max(axis=1) * asked.sum()).max() / 250)


def decoded(arrays: dict[str, np.ndarray], coding: Coding, vectors: np.ndarray, lists: Lists) -> np.ndarray:
    if coding != "product":
        return vectors
    packed = arrays["nibbles"].transpose(0, 2, 1).reshape(-1, arrays["nibbles"].shape[1])[: len(vectors)]
    codes = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(vectors), -1)[:, : len(arrays["words"])]
    words = arrays["words"][np.arange(codes.shape[1]), codes].reshape(len(vectors), -1)[:, : vectors.shape[1]]
    return words + lists.points[lists.of(np.arange(len(vectors)))]


def test_wrong_codings_are_refused() -> None:
    for coding, message in (("int4", "coding is"), (Prefix(65), "65 dimensions does not fit vectors of 64")):
        with pytest.raises(ValueError, match=message):
            DenseIndex.build(np.arange(3), Dense(VECTORS[:3]), coding=coding)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one dimension"):
        Prefix(0)


def test_calibration_reads_quantiles() -> None:
    slacks = np.linspace(-0.2, 0.7999, 1000, dtype=np.float32)
    measured = Calibration(np.arange(100, dtype=np.int32), slacks, np.zeros(0, np.int32))
    assert measured.probes(1.0) == 100
    assert measured.probes(0.95) == 98  # 0.95 of all is 0.974 of the 0.975 that the first pass leaves
    assert measured.wanted(1.0, 10) == Wanted(10, float(slacks[-1]), 1000)
    assert measured.wanted(0.5, 7) == Wanted(7, float(slacks[749]), 700)  # 0.75 for the first pass
    assert Calibration(measured.ranks, slacks - 1, measured.depths).wanted(0.9, 3).slack == 0
    with pytest.raises(ValueError, match="recall"):
        measured.probes(0)


def test_calibration_of_older_files_counts_vectors() -> None:
    measured = Calibration.of({"ranks": np.arange(9), "depths": np.arange(0, 1000, 10)})
    assert measured.wanted(1.0, 10) == Wanted.best(991)
    assert measured.wanted(1.0, 5) == Wanted.best(496)
    assert measured.wanted(0.5, 10) == Wanted.best(741)
    assert Calibration.of({}).wanted(0.9, 3) == Wanted.best(12)


def test_lists_know_their_means_and_how_far_scores_spread() -> None:
    random = np.random.default_rng(0)
    wide = np.array([0.3, 1.0])[:, None, None] * random.standard_normal((2, 4000, 8))
    vectors = (wide + random.standard_normal((2, 1, 8))).reshape(-1, 8).astype(np.float32)
    lists = Lists.around(vectors, np.array([0, 4000, 4000, 8000]))
    assert not lists.points[1].any()
    for number in (0, 2):
        mine = vectors[lists.bounds[number] : lists.bounds[number + 1]]
        np.testing.assert_allclose(lists.points[number], mine.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(lists.spreads, [0.3, 0, 1], rtol=0.02)
    queries = 3 * random.standard_normal((5, 8)).astype(np.float32)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    scores = lists.scores(queries)
    np.testing.assert_allclose(scores, queries @ lists.points.astype(np.float32).T, atol=0.2)
    promised = scores + 2 * lengths * lists.spreads
    promised[:, 1] = -np.inf  # without vectors: also below lists that score less than 0
    np.testing.assert_allclose(lists.promise(queries, scores), promised, rtol=1e-5)


def test_what_is_near_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same from several portions of int8 values as by one sort."""
    monkeypatch.setattr(coding_module, "CHUNK", 300)
    random = np.random.default_rng(0)
    vectors = random.integers(-3, 4, (3000, 4)).astype(np.float32)  # many scores are equal
    lists = Lists.around(vectors, np.arange(0, 3001, 500))
    first = first_pass(arrays_of("int8", vectors, lists))
    query = np.array([[127, 0, 0, 0]], np.float32)
    part = lists.part(np.array([4, 1, 0, 3]), np.zeros((1, 6), np.float32))
    rows = np.concatenate([np.arange(2000)[:1000], np.arange(1500, 2500)])
    for wanted in (Wanted.best(7), Wanted(5, 0.9, 2000), Wanted(700, 1.1, 710), Wanted(9000, 0.0, 9000)):
        found = first.nominate(query, part, wanted, None)[0].best_first()
        everything = first.nominate(query, part, Wanted.best(9000), None)[0].best_first()
        least = everything.scores[min(wanted.k, 2000) - 1] - wanted.slack * 127
        assert set(everything.places.tolist()) == set(rows.tolist())
        kept = (everything.scores >= least).sum() if wanted.k < 2000 else 2000
        np.testing.assert_array_equal(found.places, everything.places[: min(kept, wanted.most)])


def test_a_prefix_is_rounded_by_its_own_dimensions() -> None:
    """Bytes come in fours: 5 dimensions are 8, and those of a query that are not stored do not coarsen the others."""
    random = np.random.default_rng(0)
    vectors, query = random.standard_normal((500, 12)).astype(np.float32), np.ones((1, 12), np.float32)
    query[0, 5:] = 1000
    lists = Lists.one(vectors)
    first = first_pass(arrays_of(Prefix(5), vectors, lists))
    found = first.nominate(query, lists.whole(1), Wanted.best(10), None)[0].best_first()
    assert share(found.places[None], best(query[:, :8] @ vectors[:, :8].T)) >= 0.9


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_short_and_long_queries_find_the_same(coding: Coding, listed: bool) -> None:
    index = DenseIndex.build(np.arange(COUNT), Dense(VECTORS), coding=coding)
    found = index.search(Dense(ASKED), 10)
    for factor in (np.float32(2**-20), np.float32(2**66)):
        again = index.search(Dense(ASKED * factor), 10)
        np.testing.assert_array_equal(again.keys, found.keys)
        np.testing.assert_allclose(again.scores, found.scores * factor, rtol=1e-6)
    assert (index.search(Dense(0 * ASKED), 3).keys >= 0).all()


@pytest.mark.parametrize("coding", CODINGS, ids=str)
def test_vectors_that_are_all_no_numbers_can_be_kept(coding: Coding, listed: bool) -> None:
    none = Dense(np.full((COUNT, DIM), np.nan, np.float32))
    index = DenseIndex.build(np.arange(COUNT), none, coding=coding)
    index.add(np.arange(COUNT, 2 * COUNT), none)
    index.wait()
    assert (index.search(Dense(ASKED), 3).keys == -1).all()
    index.add(np.arange(100), Dense(VECTORS[:100]))
    index.wait()
    exact = ASKED @ VECTORS[:100].astype(np.float16).astype(np.float32).T
    assert share(index.search(Dense(ASKED), 10).keys, best(exact)) > 0.99


def test_lists_of_equal_vectors_are_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their codes say nothing; what their points score says all."""
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    monkeypatch.setattr(dense_segment, "LISTED", 3000)
    owner = np.arange(8000) % 10
    index = DenseIndex.build(np.arange(8000), Dense(VECTORS[owner]), coding="product")
    for query, scores in zip(ASKED, ASKED @ VECTORS[:10].T, strict=True):
        found = index.search(Dense(query[None]), 1, allowed=owner != scores.argmax())
        assert found.scores[0, 0] > np.sort(scores)[-2] - 0.005


def test_few_queries_and_vectors_are_scored_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are asked, and however long a list is."""
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    monkeypatch.setattr(coding_module, "CHUNK", 1000)
    sizes, scan = [], kernels.use().scan
    monkeypatch.setattr(kernels.use(), "scan", lambda *asked: sizes.append(scan(*asked).shape) or scan(*asked))
    segment = DenseSegment.build(np.arange(COUNT), VECTORS)  # one list
    asked = Dense(np.concatenate([ASKED, ASKED, ASKED]))
    segment.nominate(asked, 10, usable=None)
    segment.search(asked, 10)
    assert max(queries for queries, _ in sizes) <= 64
    assert max(vectors for _, vectors in sizes) <= 2000
    assert sum(queries * vectors for queries, vectors in sizes) > (256 + 180 + 180) * COUNT


@cache
def texts(name: str) -> np.ndarray:
    lines = (shared("text/cranfield") / name).read_text("utf8").splitlines()
    encoder = load("e5")
    asked = [(Text(json.loads(line)["text"][:80] or "-"),) for line in lines[:400]]
    found = (encoder.encode_queries if name == "queries.jsonl" else encoder.encode_items)(asked).dense
    assert found is not None
    return found.vectors


def test_real_texts_are_found_by_their_product_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_segment, "EXACT", 100)
    vectors, asked = texts("corpus.jsonl"), texts("queries.jsonl")
    index = DenseIndex.build(np.arange(len(vectors)), Dense(vectors), coding="product")
    assert index.stats().detail["bytes of a first pass"] < 100 * len(vectors) + 192 * 16 * 2 * 4
    assert share(index.search(Dense(asked), 10, recall=0.95).keys, best(asked @ vectors.T)) > 0.93
    assert coding_module.SUBSPACE == 2

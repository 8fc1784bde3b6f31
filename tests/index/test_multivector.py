"""The late-interaction index: exact where it should be, near where it may be, whole after every crash."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bowerbird.embeddings import MultiVector
from bowerbird.errors import CollectionError
from bowerbird.index.manifest import Head
from bowerbird.index.multivector import MultiVectorIndex
from bowerbird.index.multivector.codec import Bits, balanced
from bowerbird.index.multivector.search import Effort
from bowerbird.index.multivector.segment import Segment

DIM = 64


def documents(count: int, seed: int = 0, topics: int = 40) -> MultiVector:
    """Sets of 5 to 40 vectors around the directions of a few topics."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((topics * 8, DIM))
    sets = []
    for _ in range(count):
        topic = draw.integers(topics)
        words = centres[topic * 8 + draw.integers(0, 8, draw.integers(5, 41))]
        vectors = words + 0.9 * draw.standard_normal(words.shape)
        sets.append((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))
    return MultiVector.of(sets)


def exact(tokens: MultiVector, query: np.ndarray) -> np.ndarray:
    return np.maximum.reduceat(tokens.vectors @ query.T, tokens.offsets[:-1], axis=0).sum(axis=1)


def recall(index: MultiVectorIndex, tokens: MultiVector, queries: MultiVector, **options: float) -> float:
    found = index.search(queries, 10, **options)  # type: ignore[arg-type]
    shares = []
    for number in range(len(queries)):
        best = np.argsort(-exact(tokens, np.asarray(queries[number])), kind="stable")[:10]
        shares.append(len(set(best) & set(found.keys[number])) / 10)
    return float(np.mean(shares))


TOKENS = documents(1500)
QUERIES = documents(30, seed=1)


@pytest.mark.parametrize(("bits", "least"), [(8, 0.97), (4, 0.9), (2, 0.7)])
def test_finds_what_exact_maxsim_finds(bits: Bits, least: float) -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS, bits=bits)
    assert recall(index, TOKENS, QUERIES, recall=1.0) >= least
    size = index.stats().detail["bytes per dimension"]
    assert size < {8: 1.15, 4: 0.63, 2: 0.38}[bits]


def test_float16_tokens_put_the_best_right(tmp_path: Path) -> None:
    index = MultiVectorIndex.build(np.arange(1400), first(1400), bits=2, exact=True, folder=tmp_path)
    index.add(np.arange(1400, 1500), MultiVector.of([TOKENS[row] for row in range(1400, 1500)]))
    index.wait()
    found = index.search(QUERIES, 5, recall=1.0)
    for number in range(len(QUERIES)):
        expected = exact(TOKENS, np.asarray(QUERIES[number]))[found.keys[number]]
        np.testing.assert_allclose(found.scores[number], expected, atol=0.01)
    assert recall(index, TOKENS, QUERIES, recall=1.0) > 0.97  # bits alone reach 0.7 to 0.9
    again = MultiVectorIndex.open(tmp_path)
    np.testing.assert_array_equal(again.search(QUERIES, 5, recall=1.0).keys, found.keys)
    detail = again.stats().detail
    assert detail["bytes of float16 tokens"] == 2 * TOKENS.vectors.size
    assert detail["bytes per dimension"] < 0.43
    assert index.remove(np.arange(0, 1500, 2)) == 750
    while index.merge():
        pass
    left = index.search(QUERIES, 5, allowed=np.arange(1500) % 4 == 1)
    assert (left.keys % 4 == 1).all()


def first(count: int) -> MultiVector:
    return MultiVector(TOKENS.vectors[: TOKENS.offsets[count]], TOKENS.offsets[: count + 1])


def test_scores_are_maxsim() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS)
    found = index.search(QUERIES, 5)
    for number in range(len(QUERIES)):
        expected = exact(TOKENS, np.asarray(QUERIES[number]))[found.keys[number]]
        np.testing.assert_allclose(found.scores[number], expected, atol=0.05)
        assert (np.diff(found.scores[number]) <= 0).all()


@pytest.mark.parametrize("steps", [[20, 1500], [20, *range(60, 1501, 40)]])
def test_an_index_that_grew_is_measured_again(steps: list[int], tmp_path: Path) -> None:
    index = MultiVectorIndex.build(np.arange(20), first(20), strategy="lists", folder=tmp_path)
    other = MultiVectorIndex.open(tmp_path)
    assert "advice" not in index.stats().detail
    for start, end in pairwise(steps):
        index.add(np.arange(start, end), MultiVector.of([TOKENS[row] for row in range(start, end)]))
        index.wait()
    known = index._calibration
    assert known.documents > 300
    assert max(known.ranks) >= 20  # of the 20 documents there were, none stood so far behind
    assert known.list_ranks
    assert index.stats().detail["advice"].startswith("grown beyond its centroids; build again, with")
    assert "advice" not in MultiVectorIndex.build(np.arange(1500), TOKENS).stats().detail
    assert recall(index, TOKENS, QUERIES, recall=0.95) >= 0.9
    assert MultiVectorIndex.open(tmp_path)._calibration == known
    other.remove(np.arange(3))  # a handle from before it was measured goes on
    assert other._calibration == known
    assert len(other) == len(MultiVectorIndex.open(tmp_path)) == 1497


def test_a_merge_keeps_what_was_measured_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = MultiVectorIndex.build(np.arange(20), first(20), folder=tmp_path)
    measured, begun, go_on = index._segments._measured, threading.Event(), threading.Event()

    def slow(head: Head, segment: Segment) -> Head:
        made = measured(head, segment)
        if threading.current_thread().name == "bowerbird-merge":
            begun.set()
            assert go_on.wait(60)
        return made

    monkeypatch.setattr(index._segments, "_measured", slow)
    for start in (20, 25, 30):
        index.add(np.arange(start, start + 5), MultiVector.of([TOKENS[row] for row in range(start, start + 5)]))
    assert begun.wait(60)
    index.add(np.arange(100, 1500), MultiVector.of([TOKENS[row] for row in range(100, 1500)]))
    known = index._calibration
    assert known.documents == 1400
    go_on.set()
    index.wait()
    assert index._calibration == MultiVectorIndex.open(tmp_path)._calibration == known
    assert index.stats().detail["segments"] == 2


@pytest.mark.parametrize("value", [65_520.0, -1e6, np.inf, np.nan])
def test_values_that_float16_cannot_hold_are_refused(value: float) -> None:
    index = MultiVectorIndex.build(np.arange(300), first(300), exact=True)
    large = documents(2)
    large.vectors[-1, 3] = value
    message = "beyond 65,504; scale" if np.isfinite(value) else "no number; leave it out"
    with pytest.raises(ValueError, match=f"document 401 has a .*{message}"):
        index.add(np.array([400, 401]), large)
    with pytest.raises(ValueError, match="document 1 has a"):
        MultiVectorIndex.build(np.arange(2), large, exact=True)
    large.vectors[-1, 3] = 65_504.0
    index.add(np.array([400, 401]), large)
    assert np.isfinite(index.search(QUERIES, 302).scores).all()


def test_more_recall_costs_more() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS, centroids=16)
    efforts = [index.effort(target).candidates for target in (0.5, 0.9, 0.99, 1.0)]
    assert efforts == sorted(efforts)
    assert efforts[0] < efforts[-1]
    with pytest.raises(ValueError, match="recall"):
        index.effort(1.5)


def bought_ms(index: MultiVectorIndex) -> float:
    """Enough for 200 candidates twice."""
    return 2 * index._calibration.milliseconds(200, len(index))


def test_a_time_buys_candidates() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS)
    bought = [index.effort(latency_ms=budget).candidates for budget in (0.001, 1.0, 10_000.0)]
    assert bought == sorted(bought)
    assert bought[0] < bought[-1] == 1500
    found = index.search(QUERIES, 10, latency_ms=10_000.0)
    assert found.keys[0, 0] == exact(TOKENS, np.asarray(QUERIES[0])).argmax()
    assert index.effort(latency_ms=math.inf).candidates == 1500
    long, short = (index.effort(latency_ms=bought_ms(index), tokens=count).candidates for count in (40, 20))
    assert 40 < long < short < 1500
    with pytest.raises(ValueError, match="latency_ms"):
        index.effort(latency_ms=0)


def test_the_strategy_follows_size_or_the_caller(tmp_path: Path) -> None:
    few = MultiVectorIndex.build(np.arange(50), documents(50))
    assert few.stats().detail["strategy"] == "exact (auto)"
    assert recall(few, documents(50), QUERIES) == 1.0
    for strategy in ("exact", "pass", "lists"):
        folder = tmp_path / strategy
        MultiVectorIndex.build(np.arange(1500), TOKENS, strategy=strategy, folder=folder)
        index = MultiVectorIndex.open(folder)
        assert index.stats().detail["strategy"] == strategy
        assert recall(index, TOKENS, QUERIES, recall=0.99) >= (0.99 if strategy == "exact" else 0.9)


def test_the_same_input_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        MultiVectorIndex.build(np.arange(200), documents(200), folder=tmp_path / name, threads=2)
    names = [sorted(path.name for path in (tmp_path / name).glob("*.pack")) for name in ("one", "two")]
    assert names[0] == names[1]


def test_filters_leave_k_hits_where_there_are_k() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS)
    for share in (0.5, 0.01, 0.004):
        allowed = np.random.default_rng(3).random(1500) < share
        found = index.search(QUERIES, 10, allowed=allowed)
        wanted = min(10, int(allowed.sum()))
        assert ((found.keys >= 0).sum(axis=1) == wanted).all()
        assert allowed[found.keys[found.keys >= 0]].all()
        best = np.where(allowed, exact(TOKENS, np.asarray(QUERIES[0])), -9).argmax()
        assert found.keys[0, 0] == best
    assert (index.search(QUERIES, 3, allowed=np.zeros(0, bool)).keys == -1).all()


def test_lists_reach_what_a_pass_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    from bowerbird.index.multivector import segment

    passed = MultiVectorIndex.build(np.arange(1500), TOKENS)
    monkeypatch.setattr(segment, "LISTED", 100)
    listed = MultiVectorIndex.build(np.arange(1500), TOKENS)
    assert listed.stats().detail["strategy"] == "lists (auto)"
    assert passed.stats().detail["strategy"] == "pass (auto)"
    effort = Effort(60, 16)
    agree = [
        len(set(a) & set(b)) / 10
        for a, b in zip(
            passed.search_with(effort, QUERIES, 10).keys, listed.search_with(effort, QUERIES, 10).keys, strict=True
        )
    ]
    assert np.mean(agree) > 0.9
    for share in (0.3, 0.04):
        allowed = np.random.default_rng(5).random(1500) < share
        found = listed.search(QUERIES, 10, allowed=allowed, recall=0.95)
        assert allowed[found.keys].all()
        best = [np.argsort(-np.where(allowed, exact(TOKENS, np.asarray(query)), -9))[:10] for query in QUERIES]
        assert np.mean([np.isin(one, row).mean() for one, row in zip(best, found.keys, strict=True)]) > 0.9


def test_lists_that_leave_too_much_out_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from bowerbird.index.multivector import calibration, segment

    monkeypatch.setattr(segment, "LISTED", 100)
    listed = MultiVectorIndex.build(np.arange(1500), TOKENS)
    assert listed.effort(0.5).probes
    for asked in (0.9, 0.99):
        assert recall(listed, TOKENS, QUERIES, recall=asked) > asked - 0.05
    monkeypatch.setattr(calibration, "PROBES", 1)
    monkeypatch.setattr(calibration, "TOKENS", 3)
    narrow = calibration.calibrate([one.segment for one in listed._segments.held], listed._model, 0)
    assert narrow.listed_candidates(1.0, 1500) is None
    assert narrow.candidates(1.0, 1500) <= 1500
    with pytest.raises(ValueError, match="recall"):
        narrow.listed_candidates(0.0, 1500)


@pytest.mark.parametrize("home", [None, "index"])
def test_add_remove_replace(tmp_path: Path, home: str | None) -> None:
    folder = None if home is None else tmp_path / home
    index = MultiVectorIndex.build(np.arange(300), documents(300), folder=folder)
    more = documents(100, seed=5)
    index.add(np.arange(300, 400), more)
    assert len(index) == 400
    target = MultiVector.of([more[7]])
    assert index.search(target, 1).keys[0, 0] == 307
    assert index.remove(np.array([307, 12, 9999])) == 2
    assert index.search(target, 1).keys[0, 0] != 307
    index.add(np.array([5]), target)  # replaces
    assert len(index) == 398
    assert index.search(target, 1).keys[0, 0] == 5
    if folder is not None:
        again = MultiVectorIndex.open(folder)
        np.testing.assert_array_equal(again.search(QUERIES, 10).keys, index.search(QUERIES, 10).keys)
        assert again.verify() == []


def test_many_additions_are_merged_while_searches_go_on(tmp_path: Path) -> None:
    index = MultiVectorIndex.build(np.arange(50), documents(50), folder=tmp_path / "index")
    all_tokens = documents(50)
    stop, problems = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            found = index.search(QUERIES, 10)
            if (found.keys < 0).any():
                problems.append("fewer than k hits")

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(30):
        fresh = documents(10, seed=100 + number)
        index.add(np.arange(50 + number * 10, 60 + number * 10), fresh)
        all_tokens = MultiVector.concat([all_tokens, fresh])
        if number % 3 == 0:
            index.remove(np.array([50 + number * 10]))
    stop.set()
    asking.join()
    index.wait()
    assert not problems
    assert index.stats().detail["segments"] < 15
    assert len(index) == 50 + 300 - 10
    gone = np.arange(50, 350, 30)
    assert not set(gone) & set(index.keys.tolist())
    allowed = np.ones(350, bool)
    allowed[gone] = False
    found = index.search(QUERIES, 10, recall=1.0)
    for number in range(len(QUERIES)):
        best = np.argsort(-np.where(allowed, exact(all_tokens, np.asarray(QUERIES[number])), -9))[:10]
        assert len(set(best) & set(found.keys[number])) >= 9


def test_threads_find_the_same() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS)
    one, two = index.search(QUERIES, 10), index.search(QUERIES, 10, threads=2)
    np.testing.assert_array_equal(one.keys, two.keys)
    np.testing.assert_array_equal(one.scores, two.scores)


def test_bad_input_is_refused() -> None:
    tokens = documents(3)
    for keys, message in ((np.arange(2), "2 keys"), (np.array([1, 1, 2]), "repeat"), (np.array([-1, 1, 2]), "from 0")):
        with pytest.raises(ValueError, match=message):
            MultiVectorIndex.build(keys, tokens)
    with pytest.raises(ValueError, match="no tokens"):
        MultiVectorIndex.build(np.arange(2), MultiVector(tokens.vectors, np.array([0, 0, len(tokens.vectors)])))
    for form, message in (
        ({"bits": 1}, "8, 4 or 2, got 1"),
        ({"centroids": 65_537}, "1 to 65,536"),
        ({"strategy": "fast"}, "no strategy named 'fast'"),
    ):
        with pytest.raises(ValueError, match=message):
            MultiVectorIndex.build(np.arange(3), tokens, **form)
    with pytest.raises(ValueError, match="multiples of 4"):
        MultiVectorIndex.build(np.arange(1), MultiVector(np.ones((2, 6), np.float32), np.array([0, 2])))


def test_long_queries_and_single_documents() -> None:
    index = MultiVectorIndex.build(np.arange(1500), TOKENS)
    long = MultiVector.of([np.concatenate([np.asarray(QUERIES[row]) for row in range(12)])])
    best = exact(TOKENS, np.asarray(long[0])).argmax()
    assert index.search(long, 3, recall=1.0).keys[0, 0] == best
    alone = MultiVectorIndex.build(np.array([7]), documents(1))
    assert alone.search(QUERIES, 3).keys[0].tolist() == [7, -1, -1]


def test_damage_of_the_centroids_is_found(tmp_path: Path) -> None:
    MultiVectorIndex.build(np.arange(100), documents(100), folder=tmp_path)
    (model,) = [path for path in tmp_path.glob("*.pack") if b"centroids.points" in path.read_bytes()]
    model.write_bytes(model.read_bytes()[:-9] + b"?" * 9)
    with pytest.raises(CollectionError, match="damaged part"):
        MultiVectorIndex.open(tmp_path)


def test_balanced_groups_have_like_products() -> None:
    weights = np.geomspace(1, 0.001, 32).astype(np.float32)
    order = balanced(weights, 4)
    assert sorted(order) == list(range(32))
    products = np.log(weights[order]).reshape(-1, 4).sum(axis=1)
    assert products.max() - products.min() < 3 < np.ptp(np.log(weights).reshape(-1, 4).sum(axis=1))

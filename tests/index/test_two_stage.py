"""Candidates by one vector per document, then MaxSim: near the exact result, and honest about how near."""

from __future__ import annotations

from pathlib import Path

import lance
import numpy as np
import pytest

from bowerbird.embeddings import Dense, MultiVector
from bowerbird.index import dense_segment, two_stage
from bowerbird.index.coding import Prefix
from bowerbird.index.fde import FDE, FDEConfig
from bowerbird.index.fde_export import config_of, points, table, write_parquet
from bowerbird.index.product_quantizer import ProductQuantizer
from bowerbird.index.two_stage import Encoding, TwoStageIndex
from tests.index.test_multivector import DIM, QUERIES, TOKENS, documents, exact

COUNT = len(TOKENS)
SMALL = FDEConfig(DIM, repetitions=8, simhash=4, projection=4, fill=False)


@pytest.fixture(autouse=True)
def no_set_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_stage, "EXACT", 0)
    monkeypatch.setattr(dense_segment, "EXACT", 100)


def recall(
    index: TwoStageIndex, tokens: MultiVector = TOKENS, allowed: np.ndarray | None = None, **how: float
) -> float:
    found = index.search(QUERIES, 10, allowed=allowed, **how)  # type: ignore[arg-type]
    shares = []
    for number in range(len(QUERIES)):
        scores = exact(tokens, np.asarray(QUERIES[number]))
        scores = scores if allowed is None else np.where(allowed, scores, -9)
        shares.append(len(set(np.argsort(-scores, kind="stable")[:10]) & set(found.keys[number])) / 10)
    return float(np.mean(shares))


@pytest.mark.parametrize("coding", ["int8", "product", Prefix(192)], ids=str)
def test_reaches_the_recall_that_was_asked_for(coding: dense_segment.Coding, tmp_path: Path) -> None:
    small = FDEConfig(DIM, repetitions=4, simhash=3, projection=8, fill=False)
    index = TwoStageIndex.build(np.arange(COUNT), TOKENS, encoding=small, coding=coding, folder=tmp_path)
    efforts = [index.candidates(target) for target in (0.8, 0.95, 0.99)]
    assert efforts == sorted(efforts)
    assert 40 <= efforts[0] < efforts[-1] < COUNT
    for target in (0.8, 0.95):
        assert recall(index, recall=target) > target - 0.06
    again = TwoStageIndex.open(tmp_path)
    np.testing.assert_array_equal(again.search(QUERIES, 10).keys, index.search(QUERIES, 10).keys)
    assert again.stats().detail["encoding"] == 256


def test_scores_are_maxsim() -> None:
    found = TwoStageIndex.build(np.arange(COUNT), TOKENS, encoding=SMALL).search(QUERIES, 5)
    for number in range(len(QUERIES)):
        expected = exact(TOKENS, np.asarray(QUERIES[number]))[found.keys[number]]
        np.testing.assert_allclose(found.scores[number], expected, atol=0.05)
        assert (np.diff(found.scores[number]) <= 0).all()


def test_more_candidates_find_more() -> None:
    small = FDEConfig(DIM, repetitions=4, fill=False)
    index = TwoStageIndex.build(np.arange(COUNT), TOKENS, encoding=small)
    few, many, all_ = (recall(index, candidates=count) for count in (10, 100, COUNT))
    assert few < many <= all_
    assert all_ > 0.97


def test_tokens_to_one_side_of_zero_are_parted_by_planes_through_their_middle() -> None:
    side = np.zeros(DIM, np.float32)
    side[0] = 2
    far, asked = (MultiVector(tokens.vectors + side, tokens.offsets) for tokens in (TOKENS, QUERIES))
    config = FDEConfig(DIM, repetitions=10, fill=False)
    best = [np.argsort(-exact(TOKENS, np.asarray(QUERIES[number])))[:10] for number in range(len(QUERIES))]
    shares = []
    for middle in (TOKENS.vectors.mean(axis=0) + side, 0 * side):
        encoding = Encoding(config, middle)
        scores = encoding.queries(asked).vectors @ encoding.documents(far).vectors.T
        found = np.argsort(-scores, axis=1)[:, :40]
        shares.append(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(best, found, strict=True)]))
    assert shares[0] > 0.8 > shares[1] + 0.2


def test_filters_leave_k_hits_where_there_are_k() -> None:
    index = TwoStageIndex.build(np.arange(COUNT), TOKENS, encoding=SMALL)
    for share in (0.5, 0.05, 0.004):
        allowed = np.random.default_rng(3).random(COUNT) < share
        found = index.search(QUERIES, 10, allowed=allowed)
        wanted = min(10, int(allowed.sum()))
        assert ((found.keys >= 0).sum(axis=1) == wanted).all()
        assert allowed[found.keys[found.keys >= 0]].all()
    assert recall(index, allowed=np.arange(COUNT) % 30 == 0) > 0.93  # 50 are left: all are scored


def test_merged_segments_find_the_same() -> None:
    index = TwoStageIndex.build(np.arange(300), documents(300), encoding=SMALL)
    more = documents(600, seed=5)
    for start in range(0, 600, 60):
        part = MultiVector.of([more[row] for row in range(start, start + 60)])
        index.add(np.arange(300 + start, 360 + start), part)
    index.remove(np.arange(0, 900, 9))
    index.wait()
    while index.merge():
        pass
    assert index.stats().detail["segments"] < 11
    allowed = np.arange(900) % 9 > 0
    assert recall(index, MultiVector.concat([documents(300), more]), allowed, candidates=400) > 0.9


def test_an_index_that_grew_looks_at_more_candidates() -> None:
    index = TwoStageIndex.build(np.arange(100), MultiVector.of([TOKENS[row] for row in range(100)]), encoding=SMALL)
    before = index.candidates(0.95)
    index.add(np.arange(100, COUNT), MultiVector.of([TOKENS[row] for row in range(100, COUNT)]))
    assert index.candidates(0.95) > 4 * before / 2
    assert recall(index, recall=0.95) > 0.89


def test_bad_input_is_refused() -> None:
    tokens = documents(3)
    with pytest.raises(ValueError, match="no tokens; leave it out"):
        TwoStageIndex.build(np.arange(2), MultiVector(tokens.vectors, np.array([0, 0, len(tokens.vectors)])))
    with pytest.raises(ValueError, match="at least one document"):
        TwoStageIndex.build(np.arange(0), MultiVector(tokens.vectors[:0], np.array([0])))
    with pytest.raises(ValueError, match="64 dimensions, the encoding takes 32"):
        TwoStageIndex.build(np.arange(3), tokens, encoding=FDEConfig(32))
    index = TwoStageIndex.build(np.arange(3), tokens)
    with pytest.raises(ValueError, match="queries have 5 dimensions"):
        index.search(MultiVector.of([np.ones((2, 5), np.float32)]), 3)
    with pytest.raises(ValueError, match="recall"):
        index.candidates(0)


FEW = MultiVector.of([TOKENS[row] for row in range(40)])
ENCODER = FDE(FDEConfig(DIM, repetitions=5, simhash=3, projection=8))


def test_exported_encodings_are_those_of_the_encoder(tmp_path: Path) -> None:
    keys = np.arange(100, 140)
    wanted = ENCODER.encode_documents(FEW).vectors
    made = list(points(ENCODER, keys, FEW))
    assert [key for key, _ in made] == keys.tolist()
    np.testing.assert_array_equal(np.stack([vector for _, vector in made]), wanted)
    write_parquet(tmp_path / "encodings.parquet", ENCODER, keys, FEW)
    whole = table(ENCODER, keys, FEW)
    assert whole.column("id").to_pylist() == keys.tolist()
    np.testing.assert_array_equal(np.array(whole.column("vector").to_pylist(), np.float32), wanted)
    assert config_of(tmp_path / "encodings.parquet") == ENCODER.config
    with pytest.raises(ValueError, match="one key per vector"):
        list(points(ENCODER, keys[:3], FEW))


def test_an_engine_for_single_vectors_searches_exported_encodings(tmp_path: Path) -> None:
    asked = ENCODER.encode_queries(MultiVector.of([QUERIES[0]])).vectors[0]
    items = lance.write_dataset(table(ENCODER, np.arange(40), FEW), tmp_path / "items.lance")
    found = items.to_table(nearest={"column": "vector", "q": asked, "k": 5, "metric": "dot"}).column("id").to_pylist()
    assert found == np.argsort(-(ENCODER.encode_documents(FEW).vectors @ asked))[:5].tolist()


def test_a_byte_for_eight_numbers_keeps_the_candidates() -> None:
    encoded = ENCODER.encode_documents(TOKENS)
    asked = ENCODER.encode_queries(QUERIES)
    quantizer = ProductQuantizer.fit(encoded)
    codes = quantizer.encode(encoded)
    assert codes.dtype == np.uint8
    assert codes.shape == (COUNT, encoded.dim // 8)
    scores = quantizer.scores(asked, codes)
    np.testing.assert_allclose(scores, asked.vectors @ quantizer.decode(codes).vectors.T, atol=1e-3)
    full = np.argsort(-(asked.vectors @ encoded.vectors.T), axis=1)[:, :10]
    kept = np.argsort(-scores, axis=1)[:, :60]
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(full, kept, strict=True)]) > 0.9
    again = ProductQuantizer.fit(encoded)
    np.testing.assert_array_equal(again.words, quantizer.words)


def test_a_quantizer_takes_whole_blocks() -> None:
    with pytest.raises(ValueError, match="blocks of 8"):
        ProductQuantizer.fit(Dense(np.ones((3, 12), np.float32)))
    with pytest.raises(ValueError, match="takes 8"):
        ProductQuantizer.fit(Dense(np.ones((3, 8), np.float32))).encode(Dense(np.ones((1, 16), np.float32)))

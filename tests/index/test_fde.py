"""Fixed dimensional encodings do what MUVERA (arXiv 2405.19504) says, on paper and on real tokens."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from bowerbird.embeddings import Dense, MultiVector
from bowerbird.encoders import load
from bowerbird.index.fde import FDE, FDEConfig, carve, normals
from bowerbird.items import Text
from tests.shared import shared


def drawn(lengths: list[int], dim: int, seed: int = 0) -> MultiVector:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((sum(lengths), dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return MultiVector(vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def literal(fde: FDE, tokens: np.ndarray, query: bool) -> np.ndarray:
    """One set, step by step as the paper says, with the hyperplanes and projections of an encoder."""
    repetitions, partitions, width = fde.config.cell_shape
    planes = fde._hyperplanes.reshape(fde.config.dim, fde.config.simhash, repetitions)
    blocks = []
    for r in range(repetitions):
        sides = tokens @ planes[:, :, r] > 0
        projected = tokens
        if fde.config.projection:
            projected = tokens @ fde._projections.reshape(fde.config.dim, repetitions, width)[:, r]
        for cell in range(partitions):
            pattern = [cell >> j & 1 for j in range(fde.config.simhash)]
            apart = (sides != pattern).sum(axis=1)
            mine = projected[apart == 0]
            if query:
                blocks.append(mine.sum(axis=0))
            elif len(mine):
                blocks.append(mine.mean(axis=0))
            else:
                blocks.append(projected[apart.argmin()] if fde.config.fill else np.zeros(width))
    return np.concatenate(blocks)


@pytest.mark.parametrize("simhash", [0, 1, 4])
@pytest.mark.parametrize("projection", [None, 3])
@pytest.mark.parametrize("fill", [True, False])
def test_agrees_with_the_paper_step_by_step(simhash: int, projection: int | None, fill: bool) -> None:
    tokens = drawn([1, 7, 40, 2, 1100], 16)
    fde = FDE(FDEConfig(16, repetitions=3, simhash=simhash, projection=projection, fill=fill))
    documents, queries = fde.encode_documents(tokens), fde.encode_queries(tokens)
    assert documents.vectors.dtype == np.float32
    assert documents.vectors.shape == queries.vectors.shape == (5, fde.config.width)
    for row in range(5):
        np.testing.assert_allclose(documents.vectors[row], literal(fde, tokens[row], False), atol=1e-5)
        np.testing.assert_allclose(queries.vectors[row], literal(fde, tokens[row], True), atol=1e-4)


def test_single_tokens_give_the_inner_product_times_the_repetitions() -> None:
    fde = FDE(FDEConfig(32, repetitions=7, simhash=0, projection=None))
    queries, documents = drawn([1] * 9, 32, 1), drawn([1] * 9, 32, 2)
    scores = (fde.encode_queries(queries).vectors * fde.encode_documents(documents).vectors).sum(axis=1)
    np.testing.assert_allclose(scores, 7 * (queries.vectors * documents.vectors).sum(axis=1), atol=1e-5)


def test_an_empty_cell_takes_the_first_of_the_nearest_tokens() -> None:
    fde = FDE(FDEConfig(3, repetitions=1, simhash=3, projection=None))
    corner = {
        cell: np.linalg.solve(fde._hyperplanes.T, [1 if cell >> j & 1 else -1 for j in range(3)]) for cell in range(8)
    }
    tokens = np.array([corner[0b011], corner[0b110], corner[0b110]], np.float32)
    tokens[2] *= 3
    cells = fde.encode_documents(MultiVector.of([tokens])).vectors.reshape(8, 3)
    first, mean = tokens[0], tokens[1:].mean(axis=0)
    np.testing.assert_allclose(cells[0b011], first, rtol=1e-6)
    np.testing.assert_allclose(cells[0b110], mean, rtol=1e-6)
    for cell in (0b001, 0b010, 0b111, 0b000):  # 0b010 and 0b111 are one bit from both, 0b000 two
        np.testing.assert_allclose(cells[cell], first, rtol=1e-6)
    np.testing.assert_allclose(cells[0b100], tokens[1], rtol=1e-6)


def test_sets_without_tokens_are_zero() -> None:
    fde = FDE(FDEConfig(8))
    tokens = drawn([0, 3, 0], 8)
    for encoded in (fde.encode_documents(tokens), fde.encode_queries(tokens)):
        assert not encoded.vectors[[0, 2]].any()
        assert encoded.vectors[1].any()


def test_a_batch_gives_what_its_sets_give_alone() -> None:
    tokens = drawn([300, 900, 5, 2000, 0, 64], 24)
    for config in (FDEConfig(24), FDEConfig(24, final_dim=100)):
        fde = FDE(config)
        alone = np.concatenate([fde.encode_documents(MultiVector.of([tokens[row]])).vectors for row in range(6)])
        np.testing.assert_allclose(fde.encode_documents(tokens).vectors, alone, atol=1e-5)


def test_the_same_configuration_gives_the_same_encoding() -> None:
    config = FDEConfig(16, repetitions=4, simhash=2, projection=None, final_dim=40, seed=9)
    again = FDEConfig(**json.loads(json.dumps(asdict(config))))
    assert again == config
    tokens = drawn([20, 30], 16)
    first, second = FDE(config).encode_documents(tokens), FDE(again).encode_documents(tokens)
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_random_numbers_are_those_of_all_versions() -> None:
    fde = FDE(FDEConfig(4, repetitions=2, simhash=1, projection=2, seed=5, final_dim=8))
    np.testing.assert_allclose(fde._hyperplanes[:, 0], [-0.76964039, 0.04287243, 0.81650192, -0.54523695], rtol=1e-5)
    np.testing.assert_array_equal(
        np.sign(fde._projections), [[-1, 1, 1, -1], [1, -1, 1, -1], [-1, 1, 1, 1], [1, -1, 1, -1]]
    )
    many = normals(np.random.Philox(np.random.SeedSequence(0)), 100_000)
    assert abs(many.mean()) < 0.02
    assert abs(many.std() - 1) < 0.02
    assert abs((np.abs(many) < 1).mean() - 0.6827) < 0.01


def test_more_repetitions_begin_with_the_fewer() -> None:
    tokens = drawn([20, 30], 16)
    few, many = (FDE(FDEConfig(16, repetitions=count)).encode_documents(tokens).vectors for count in (2, 5))
    np.testing.assert_allclose(few, many[:, : few.shape[1]], atol=1e-6)


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="16 hyperplanes"):
        FDEConfig(8, simhash=17)
    with pytest.raises(ValueError, match="positive"):
        FDEConfig(8, repetitions=0)
    with pytest.raises(ValueError, match="4 dimensions, the encoding takes 8"):
        FDE(FDEConfig(8)).encode_queries(drawn([2], 4))


@cache
def real() -> tuple[MultiVector, MultiVector]:
    """Unit token vectors of 300 abstracts, cut to all lengths, and 120 questions, by the encoder of the package."""
    abstracts, asked = texts("corpus.jsonl", 300), texts("queries.jsonl", 120)
    cuts = np.random.default_rng(0).integers(60, 700, len(abstracts)).tolist()
    encoder = load("e5")
    documents = encoder.encode_items([(Text(text[:cut]),) for text, cut in zip(abstracts, cuts, strict=True)]).tokens
    queries = encoder.encode_queries([(Text(text),) for text in asked]).tokens
    assert documents is not None
    assert queries is not None
    middle = documents.vectors.mean(axis=0)
    return about(middle, documents), about(middle, queries)


def texts(name: str, count: int) -> list[str]:
    lines = (shared("text/cranfield") / name).read_text("utf8").splitlines()[:count]
    return [json.loads(line)["text"] or "-" for line in lines]


def about(middle: np.ndarray, tokens: MultiVector) -> MultiVector:
    """Unit vectors from a point: tokens of this encoder all lie to one side of zero, where no hyperplane parts them."""
    return MultiVector(Dense(tokens.vectors - middle).normalized().vectors, tokens.offsets)


@cache
def best() -> np.ndarray:
    """The document with the highest exact Chamfer similarity for every query."""
    documents, queries = real()
    scores = [
        np.maximum.reduceat(documents.vectors @ queries[q].T, documents.offsets[:-1], axis=0).sum(axis=1)
        for q in range(len(queries))
    ]
    return np.argmax(scores, axis=1)


def recall(queries: Dense, documents: Dense, count: int = 10) -> float:
    """How often the true best is among the first `count`."""
    ranked = np.argsort(-(queries.vectors @ documents.vectors.T), axis=1, kind="stable")[:, :count]
    return float((ranked == best()[:, None]).any(axis=1).mean())


def fde(**options: int) -> FDE:
    return FDE(replace(FDEConfig(real()[0].dim, simhash=5, projection=16, fill=False), **options))


def found(fde: FDE) -> float:
    documents, queries = real()
    return recall(fde.encode_queries(queries), fde.encode_documents(documents))


def test_means_of_documents_find_the_best_of_real_texts_and_sums_do_not() -> None:
    documents, queries = real()
    asked = fde().encode_queries(queries)
    means, sums = (recall(asked, side) for side in (fde().encode_documents(documents), fde().encode_queries(documents)))
    assert means >= 0.8
    assert means >= sums + 0.08


def test_filled_cells_find_the_best_too() -> None:
    assert found(fde(fill=True)) >= 0.7


def test_other_seeds_find_by_chance() -> None:
    documents, queries = real()
    assert recall(fde(seed=1).encode_queries(queries), fde().encode_documents(documents)) < 0.15


def test_recall_grows_with_repetitions() -> None:
    assert all(more > less + 0.05 for less, more in pairwise(found(fde(repetitions=count)) for count in (1, 5, 20)))


def test_a_sketch_of_a_large_encoding_is_about_as_good() -> None:
    assert found(fde(projection=64, final_dim=10240)) >= found(fde()) - 0.05


def test_carving_keeps_the_sum() -> None:
    tokens = drawn([40], 6).vectors
    carved = carve(tokens, 0.5)
    assert len(carved) < 40
    np.testing.assert_allclose(carved.sum(axis=0), tokens.sum(axis=0), atol=1e-5)
    np.testing.assert_array_equal(carve(tokens, 1.5), tokens)
    assert carve(tokens[:0]).shape == (0, 6)


def test_carving_takes_the_first_token_that_is_left_as_centre() -> None:
    tokens = np.array([[1, 0], [0, 1], [0.8, 0.6], [0.1, 0.9]], np.float32)
    np.testing.assert_allclose(carve(tokens, 0.7), [[1.8, 0.6], [0.1, 1.9]], rtol=1e-6)

"""Late interaction in torch gives what numpy gives, on the CPU and on a GPU where there is one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import MultiVector
from bowerbird.errors import MissingExtra
from bowerbird.index.torch_maxsim import TorchMaxSim

torch = pytest.importorskip("torch")
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def drawn(lengths: list[int], seed: int) -> MultiVector:
    vectors = np.random.default_rng(seed).integers(-3, 4, (sum(lengths), 8)).astype(np.float32)
    return MultiVector(vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def literal(queries: MultiVector, documents: MultiVector) -> np.ndarray:
    scores = np.full((len(queries), len(documents)), -np.inf, np.float32)
    for q in range(len(queries)):
        for d in range(len(documents)):
            if len(queries[q]) and len(documents[d]):
                scores[q, d] = (queries[q] @ documents[d].T).max(axis=1).sum()
    return scores


sets = st.lists(st.integers(0, 9), min_size=1, max_size=12)


@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=40, deadline=None)
@given(sets, sets, st.integers(0, 99), st.integers(1, 3000))
def test_scores_are_those_of_the_definition(
    device: str, asked: list[int], lengths: list[int], seed: int, memory: int
) -> None:
    queries, documents = drawn(asked, seed), drawn(lengths, seed + 1)
    scorer = TorchMaxSim(np.arange(len(lengths)), documents, device=device, memory=memory)
    expected = literal(queries, documents)
    np.testing.assert_array_equal(scorer.scores(queries), expected)
    rows = np.random.default_rng(seed).permutation(len(lengths))[:5]
    np.testing.assert_array_equal(scorer.scores(queries, rows), expected[:, rows])


@pytest.mark.parametrize("device", DEVICES)
def test_finds_the_best_of_those_allowed(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bowerbird.index.torch_maxsim.QUERY_TOKENS", 7)  # several runs of queries
    queries, documents = drawn([3, 0, 5, 9], 0), drawn([4, 1, 0, 6, 2], 1)
    keys = np.array([8, 2, 5, 30, 1])
    scorer = TorchMaxSim(keys, documents, device=device)
    scores = literal(queries, documents)
    for allowed in (None, np.arange(9) % 2 == 0, np.zeros(0, bool)):
        usable = [
            row for row in np.argsort(keys) if allowed is None or (keys[row] < len(allowed) and allowed[keys[row]])
        ]
        found = scorer.search(queries, 4, allowed=allowed)
        for number in range(4):
            best = [
                row for row in sorted(usable, key=lambda row: -scores[number, row]) if np.isfinite(scores[number, row])
            ]
            assert found.keys[number].tolist() == ([*keys[best[:4]].tolist(), -1, -1, -1, -1])[:4]


def test_wrong_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="repeat"):
        TorchMaxSim(np.zeros(2, np.int64), drawn([1, 1], 0), device="cpu")
    with pytest.raises(ValueError, match="4 dimensions"):
        TorchMaxSim(np.arange(1), drawn([1], 0), device="cpu").scores(
            MultiVector(np.ones((1, 4), np.float32), np.array([0, 1]))
        )
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match="colpali"):
        TorchMaxSim(np.arange(1), drawn([1], 0), device="cpu")

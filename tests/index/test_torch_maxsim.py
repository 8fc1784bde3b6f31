"""Late interaction in torch gives what numpy gives, on the CPU and on a GPU where there is one."""

from __future__ import annotations

import subprocess
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


def real(lengths: list[int], seed: int) -> MultiVector:
    vectors = np.random.default_rng(seed).standard_normal((sum(lengths), 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return MultiVector(vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("memory", [1, 20_000, 1 << 30])
def test_real_values_are_ranked_in_float32(device: str, memory: int) -> None:
    queries, documents = real([20, 0, 32, 7], 0), real([1 + n % 30 for n in range(300)], 1)
    scorer = TorchMaxSim(np.arange(300)[::-1], documents, device=device, memory=memory)
    scorer._vectors = scorer._vectors.half()  # as on a GPU
    kept = MultiVector(documents.vectors.astype(np.float16).astype(np.float32), documents.offsets)
    expected = literal(queries, kept)[:, ::-1]
    rough = scorer.scores(queries)[:, ::-1]
    filled = queries.lengths > 0
    assert np.abs(rough[filled] - expected[filled]).max() <= 1e-3 * queries.lengths.max()
    found = scorer.search(queries, 10)
    assert (found.keys[1] == -1).all()
    for number in np.flatnonzero(filled):
        assert found.keys[number].tolist() == np.argsort(-expected[number], kind="stable")[:10].tolist()
        np.testing.assert_allclose(found.scores[number], np.sort(expected[number])[::-1][:10], rtol=3e-6)
    assert np.abs(rough[0, found.keys[0]] - found.scores[0]).max() > 1e-5  # what was rounded off before


SEARCH = """
import resource
import numpy as np
from bowerbird.embeddings import MultiVector
from bowerbird.index.torch_maxsim import TorchMaxSim

def sets(count, tokens):
    vectors = np.random.default_rng(0).random((count * tokens, 128), np.float32)
    return MultiVector(vectors, np.arange(0, count * tokens + 1, tokens))

TorchMaxSim(np.arange(2000), sets(2000, 4), device="cpu", memory=4 << 20).search(sets(10, 1), 3)
queries, scorer = sets(400, 1), TorchMaxSim(np.arange(50_000), sets(50_000, 4), device="cpu", memory=4 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scorer.search(MultiVector(queries.vectors[:1], queries.offsets[:2]), 3)
scorer.search(queries, 3)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux gives it")
def test_a_search_keeps_to_its_memory() -> None:
    grown = subprocess.run([sys.executable, "-c", SEARCH], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert int(grown) < 25 * 1024  # kilobytes; all tokens are 100 MB, all scores 80 MB


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

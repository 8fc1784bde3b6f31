"""Token vectors of the benchmark's texts: bowerbird's own text encoder, then 128 principal axes, unit length, float16.

Encoding takes most of the time, so its results are kept in shards of 2,000 texts and a second run goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import bowerbird as bb
from benchmarks.engine.arrays import offsets_of, unit
from benchmarks.engine.texts import Description, texts
from bowerbird.encoders import e5

SHARD = 2000
DIM = 128
LONGEST = 120
"""Token vectors kept of a document."""
FITTED = 1500
"""Documents whose tokens give the principal axes."""
QUERIES = 600
"""Of each kind: about a document, about something that is not among them."""
SHORTEST_QUERY, LONGEST_QUERY = 16, 32


@dataclass(frozen=True)
class Projection:
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]

    def __call__(self, tokens: NDArray[np.float16]) -> NDArray[np.float16]:
        projected: NDArray[np.float16] = unit((tokens.astype(np.float32) - self.mean) @ self.axes).astype(np.float16)
        return projected


def make_text(folder: Path, documents: int) -> None:
    """text_vec, text_off, text_dense and q_vec, q_off, q_dense."""
    if (folder / "q_dense.npy").exists():
        return
    found = texts()
    shards = folder / "shards"
    encode(shards, "text", [entry.long for entry in found.documents[:documents]])
    encode(shards, "ask", _questions(found.documents, found.others), queries=True)
    projection = _fit(shards / "text-000000.npz")
    _assemble(folder, "text", "text", projection, min(documents, len(found.documents)))
    _assemble(folder, "ask", "q", projection, 2 * QUERIES)


def encode(folder: Path, name: str, wanted: list[str], *, queries: bool = False) -> None:
    """Token and pooled vectors of texts, a file per shard."""
    encoder = e5.load()
    run = encoder.encode_queries if queries else encoder.encode_items
    folder.mkdir(parents=True, exist_ok=True)
    for start in track(range(0, len(wanted), SHARD), description=name):
        path = folder / f"{name}-{start:06}.npz"
        if path.exists():
            continue
        found = run([(bb.Text(text[: LONGEST * 8]),) for text in wanted[start : start + SHARD]])
        assert found.dense is not None
        assert found.tokens is not None
        sets = [found.tokens[row][:LONGEST].astype(np.float16) for row in range(len(found.tokens))]
        part = path.with_suffix(".partial")
        with part.open("wb") as file:
            np.savez(file, dense=found.dense.vectors, tokens=np.concatenate(sets), lengths=[len(one) for one in sets])
        part.rename(path)


def _questions(documents: list[Description], others: list[Description]) -> list[str]:
    """In turn one whose answer is known and one about something else, all of 16 to 32 tokens."""
    return [question for pair in zip(_fitting(documents), _fitting(others), strict=True) for question in pair]


def _fitting(entries: list[Description]) -> list[str]:
    tokens = e5.load().count_tokens
    fitting = (entry.question for entry in entries if SHORTEST_QUERY <= tokens(entry.question) <= LONGEST_QUERY)
    return [question for question, _ in zip(fitting, range(QUERIES), strict=False)]


def _fit(path: Path) -> Projection:
    """Mean and principal axes of the tokens of the first documents."""
    with np.load(path) as shard:
        tokens = shard["tokens"][: int(shard["lengths"][:FITTED].sum())].astype(np.float32)
    mean = tokens.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((tokens - mean).T))
    return Projection(mean, np.ascontiguousarray(axes[:, ::-1][:, :DIM]).astype(np.float32))


def _assemble(folder: Path, shards: str, name: str, projection: Projection, wanted: int) -> None:
    """The first texts of the shards as flat arrays."""
    vectors, lengths, dense = [], [], []
    missing = wanted
    for start in count(0, SHARD):
        if missing <= 0:
            break
        with np.load(folder / "shards" / f"{shards}-{start:06}.npz") as shard:
            lengths.append(shard["lengths"][:missing])
            dense.append(shard["dense"][:missing])
            vectors.append(projection(shard["tokens"][: int(lengths[-1].sum())]))
        missing -= len(lengths[-1])
    np.save(folder / f"{name}_vec.npy", np.concatenate(vectors))
    np.save(folder / f"{name}_off.npy", offsets_of(np.concatenate(lengths)))
    np.save(folder / f"{name}_dense.npy", np.concatenate(dense))

"""Data of the engine benchmark: token vectors of real texts, page-like sets of vectors, a million dense vectors.

python -m benchmarks.engine.data        makes all of it below build/bench (an hour on two cores, once; resumable)

text     41,000 package descriptions and 1,200 queries, token vectors of the default text encoder, centred,
         projected on their 128 principal axes, of unit length (float16)
pages    3,000 items of about 860 vectors: tokens of a description and its neighbours, each repeated with noise
         three or four times, as the patches of a page image are
dense1m  a million pooled vectors: the real ones and noisy copies
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

import bowerbird as bb
from benchmarks.engine.texts import Description, descriptions
from bowerbird.embeddings import MultiVector
from bowerbird.encoders import e5

FOLDER = Path("build/bench")
SHARD = 2000
DIM = 128
LONGEST = 120
FITTED = 1500
"""Documents whose tokens give the principal axes."""
QUERIES = 600
"""Of each kind: short descriptions of documents, and of packages that are not among them."""
SHORTEST_QUERY, LONGEST_QUERY = 12, 32
PAGES, DENSE = 3000, 1_000_000

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TokenSet:
    """Token vectors of documents and queries."""

    documents: MultiVector
    queries: MultiVector

    def first(self, count: int) -> TokenSet:
        """The first documents, all queries."""
        offsets = self.documents.offsets[: count + 1]
        return TokenSet(MultiVector(self.documents.vectors[: offsets[-1]], offsets), self.queries)


def encode(folder: Path, name: str, texts: list[str], *, queries: bool = False) -> None:
    """Token and pooled vectors of texts, a file per shard."""
    encoder = e5.load()
    run = encoder.encode_queries if queries else encoder.encode_items
    folder.mkdir(parents=True, exist_ok=True)
    for start in track(range(0, len(texts), SHARD), description=name):
        path = folder / f"{name}-{start:06}.npz"
        if path.exists():
            continue
        found = run([bb.Query.of(text[: LONGEST * 8]).parts for text in texts[start : start + SHARD]])
        assert found.dense is not None
        assert found.tokens is not None
        sets = [found.tokens[row][:LONGEST].astype(np.float16) for row in range(len(found.tokens))]
        part = path.with_suffix(".partial")
        with part.open("wb") as file:
            np.savez(file, dense=found.dense.vectors, tokens=np.concatenate(sets), lengths=[len(one) for one in sets])
        part.rename(path)


def make_text(folder: Path) -> None:
    """text_vec, text_off, text_dense and q_vec, q_off, q_dense."""
    if (folder / "q_dense.npy").exists():
        return
    found = descriptions()
    documents, others = found[:-QUERIES], found[-QUERIES:]
    encode(folder / "shards", "text", [entry.long for entry in documents])
    asked = [_question(entry) for entry in (*documents[:QUERIES], *others)]
    encode(folder / "shards", "q", asked, queries=True)
    mean, axes = _axes(folder)
    for name in ("text", "q"):
        tokens, lengths, dense = [], [], []
        for path in sorted((folder / "shards").glob(f"{name}-*.npz")):
            with np.load(path) as shard:
                projected = (shard["tokens"].astype(np.float32) - mean) @ axes
                tokens.append(_unit(projected).astype(np.float16))
                lengths.append(shard["lengths"])
                dense.append(shard["dense"])
        np.save(folder / f"{name}_vec.npy", np.concatenate(tokens))
        np.save(folder / f"{name}_off.npy", np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64))
        np.save(folder / f"{name}_dense.npy", np.concatenate(dense))


def _question(entry: Description) -> str:
    return f"{entry.name.replace('-', ' ')}: {entry.short}"


def _axes(folder: Path) -> tuple[Array, Array]:
    """Mean and 128 principal axes of the tokens of the first documents."""
    with np.load(sorted((folder / "shards").glob("text-*.npz"))[0]) as shard:
        count = int(shard["lengths"][:FITTED].sum())
        tokens = shard["tokens"][:count].astype(np.float32)
    mean = tokens.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((tokens - mean).T))
    return mean, np.ascontiguousarray(axes[:, ::-1][:, :DIM]).astype(np.float32)


def _unit(vectors: Array) -> Array:
    scaled: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return scaled


def make_pages(folder: Path) -> None:
    """pages_vec, pages_off: tokens of four neighbouring descriptions, repeated with noise."""
    if (folder / "pages_off.npy").exists():
        return
    text, random = load_text(folder).documents, np.random.default_rng(1)
    pages = []
    for start in range(0, 4 * PAGES, 4):
        words = np.concatenate([text[row] for row in range(start, start + 4)]).astype(np.float32)
        patches = np.repeat(words, random.integers(3, 5, len(words)), axis=0)
        noise = random.standard_normal(patches.shape).astype(np.float32) * (0.4 / np.sqrt(DIM))
        pages.append(_unit(patches + noise).astype(np.float16))
    np.save(folder / "pages_vec.npy", np.concatenate(pages))
    np.save(folder / "pages_off.npy", np.concatenate([[0], np.cumsum([len(page) for page in pages])]).astype(np.int64))


def make_dense(folder: Path) -> None:
    """dense1m: real pooled vectors, then copies moved half way to another vector of the set, with noise."""
    if (folder / "dense1m.npy").exists():
        return
    real, random = np.load(folder / "text_dense.npy"), np.random.default_rng(2)
    out = np.lib.format.open_memmap(folder / "dense1m.partial", "w+", np.float16, (DENSE, real.shape[1]))
    for start in range(0, DENSE, len(real)):
        count = min(len(real), DENSE - start)
        moved = real[:count]
        if start:
            share = random.uniform(0.2, 0.5, (count, 1)).astype(np.float32)
            noise = random.standard_normal(moved.shape).astype(np.float32) * (0.25 / np.sqrt(real.shape[1]))
            moved = (1 - share) * moved + share * real[random.integers(0, len(real), count)] + noise
        out[start : start + count] = _unit(moved)
    out.flush()
    (folder / "dense1m.partial").rename(folder / "dense1m.npy")


def load_text(folder: Path = FOLDER) -> TokenSet:
    return TokenSet(_tokens(folder, "text"), asked(folder))


def load_pages(folder: Path = FOLDER) -> TokenSet:
    return TokenSet(_tokens(folder, "pages"), asked(folder))


def asked(folder: Path = FOLDER) -> MultiVector:
    """Queries of 12 to 32 tokens."""
    queries = _tokens(folder, "q")
    fitting = np.flatnonzero((queries.lengths >= SHORTEST_QUERY) & (queries.lengths <= LONGEST_QUERY))
    return MultiVector.of([queries[row] for row in fitting])


def _tokens(folder: Path, name: str) -> MultiVector:
    return MultiVector(np.load(folder / f"{name}_vec.npy", mmap_mode="r"), np.load(folder / f"{name}_off.npy"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    where = parser.parse_args().folder
    make_text(where)
    make_pages(where)
    make_dense(where)

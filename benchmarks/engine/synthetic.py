"""Sets made from the encoded texts: page-like ones with hundreds of vectors each, and a million dense vectors.

Larger sets than there are texts hold copies that are moved towards another text, with noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.engine.arrays import Floats, Offsets, offsets_of, unit

PAGES = 3000
PAGE_WORDS = 260
"""Token vectors of a description and its neighbours that a page is made of."""
PAGE_VECTORS = (700, 1031)
PAGE_NOISE = 0.04
"""Per dimension: 0.45 of a vector's length."""
NEIGHBOURS = 8

DENSE = 1_000_000
DENSE_QUERIES = 1000
SHARES = (0.2, 0.5)
"""How far a copy is moved towards another vector of the set."""
DENSE_NOISE = 0.15
"""Length of the noise on a unit vector."""
COPIED = 20_000
"""Documents that are made at a time."""


def make_pages(folder: Path) -> None:
    """pages_vec, pages_off: words of neighbouring descriptions, each three or four times with noise."""
    if (folder / "pages_off.npy").exists():
        return
    vectors = np.load(folder / "text_vec.npy", mmap_mode="r")
    offsets, dense = np.load(folder / "text_off.npy"), np.load(folder / "text_dense.npy")
    random = np.random.default_rng(5)
    pages = []
    for row in random.permutation(len(dense))[:PAGES]:
        near = np.argsort(-(dense @ dense[row]))[:NEIGHBOURS]
        words = np.concatenate([vectors[offsets[one] : offsets[one + 1]] for one in near])[:PAGE_WORDS]
        patches = np.resize(np.arange(len(words)), random.integers(*PAGE_VECTORS))
        noise = random.standard_normal((len(patches), vectors.shape[1]), np.float32) * PAGE_NOISE
        pages.append(unit(words[patches].astype(np.float32) + noise).astype(np.float16))
    np.save(folder / "pages_vec.npy", np.concatenate(pages))
    np.save(folder / "pages_off.npy", offsets_of([len(page) for page in pages]))


def make_dense(folder: Path) -> None:
    """dense1m: the real pooled vectors, then copies moved towards another one, with noise; dense_q: 1,000 queries."""
    if (folder / "dense_q.npy").exists():
        return
    real, random = np.load(folder / "text_dense.npy"), np.random.default_rng(2)
    part = folder / "dense1m.partial"
    out = np.lib.format.open_memmap(part, "w+", np.float16, (DENSE, real.shape[1]))
    out[: len(real)] = real[:DENSE]
    for start in range(len(real), DENSE, len(real)):
        copies = real[: DENSE - start]
        share = random.uniform(*SHARES, (len(copies), 1)).astype(np.float32)
        others = real[random.integers(0, len(real), len(copies))]
        out[start : start + len(copies)] = unit((1 - share) * copies + share * others + _noise(copies, random))
    out.flush()
    part.rename(folder / "dense1m.npy")
    asked = np.load(folder / "q_dense.npy")[:DENSE_QUERIES]
    np.save(folder / "dense_q.npy", unit(asked + _noise(asked, random)))


def grown(vectors: Floats, offsets: Offsets, count: int, longest: int, file: Path) -> tuple[Floats, Offsets]:
    """The first `longest` tokens of `count` documents, mapped from the file: real ones first, then moved copies."""
    lengths = np.resize(np.minimum(np.diff(offsets), longest), count)
    ends, real, random = offsets_of(lengths), len(offsets) - 1, np.random.default_rng(3)
    if file.exists():
        return np.load(file, mmap_mode="r"), ends
    part = file.with_suffix(".partial")
    out = np.lib.format.open_memmap(part, "w+", np.float16, (int(ends[-1]), vectors.shape[1]))
    for start in range(0, count, COPIED):
        here = lengths[start : start + COPIED]
        first = offsets[:-1][np.arange(start, start + len(here)) % real]
        places = np.arange(int(here.sum())) - np.repeat(offsets_of(here)[:-1], here)
        tokens = np.asarray(vectors[np.repeat(first, here) + places], np.float32)
        if start + len(here) > real:
            moved = np.arange(start, start + len(here)) >= real
            share = np.where(moved, random.uniform(*SHARES, len(here)), 0).astype(np.float32)
            others = vectors[(np.repeat(offsets[random.integers(0, real, len(here))], here) + places) % len(vectors)]
            share = np.repeat(share, here)[:, None]
            tokens = unit((1 - share) * tokens + share * others + _noise(tokens, random) * (share > 0))
        out[ends[start] : ends[start] + len(tokens)] = tokens
    out.flush()
    part.rename(file)
    return np.load(file, mmap_mode="r"), ends


def _noise(like: Floats, random: np.random.Generator) -> Floats:
    noise: Floats = random.standard_normal(like.shape, np.float32) * np.float32(DENSE_NOISE / np.sqrt(like.shape[1]))
    return noise

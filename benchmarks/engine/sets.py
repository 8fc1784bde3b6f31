"""The sets a benchmark can run on, as files below a folder.

A set is a ragged batch of vectors, one group per item; in the dense sets each group is one vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.arrays import Floats, Offsets

FOLDER = Path("build/bench")


@dataclass(frozen=True)
class Source:
    """Where a set comes from: the files of `base`, and how many of its items."""

    base: str
    items: int | None = None

    @property
    def dense(self) -> bool:
        return self.base == "dense1m"

    def truth(self, folder: Path) -> Path:
        return folder / (f"{self.base}_truth_{self.items}.npy" if self.items else f"{self.base}_truth.npy")


SOURCES = {
    "s20": Source("text", 20_000),
    "text": Source("text"),
    "pages": Source("pages"),
    "dense40k": Source("dense1m", 40_000),  # real passages only
    "dense100k": Source("dense1m", 100_000),
    "dense1m": Source("dense1m"),
}


@dataclass(frozen=True)
class BenchSet:
    name: str
    vectors: Floats
    """All items' vectors, float16, mapped from disk."""
    offsets: Offsets
    queries: list[Floats]
    """m_i × dim float32 each."""
    truth: NDArray[np.int32]
    """Items, best first: queries × 100."""

    @property
    def items(self) -> int:
        return len(self.offsets) - 1


def load(name: str, folder: Path = FOLDER) -> BenchSet:
    source = SOURCES[name]
    vectors, offsets = load_items(source.base, folder)
    offsets = offsets[: source.items + 1] if source.items else offsets
    truth = np.load(source.truth(folder))
    return BenchSet(name, vectors[: offsets[-1]], offsets, load_queries(source.base, folder)[: len(truth)], truth)


def load_items(base: str, folder: Path) -> tuple[Floats, Offsets]:
    if base == "dense1m":
        dense = np.load(folder / "dense1m.npy", mmap_mode="r")
        return dense, np.arange(len(dense) + 1)
    return np.load(folder / f"{base}_vec.npy", mmap_mode="r"), np.load(folder / f"{base}_off.npy")


def load_queries(base: str, folder: Path) -> list[Floats]:
    if base == "dense1m":
        return list(np.load(folder / "dense_q.npy").astype(np.float32)[:, None, :])
    vectors, offsets = np.load(folder / "q_vec.npy").astype(np.float32), np.load(folder / "q_off.npy")
    return [vectors[start:end] for start, end in pairwise(offsets)]

"""PQ-256-8: a byte for every eight numbers, as MUVERA keeps its encodings (arXiv 2405.19504, section 3.2).

Product quantisation with 256 codewords per block (Jégou, Douze and Schmid 2011): 32 times smaller than float32. Queries
are not quantised: a table holds what every codeword of a block adds to a query's score. The codes of coding.py take
twice the bytes and are scored many times faster; these are for those who have to count bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats
from bowerbird.index.kernels import Bytes

WORDS = 256
SAMPLE = 16_384
TURNS = 8
CHUNK = 4096
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class ProductQuantizer:
    """words: blocks × 256 × size float32."""

    words: Singles

    @staticmethod
    def fit(sample: Dense, *, size: int = 8, seed: int = 0) -> ProductQuantizer:
        """Learn the codewords of blocks of `size` numbers. Raises ValueError unless blocks divide the dimensions."""
        if size < 1 or sample.dim % size or not len(sample):
            raise ValueError(f"{len(sample)} vectors of {sample.dim} dimensions are not cut into blocks of {size}")
        random = np.random.default_rng(seed)
        chosen = sample.vectors[np.sort(random.permutation(len(sample))[:SAMPLE])].astype(np.float32)
        blocks = chosen.reshape(len(chosen), -1, size).transpose(1, 0, 2)
        return ProductQuantizer(np.stack([_codewords(np.ascontiguousarray(block), random) for block in blocks]))

    @property
    def dim(self) -> int:
        return int(self.words.shape[0] * self.words.shape[2])

    def encode(self, vectors: Dense) -> Bytes:
        """n × dim → n × blocks."""
        wide = self._blocks(vectors.vectors)
        return np.stack([_nearest(block, words) for block, words in zip(wide, self.words, strict=True)], axis=1)

    def decode(self, codes: Bytes) -> Dense:
        """What codes stand for, n × dim float32."""
        return Dense(self.words[np.arange(len(self.words)), codes].reshape(len(codes), -1))

    def scores(self, queries: Dense, codes: Bytes) -> Singles:
        """Inner products of q queries with what n codes stand for, q × n."""
        blocks, found = np.arange(len(self.words)), np.empty((len(queries), len(codes)), np.float32)
        tables = np.einsum("bws,bqs->qbw", self.words, self._blocks(queries.vectors))
        for start in range(0, len(codes), CHUNK):
            some = codes[start : start + CHUNK]
            for number, table in enumerate(tables):
                found[number, start : start + CHUNK] = table[blocks, some].sum(axis=1)
        return found

    def _blocks(self, vectors: Floats) -> Singles:
        if vectors.shape[1] != self.dim:
            raise ValueError(f"vectors have {vectors.shape[1]} dimensions, the quantizer takes {self.dim}")
        wide = vectors.astype(np.float32, copy=False).reshape(len(vectors), len(self.words), -1)
        return np.ascontiguousarray(wide.transpose(1, 0, 2))


def _codewords(vectors: Singles, random: np.random.Generator) -> Singles:
    words = vectors[random.permutation(len(vectors))[np.arange(WORDS) % len(vectors)]]
    for _ in range(TURNS):
        nearest = _nearest(vectors, words)
        sizes = np.bincount(nearest, minlength=WORDS)
        order = np.argsort(nearest, kind="stable")
        used = np.flatnonzero(sizes)
        sums = np.add.reduceat(vectors[order], np.append(0, np.cumsum(sizes[used])[:-1]), axis=0)
        words[used] = sums / sizes[used, None]
    return words


def _nearest(vectors: Singles, words: Singles) -> Bytes:
    found = np.empty(len(vectors), np.uint8)
    half = (words * words).sum(axis=1) / 2
    for start in range(0, len(vectors), CHUNK):
        found[start : start + CHUNK] = (vectors[start : start + CHUNK] @ words.T - half).argmax(axis=1)
    return found

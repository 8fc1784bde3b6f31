"""Some documents, written once: their tokens for MaxSim, and one vector each to find candidates by.

keys      int64    n         what the caller calls the documents
offsets   int64    n + 1     tokens of document d: offsets[d] … offsets[d + 1] - 1
blocks    uint8, scales float16     int8 tokens (kernels.Blocks)
fde.*                        a dense segment of their encodings (dense_segment.py); its keys are rows of this one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats, MultiVector
from bowerbird.index import kernels
from bowerbird.index.base import Keys, Mask
from bowerbird.index.coding import Coding
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.index.kernels import Blocks, Query
from bowerbird.index.multivector.codec import int8_arrays

Arrays = Mapping[str, NDArray[Any]]
Rows = NDArray[np.int64]
FDE = "fde."
LIST_RECALL = 0.99
"""Share of candidates that a search of listed encodings aims at."""


class TwoStageSegment:
    """arrays: as above, in memory or mapped."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.keys: Keys = arrays["keys"]
        self.offsets: NDArray[np.int64] = arrays["offsets"]
        self.tokens = Blocks(arrays["blocks"], arrays["scales"])
        self.encodings = DenseSegment({name[len(FDE) :]: arrays[name] for name in arrays if name.startswith(FDE)})

    def __len__(self) -> int:
        return len(self.keys)

    def candidates(self, encoded: Dense, count: int, usable: Mask | None) -> Sequence[Rows]:
        """Rows with the best encodings for every encoded query, best first."""
        order = self.encodings.keys
        mask = None if usable is None else usable[order]
        return [order[places] for places in self.encodings.nominate(encoded, count, usable=mask, recall=LIST_RECALL)]

    def maxsim(self, query: Query, rows: Rows | None) -> NDArray[np.float32]:
        """Scores of some documents, of all if None."""
        chosen = None if rows is None else rows.astype(np.int32)
        scores: NDArray[np.float32] = kernels.use().maxsim(query, self.tokens, self.offsets, chosen)
        return scores

    def tokens_of(self, row: int) -> NDArray[np.float32]:
        """The vectors of a document as they are stored, m × dim."""
        start, end = int(self.offsets[row]), int(self.offsets[row + 1])
        scales = self.tokens.scales[start:end].astype(np.float32)
        return self.tokens.rows(start, end).astype(np.float32) * scales[:, None]


def segment_arrays(
    keys: Keys, tokens: MultiVector, encoded: Dense, coding: Coding, *, seed: int, threads: int
) -> dict[str, NDArray[Any]]:
    """The arrays of a new segment. encoded: a row per document."""
    rows = np.arange(len(keys), dtype=np.int64)
    dense = DenseSegment.build(rows, encoded.vectors, coding=coding, seed=seed, threads=threads)
    return _joined(keys, tokens.offsets, int8_arrays(tokens.vectors), dense)


def merged_arrays(
    parts: Sequence[tuple[TwoStageSegment, Mask]], coding: Coding, *, seed: int
) -> dict[str, NDArray[Any]]:
    """The documents that are left of some segments as one segment."""
    keys, lengths, values, scales, encoded = [], [], [], [], []
    for segment, left in parts:
        of_tokens = np.repeat(left, np.diff(segment.offsets))
        keys.append(segment.keys[left])
        lengths.append(np.diff(segment.offsets)[left])
        values.append(segment.tokens.rows(0, len(of_tokens))[of_tokens])
        scales.append(segment.tokens.scales[: len(of_tokens)][of_tokens])
        encoded.append(_by_row(segment)[left])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    blocks = Blocks.of(np.concatenate(values), np.concatenate(scales))
    largest = max((segment for segment, _ in parts), key=len)
    rows = np.arange(len(offsets) - 1, dtype=np.int64)
    dense = largest.encodings.rebuilt(rows, np.concatenate(encoded), coding=coding, seed=seed, threads=1)
    return _joined(np.concatenate(keys), offsets, {"blocks": blocks.values, "scales": blocks.scales}, dense)


def _by_row(segment: TwoStageSegment) -> Floats:
    """Encodings in the order of the documents."""
    rows: Floats = segment.encodings.vectors[np.argsort(segment.encodings.keys)]
    return rows


def _joined(keys: Keys, offsets: NDArray[np.int64], tokens: Arrays, dense: DenseSegment) -> dict[str, NDArray[Any]]:
    mine = {"keys": keys.astype(np.int64), "offsets": offsets.astype(np.int64), **tokens}
    return mine | {FDE + name: array for name, array in dense.arrays.items()}

"""A segment: some documents' tokens, written once. Additions make new segments, merging joins them.

keys      int64    n         what the caller calls the documents
offsets   int64    n + 1     tokens of document d: offsets[d] … offsets[d + 1] - 1
blocks    uint8, scales float16                    (int8 tokens, see kernels.Blocks)
codes     uint16, residuals uint8, scales float16  (centroid and bits, see kernels.Codes)
exact     float16  tokens × dim      what the best are scored with again; only where that was asked for
seen      uint16, seen_offsets int64 n + 1         the different centroids of every document, for the first pass
lists     int32, list_offsets int64                documents of every centroid; only in large segments
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector
from bowerbird.index import kernels
from bowerbird.index.kernels import Blocks, Bytes, Codes, Query, quantize
from bowerbird.index.multivector.centroids import Centroids
from bowerbird.index.multivector.codec import Arrays, Codebooks, quantized_arrays, tokens_of

Strategy = Literal["auto", "exact", "pass", "lists"]
"""How candidates are found: not at all (all documents are scored), by a pass over the centroids of all documents, or
by inverted lists of the centroids nearest to a query's tokens. auto: by the size of the index."""

LISTED = 2_500_000
"""Codes of a segment from which it gets inverted lists: a pass over all codes then takes longer than reading lists."""
EXACT = 16_384
"""Tokens up to which all documents are scored: comparing a query with the centroids would take as long."""


@dataclass(frozen=True)
class Model:
    """What all segments of an index share: centroids, and codebooks if tokens are stored as residuals."""

    centroids: Centroids
    codebooks: Codebooks | None = None
    table: Bytes | None = None
    strategy: Strategy = "auto"
    exact: bool = False
    """Whether segments keep float16 tokens, too."""

    def arrays(self) -> Arrays:
        return self.centroids.arrays() | ({} if self.codebooks is None else self.codebooks.arrays())

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]], strategy: Strategy, exact: bool) -> Model:
        centroids = Centroids.of(arrays)
        codebooks = Codebooks.of(arrays, centroids.points) if "codebooks.bits" in arrays else None
        return Model(centroids, codebooks, None if codebooks is None else codebooks.table, strategy, exact)

    @property
    def dim(self) -> int:
        return int(self.centroids.points.shape[1])

    @property
    def order(self) -> NDArray[np.int64] | None:
        """Of the dimensions in stored tokens; None if it is theirs."""
        return None if self.codebooks is None else self.codebooks.order

    def lists(self, codes: int) -> bool:
        """Whether a segment with so many codes gets inverted lists."""
        return self.strategy == "lists" or (self.strategy == "auto" and codes >= LISTED)

    @property
    def bits(self) -> int:
        return 8 if self.codebooks is None else self.codebooks.bits


class Segment:
    """arrays: as above, in memory or mapped."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], model: Model) -> None:
        self.arrays = arrays
        self.keys: NDArray[np.int64] = arrays["keys"]
        self.offsets: NDArray[np.int64] = arrays["offsets"]
        self.tokens: Blocks | Codes = tokens_of(arrays, model.codebooks, model.table)
        compact = "seen" in arrays
        self.codes: NDArray[np.uint16] = arrays["seen" if compact else "codes"]
        self.code_offsets: NDArray[np.int64] = arrays["seen_offsets"] if compact else self.offsets
        self.listed = "lists" in arrays
        self._centroids, self._order = len(model.centroids), model.order
        self.exact: NDArray[np.float16] | None = arrays.get("exact")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def token_count(self) -> int:
        return int(self.offsets[-1])

    def maxsim(self, query: Query, rows: NDArray[np.int32] | None) -> NDArray[np.float32]:
        """Of one query with some documents, or all."""
        stored = query.ordered(self._order)
        scores: NDArray[np.float32] = kernels.use().maxsim(stored, self.tokens, self.offsets, rows)
        return scores

    def vectors(self, document: int) -> NDArray[np.float32]:
        """The vectors of a document, as they are stored, m × dim."""
        start, end = int(self.offsets[document]), int(self.offsets[document + 1])
        scales = self.tokens.scales[start:end].astype(np.float32)
        vectors: NDArray[np.float32] = self.tokens.rows(start, end).astype(np.float32) * scales[:, None]
        return vectors if self._order is None else vectors[:, np.argsort(self._order)]

    def check(self) -> None:
        """Raises ValueError if a centroid or a document is named that is not there."""
        if len(self.codes) and int(self.codes.max()) >= self._centroids:
            raise ValueError(f"a token has centroid {int(self.codes.max())} of {self._centroids}")
        lists = self.arrays.get("lists")
        if lists is not None and len(lists) and not 0 <= int(lists.min()) <= int(lists.max()) < len(self):
            raise ValueError(f"a list holds document {int(lists.max())} of {len(self)}")


def segment_arrays(keys: NDArray[np.int64], tokens: MultiVector, model: Model, threads: int = 1) -> Arrays:
    """The arrays of a new segment."""
    if model.codebooks is None:
        values, steps = quantize(tokens.vectors)
        nearest = model.centroids.nearest(values, threads)
        stored = quantized_arrays(values, steps)
    else:
        nearest = model.centroids.nearest(tokens.vectors, threads)
        residuals, scales = model.codebooks.encode(tokens.vectors, nearest)
        stored = {"residuals": residuals, "scales": scales, "codes": nearest.astype(np.uint16)}
    if model.exact:
        stored["exact"] = tokens.vectors.astype(np.float16)
    arrays = {"keys": keys.astype(np.int64), "offsets": tokens.offsets.astype(np.int64), **stored}
    return _with_codes(arrays, nearest.astype(np.uint16), model)


def _with_codes(arrays: Arrays, codes: NDArray[np.uint16], model: Model) -> Arrays:
    """Add what the first pass reads."""
    pairs = document_codes(codes, arrays["offsets"])
    if "codes" not in arrays:
        arrays |= seen_arrays(pairs, len(arrays["keys"]))
    return arrays | list_arrays(pairs, len(model.centroids)) if model.lists(len(pairs)) else arrays


def seen_arrays(pairs: NDArray[np.int64], documents: int) -> Arrays:
    """The different centroids of every document. pairs: of `document_codes`."""
    offsets = np.searchsorted(pairs >> 16, np.arange(documents + 1)).astype(np.int64)
    return {"seen": (pairs & 0xFFFF).astype(np.uint16), "seen_offsets": offsets}


def list_arrays(pairs: NDArray[np.int64], centroids: int) -> Arrays:
    """The documents of every centroid. pairs: of `document_codes`."""
    by_code = np.sort((pairs & 0xFFFF) << 32 | pairs >> 16)
    offsets = np.searchsorted(by_code >> 32, np.arange(centroids + 1)).astype(np.int64)
    return {"lists": (by_code & 0xFFFFFFFF).astype(np.int32), "list_offsets": offsets}


def document_codes(codes: NDArray[np.uint16], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """document << 16 | centroid, every pair once, ascending."""
    pairs = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets)) << 16 | codes
    pairs.sort()  # np.unique would keep other threads from running
    return pairs[np.diff(pairs, prepend=-1) > 0]


def merged_arrays(parts: Sequence[tuple[Segment, NDArray[np.bool_]]], model: Model) -> Arrays:
    """The living documents of some segments as one segment."""
    keys, lengths, scales, codes, values, residuals, exact = [], [], [], [], [], [], []
    for segment, alive in parts:
        token_alive = np.repeat(alive, np.diff(segment.offsets))
        keys.append(segment.keys[alive])
        lengths.append(np.diff(segment.offsets)[alive])
        scales.append(segment.tokens.scales[: len(token_alive)][token_alive])
        if segment.exact is not None:
            exact.append(segment.exact[token_alive])
        if isinstance(segment.tokens, Blocks):
            values.append(segment.tokens.rows(0, len(token_alive))[token_alive])
            codes.append(_spread(segment, alive))
        else:
            residuals.append(segment.tokens.residuals[token_alive])
            codes.append((segment.tokens.codes[token_alive], lengths[-1]))
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    arrays: Arrays = {"keys": np.concatenate(keys), "offsets": offsets}
    if exact:
        arrays["exact"] = np.concatenate(exact)
    found = np.concatenate([part for part, _ in codes])
    if values:
        blocks = Blocks.of(np.concatenate(values), np.concatenate(scales))
        arrays |= {"blocks": blocks.values, "scales": blocks.scales}
    else:
        arrays |= {"residuals": np.concatenate(residuals), "scales": np.concatenate(scales), "codes": found}
    code_offsets = np.concatenate([[0], np.cumsum(np.concatenate([count for _, count in codes]))]).astype(np.int64)
    return _merged_codes(arrays, found, code_offsets, model)


def _spread(segment: Segment, alive: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """The different centroids of the living documents, and how many each has."""
    counts = np.diff(segment.code_offsets)
    return segment.codes[np.repeat(alive, counts)], counts[alive]


def _merged_codes(arrays: Arrays, codes: NDArray[np.uint16], code_offsets: NDArray[np.int64], model: Model) -> Arrays:
    whole = _with_codes({**arrays, "offsets": code_offsets}, codes, model)
    return {**whole, "offsets": arrays["offsets"]}

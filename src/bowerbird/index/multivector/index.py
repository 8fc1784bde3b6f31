"""The late-interaction index: build, add, remove, search, save, open.

How segments change and are kept is in index/segments.py. What they share, centroids and codebooks, is learned when
the index is built; how many candidates a recall takes is measured then, and again when it has grown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats, Keys, Mask, check_documents, check_request, check_token_queries
from bowerbird.index.held import Arrays
from bowerbird.index.manifest import Head, Manifest
from bowerbird.index.multivector.calibration import TOKENS, Calibration, calibrate
from bowerbird.index.multivector.centroids import MOST, Centroids, how_many
from bowerbird.index.multivector.codec import Bits, Codebooks
from bowerbird.index.multivector.search import Effort, search
from bowerbird.index.multivector.segment import EXACT, Model, Segment, Strategy, merged_arrays, segment_arrays
from bowerbird.index.segments import MEASURED, SegmentedIndex, Segments, opened
from bowerbird.storage.packs import Pack

KIND = "multi-vector"
MODEL = "model"
"""What the head of a manifest calls the file of what all segments share."""
RECALL = 0.95
GROWN = 4
"""Times as large as when it was measured or learned from, from where an index is measured or should be built again."""
BATCH_TOKENS = 4_000_000
"""Tokens that are encoded at a time: memory of a build beyond its result is about a gigabyte."""


class MultiVectorIndex(SegmentedIndex[Segment]):
    """Keys are whole numbers ≥ 0 that the caller gives; a document has at least one token."""

    def __init__(self, manifest: Manifest, folder: Path | None, model: Model) -> None:
        self._model = model
        self._segments = Segments(
            manifest, folder, self._segment, self._joined, {MODEL: model.arrays()}, Segment.check, self._measured
        )

    @classmethod
    def build(
        cls,
        keys: Keys,
        tokens: MultiVector,
        *,
        folder: str | Path | None = None,
        bits: Bits = 8,
        exact: bool = False,
        strategy: Strategy = "auto",
        centroids: int = 0,
        seed: int = 0,
        threads: int = 2,
        version: int = 0,
    ) -> MultiVectorIndex:
        """An index of n documents: unit vectors, float16 or float32, dim a multiple of 4 (of 8 for fewer bits).

        folder: where it is kept, in place of what is there; without one it lives in memory. bits: per dimension, 8, 4
        or 2. exact: also keep float16 tokens, two bytes per dimension of which a search reads only those of the best
        few documents; for recalls of 0.99 and more, and for few bits. strategy: how candidates are found; `stats` says
        what auto picked. centroids: how many; by default by the number of tokens. The same input and seed give the
        same index.
        Raises ValueError for keys that repeat, documents without tokens, a dim that does not fit, and forms that are
        not there.
        """
        _check_form(bits, strategy, centroids)
        _check(keys, tokens, bits)
        if not len(keys):
            raise ValueError("an index is built from at least one document")
        model = replace(_learned(tokens, bits, strategy, centroids, seed, threads), exact=exact)
        index = cls(Manifest(KIND), None if folder is None else Path(folder), model)
        parts = (segment_arrays(*part, model, threads) for part in _portions(keys, tokens))
        index._segments.create(parts, version, lambda first: _head(model, seed, calibrate([first], model, seed)))
        return index

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> MultiVectorIndex:
        """Map an index that is in a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """
        home = Path(folder)

        def made(manifest: Manifest) -> MultiVectorIndex:
            pack = Pack(home / manifest.file(MODEL))
            arrays = {section: pack.checked(section) for section in pack.names}
            model = Model.of(arrays, manifest.head["strategy"], bool(manifest.head.get("exact")))
            return cls(manifest, home, model)

        return opened(home, KIND, made, version, count)

    def search(
        self,
        queries: MultiVector,
        k: int,
        *,
        allowed: Mask | None = None,
        recall: float = RECALL,
        latency_ms: float | None = None,
        threads: int = 1,
    ) -> Found:
        """q queries → q × k keys (-1 pads) and MaxSim, best first.

        allowed: a mask over keys; keys beyond its end are not allowed. As many hits as are allowed, up to k.
        recall: share of the true best ten that a search should find; more costs more.
        latency_ms: processor time a query may take, instead of a recall.
        """
        check_request(k, recall)
        if latency_ms is None:
            return self.search_with(self.effort(recall), queries, k, allowed=allowed, threads=threads)
        efforts = [self.effort(latency_ms=latency_ms, tokens=max(int(count), 1)) for count in queries.lengths]
        return self._search(efforts, queries, k, allowed, threads)

    def effort(self, recall: float = RECALL, *, latency_ms: float | None = None, tokens: int = TOKENS) -> Effort:
        """What a recall takes on this collection, or what a time allows, as measured when the index was built or grew.

        tokens: of the query that is given a time; twice as many take twice as long.
        Where the lists leave out more than the recall allows, it is a pass over all documents.
        Raises ValueError unless 0 < recall ≤ 1 and latency_ms > 0.
        """
        known, lists = self._calibration, self.strategy == "lists"
        if latency_ms is not None:
            candidates = known.affordable(latency_ms * TOKENS / tokens, len(self))
        else:
            listed = known.listed_candidates(recall, len(self)) if lists else None
            lists = listed is not None
            candidates = known.candidates(recall, len(self)) if listed is None else listed
        if self.strategy == "exact":
            return Effort(max(len(self), 1))
        return Effort(candidates, known.probes if lists else 0)

    @property
    def strategy(self) -> Strategy:
        """exact, pass or lists: what the caller or the size of the index chose."""
        if self._model.strategy != "auto":
            return self._model.strategy
        if self._tokens <= EXACT:
            return "exact"
        return "lists" if any(one.segment.listed for one in self._segments.held) else "pass"

    def search_with(
        self,
        effort: Effort,
        queries: MultiVector,
        k: int,
        *,
        allowed: Mask | None = None,
        threads: int = 1,
    ) -> Found:
        """As `search`, with an effort of the caller's choice."""
        return self._search([effort] * len(queries), queries, k, allowed, threads)

    def _search(
        self, efforts: Sequence[Effort], queries: MultiVector, k: int, allowed: Mask | None, threads: int
    ) -> Found:
        """efforts: one for every query."""
        check_token_queries(queries, self._model.dim)
        held = self._segments.ready()
        segments, usable = [one.segment for one in held], [one.usable(allowed) for one in held]
        whole = Found.none(len(queries), k)

        def one(number: int) -> None:
            tokens = queries[number]
            if len(tokens) and segments and k:
                found, reached = search(segments, usable, self._model, tokens, k, efforts[number])
                whole.keys[number, : len(found)], whole.scores[number, : len(found)] = found, reached

        if threads == 1 or len(queries) == 1:
            for number in range(len(queries)):
                one(number)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(one, range(len(queries))))
        return whole

    def add(self, keys: Keys, tokens: MultiVector, *, threads: int = 2) -> None:
        """Add documents, or replace those with the same keys. They are durable and found when this returns."""
        self.update(keys, tokens, threads=threads)

    def update(
        self,
        keys: Keys,
        tokens: MultiVector,
        *,
        gone: Keys | None = None,
        version: int | None = None,
        threads: int = 2,
    ) -> None:
        """Add some and take out others as one change: a crash leaves all of it or nothing, with the version.

        Raises ValueError for keys or documents that do not fit.
        """
        _check(keys, tokens, self._model.bits)
        if tokens.dim != self._model.dim:
            raise ValueError(f"token vectors have {tokens.dim} dimensions, the index has vectors of {self._model.dim}")
        fresh = [segment_arrays(*part, self._model, threads) for part in _portions(keys, tokens)]
        self._segments.update(keys if gone is None else np.concatenate([keys, gone]), fresh, version)

    def stats(self) -> IndexStats:
        tokens, size = self._tokens, self._segments.bytes
        exact = sum(one.segment.exact.nbytes for one in self._segments.held if one.segment.exact is not None)
        detail = {
            "tokens": tokens,
            "bits": self._model.bits,
            "centroids": len(self._model.centroids),
            "segments": len(self._segments.held),
            "strategy": f"{self.strategy}{' (auto)' if self._model.strategy == 'auto' else ''}",
            **{f"at recall {recall}": self._cost(recall) for recall in (0.9, RECALL, 0.99)},
            "bytes per dimension": round((size - exact) / max(tokens * self._model.dim, 1), 3),
            "bytes of float16 tokens": exact,
            "kernels": kernels.name(),
        }
        if how_many(tokens) >= GROWN * len(self._model.centroids):
            detail["advice"] = f"grown beyond its centroids; build again, with {how_many(tokens)}"
        return IndexStats(KIND, len(self), self._model.dim, size, detail)

    @property
    def _calibration(self) -> Calibration:
        return Calibration(**self._segments.head[MEASURED])

    @property
    def _tokens(self) -> int:
        return sum(int(one.segment.offsets[-1]) for one in self._segments.held)

    def _cost(self, recall: float) -> str:
        candidates = self.effort(recall).candidates
        return f"{candidates} candidates, {self._calibration.milliseconds(candidates, len(self)):.1f} ms"

    def _segment(self, arrays: Arrays) -> Segment:
        return Segment(arrays, self._model)

    def _joined(self, parts: Sequence[tuple[Segment, Mask]]) -> Arrays:
        return merged_arrays(parts, self._model)

    def _measured(self, head: Head, segment: Segment) -> Head:
        """The head, calibrated again on a segment that is much larger than what it was measured on."""
        known = Calibration(**head[MEASURED])
        if len(segment) < GROWN * known.documents and (known.list_ranks or not segment.listed):
            return head
        return {**head, MEASURED: calibrate([segment], self._model, int(head.get("seed", 0))).to_json()}


def _head(model: Model, seed: int, measured: Calibration) -> dict[str, Any]:
    """What the manifest keeps, besides the file of what all segments share."""
    return {"strategy": model.strategy, "exact": model.exact, "seed": seed, MEASURED: measured.to_json()}


def _learned(tokens: MultiVector, bits: Bits, strategy: Strategy, centroids: int, seed: int, threads: int) -> Model:
    """Centroids of the tokens, and codebooks of what they leave over."""
    count = centroids or how_many(len(tokens.vectors))
    points = Centroids.train(tokens.vectors, count, seed=seed, threads=threads)
    if bits == 8:
        return Model(points, strategy=strategy)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(tokens.vectors))[:65536])
    sample = np.asarray(tokens.vectors[chosen], np.float32)
    codebooks = Codebooks.fit(sample, points.nearest(sample, threads), points.points, bits)
    return Model(points, codebooks, codebooks.table, strategy)


def _check_form(bits: int, strategy: str, centroids: int) -> None:
    if bits not in get_args(Bits):
        raise ValueError(f"bits per dimension are 8, 4 or 2, got {bits}")
    if strategy not in get_args(Strategy):
        raise ValueError(f"no strategy named {strategy!r}; there are: {', '.join(get_args(Strategy))}")
    if not 0 <= centroids <= MOST:
        raise ValueError(f"centroids must be 1 to {MOST:,}, or 0 for as many as fit, got {centroids}")


def _check(keys: Keys, tokens: MultiVector, bits: int) -> None:
    check_documents(keys, tokens)
    multiple = 4 if bits == 8 else 8
    if tokens.dim % multiple:
        raise ValueError(f"token vectors have {tokens.dim} dimensions; {bits} bits take multiples of {multiple}")


def _portions(keys: Keys, tokens: MultiVector) -> Iterator[tuple[NDArray[np.int64], MultiVector]]:
    """Documents in runs of at most BATCH_TOKENS tokens."""
    start = 0
    while start < len(keys):
        end = int(np.searchsorted(tokens.offsets, tokens.offsets[start] + BATCH_TOKENS, "right")) - 1
        end = min(max(end, start + 1), len(keys))
        offsets = tokens.offsets[start : end + 1]
        yield keys[start:end], MultiVector(tokens.vectors[offsets[0] : offsets[-1]], offsets - offsets[0])
        start = end

"""Late interaction in two stages: candidates by one vector per document, then MaxSim (MUVERA, arXiv 2405.19504).

A document's tokens become one fixed dimensional encoding (fde.py), a dense first pass over the encodings finds
candidates, and those are scored by their tokens. The index over token centroids (multivector/) is faster for the same
recall; this one shows what engines that know only single vectors can do, and shares its encodings with them
(fde_export.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, MultiVector
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats, Keys, Mask, check_documents, check_request, check_token_queries
from bowerbird.index.coding import Coding, check_coding, coding_of_json, coding_to_json
from bowerbird.index.fde import FDE, FDEConfig
from bowerbird.index.held import Arrays
from bowerbird.index.kernels import Query
from bowerbird.index.manifest import Manifest
from bowerbird.index.multivector.calibration import DEPTH, LEAST, TEN, question
from bowerbird.index.multivector.search import best_keys
from bowerbird.index.segments import SegmentedIndex, Segments, opened
from bowerbird.index.two_stage_segment import TwoStageSegment, merged_arrays, segment_arrays

KIND = "two-stage"
ASKED = 64
EXACT = 16_384
"""Tokens up to which all documents are scored by MaxSim."""


@dataclass(frozen=True)
class Encoding:
    """Token sets as single vectors. middle: of all tokens; hyperplanes through it part tokens that all lie to one side
    of zero, and MaxSim ranks documents alike whatever is taken off their tokens."""

    config: FDEConfig
    middle: NDArray[np.float32]

    @cached_property
    def _encoder(self) -> FDE:
        return FDE(self.config)

    def documents(self, tokens: MultiVector) -> Dense:
        return self._encoder.encode_documents(self._about_middle(tokens))

    def queries(self, tokens: MultiVector) -> Dense:
        return self._encoder.encode_queries(self._about_middle(tokens))

    def _about_middle(self, tokens: MultiVector) -> MultiVector:
        return MultiVector(tokens.vectors.astype(np.float32) - self.middle, tokens.offsets)


class TwoStageIndex(SegmentedIndex[TwoStageSegment]):
    """Keys are whole numbers ≥ 0 that the caller gives; a document has at least one token."""

    def __init__(self, manifest: Manifest, folder: Path | None) -> None:
        head = manifest.head
        self._encoding = Encoding(FDEConfig(**head["encoding"]), np.array(head["middle"], np.float32))
        self._coding, self._seed = coding_of_json(head["coding"]), int(head["seed"])
        self._ranks, self._measured_on = np.array(head["ranks"], np.int64), int(head["documents"])
        self._segments = Segments(manifest, folder, TwoStageSegment, self._joined)

    @classmethod
    def build(
        cls,
        keys: Keys,
        tokens: MultiVector,
        *,
        folder: str | Path | None = None,
        encoding: FDEConfig | None = None,
        coding: Coding = "product",
        seed: int = 0,
        threads: int = 2,
        version: int = 0,
    ) -> TwoStageIndex:
        """An index of n documents: vectors of any dimension, float16 or float32.

        folder: where it is kept, in place of what is there; without one it lives in memory. encoding: sizes of the
        encodings, by default 2,560 numbers. coding: of the encodings (see DenseIndex.build). The same input and seed
        give the same index. Raises ValueError for keys that repeat, documents without tokens, or sizes that do not fit.
        """
        check_documents(keys, tokens)
        if not len(keys):
            raise ValueError("an index is built from at least one document")
        config = encoding or FDEConfig(tokens.dim, fill=False, seed=seed)
        check_coding(coding, config.width)
        middle = tokens.vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        encoded = Encoding(config, middle).documents(tokens)
        arrays = segment_arrays(keys, tokens, encoded, coding, seed=seed, threads=threads)
        head = {
            "encoding": asdict(config),
            "middle": middle.tolist(),
            "coding": coding_to_json(coding),
            "seed": seed,
            "documents": len(keys),
            "ranks": _ranks(TwoStageSegment(arrays), Encoding(config, middle), seed),
        }
        index = cls(Manifest(KIND, head), None if folder is None else Path(folder))
        index._segments.create([arrays], version)
        return index

    @classmethod
    def open(cls, folder: str | Path, *, version: int | None = None, count: int | None = None) -> TwoStageIndex:
        """Map an index that is in a folder.

        version, count: what it must have, if given: the version that its last change was given, and how many keys.
        Raises CollectionError if it is missing, damaged or another.
        """
        home = Path(folder)
        return opened(home, KIND, lambda manifest: cls(manifest, home), version, count)

    @property
    def dim(self) -> int:
        return self._encoding.config.dim

    def add(self, keys: Keys, tokens: MultiVector) -> None:
        """Add documents, or replace those with the same keys. They are durable and found when this returns."""
        self.update(keys, tokens)

    def update(self, keys: Keys, tokens: MultiVector, *, gone: Keys | None = None, version: int | None = None) -> None:
        """Add some and take out others as one change: a crash leaves all of it or nothing, with the version.

        Raises ValueError for keys or documents that do not fit.
        """
        check_documents(keys, tokens)
        if tokens.dim != self.dim:
            raise ValueError(f"token vectors have {tokens.dim} dimensions, the index has vectors of {self.dim}")
        encoded = self._encoding.documents(tokens)
        fresh = segment_arrays(keys, tokens, encoded, self._coding, seed=self._seed, threads=1)
        self._segments.update(keys if gone is None else np.concatenate([keys, gone]), [fresh], version)

    def search(
        self, queries: MultiVector, k: int, *, allowed: Mask | None = None, recall: float = 0.95, candidates: int = 0
    ) -> Found:
        """q queries → q × k keys (-1 pads) and MaxSim, best first.

        allowed: a mask over keys; keys beyond its end are not allowed. recall: share of the true best ten to aim at, as
        measured when the index was built; `candidates` documents are scored by MaxSim instead, if given.
        """
        check_request(k, recall)
        check_token_queries(queries, self.dim)
        held = self._segments.ready()
        usable = [one.usable(allowed) for one in held]
        count = max(candidates or self.candidates(recall), k)
        encoded, found = self._encoding.queries(queries), Found.none(len(queries), k)
        rows = [_rows(one.segment, mask, encoded, count) for one, mask in zip(held, usable, strict=True)]
        for number in range(len(queries) if held and k else 0):
            if len(queries[number]):
                query = Query.of(queries[number])
                scored = [(one.segment, mine[number]) for one, mine in zip(held, rows, strict=True)]
                keys, scores = best_keys(*_scored(query, scored), k)
                found.keys[number, : len(keys)], found.scores[number, : len(keys)] = keys, scores
        return found

    def candidates(self, recall: float) -> int:
        """How many documents a recall takes, as measured, or more as the index has grown since.

        Raises ValueError unless 0 < recall ≤ 1.
        """
        check_request(0, recall)
        at = min(int(np.ceil(recall * len(self._ranks))), len(self._ranks)) - 1
        grown = max(1.0, len(self) / self._measured_on)
        return max(LEAST, int(np.ceil((int(self._ranks[at]) + 1) * grown)))

    def stats(self) -> IndexStats:
        held = self._segments.held
        detail = {
            "tokens": sum(int(one.segment.offsets[-1]) for one in held),
            "encoding": self._encoding.config.width,
            "coding": str(self._coding),
            "bytes of a first pass": sum(one.segment.encodings.pass_bytes for one in held),
            "candidates at recall 0.95": self.candidates(0.95),
            "segments": len(held),
            "kernels": kernels.name(),
        }
        return IndexStats(KIND, len(self), self.dim, self._segments.bytes, detail)

    def _joined(self, parts: Sequence[tuple[TwoStageSegment, Mask]]) -> Arrays:
        return merged_arrays(parts, self._coding, seed=self._seed)


def _rows(
    segment: TwoStageSegment, usable: Mask | None, encoded: Dense, count: int
) -> Sequence[NDArray[np.int64] | None]:
    """Per query the documents that are scored by MaxSim, None for all."""
    left = len(segment) if usable is None else int(np.count_nonzero(usable))
    if left <= count or int(segment.offsets[-1]) <= EXACT:
        return [None if usable is None else np.flatnonzero(usable)] * len(encoded)
    return segment.candidates(encoded, count, usable)


def _scored(
    query: Query, parts: Sequence[tuple[TwoStageSegment, NDArray[np.int64] | None]]
) -> tuple[Keys, NDArray[np.float32]]:
    keys = [segment.keys if rows is None else segment.keys[rows] for segment, rows in parts]
    return np.concatenate(keys), np.concatenate([segment.maxsim(query, rows) for segment, rows in parts])


def _ranks(segment: TwoStageSegment, encoding: Encoding, seed: int) -> list[int]:
    """Where the best ten by MaxSim stand in the order of the first stage, for questions made from documents; without
    the document that a question was made from."""
    random = np.random.default_rng(seed)
    own = random.permutation(len(segment))[:ASKED]
    asked = MultiVector.of([question([segment.tokens_of(int(row))], random) for row in own])
    ranks: list[int] = []
    for number, nominated in enumerate(segment.candidates(encoding.queries(asked), DEPTH, None)):
        others = nominated[nominated != own[number]]
        scores = segment.maxsim(Query.of(asked[number]), others)
        ranks += np.argsort(-scores, kind="stable")[:TEN].tolist()
    return sorted(ranks) or [0]

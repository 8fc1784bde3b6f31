"""The late-interaction index: build, add, remove, search, save, open.

Documents lie in immutable segments with checksums; the manifest names the segments and what is deleted in each. Every
change writes its files first and then replaces the manifest, so a crash leaves the index before or after the change.
Searches run on the state they began with. Small segments are merged in the background when there are many of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import MultiVector
from bowerbird.errors import CollectionError
from bowerbird.index import kernels
from bowerbird.index.base import Found, IndexStats
from bowerbird.index.multivector.calibration import Calibration, calibrate
from bowerbird.index.multivector.centroids import Centroids, how_many
from bowerbird.index.multivector.codec import Bits, Codebooks
from bowerbird.index.multivector.search import Effort, search
from bowerbird.index.multivector.segment import (
    EXACT,
    Model,
    Segment,
    Strategy,
    load,
    merged_arrays,
    segment_arrays,
)
from bowerbird.index.multivector.state import State, read_alive, write_alive
from bowerbird.storage.files import write_atomically
from bowerbird.storage.packs import Pack, write_pack

MANIFEST = "manifest.json"
FORMAT = 2
RECALL = 0.95
BATCH_TOKENS = 4_000_000
"""Tokens that are encoded at a time: memory of a build beyond its result is about a gigabyte."""


class MultiVectorIndex:
    """Keys are whole numbers ≥ 0 that the caller gives; a document has at least one token."""

    def __init__(self, model: Model, calibration: Calibration, folder: Path | None, model_name: str) -> None:
        self._model = model
        self._calibration = calibration
        self._folder = folder
        self._model_name = model_name
        self._state = State((), ())
        self._changing = threading.RLock()
        self._merging: threading.Thread | None = None

    @classmethod
    def build(
        cls,
        keys: NDArray[np.int64],
        tokens: MultiVector,
        *,
        folder: str | Path | None = None,
        bits: Bits = 8,
        strategy: Strategy = "auto",
        centroids: int = 0,
        seed: int = 0,
        threads: int = 2,
    ) -> MultiVectorIndex:
        """An index of n documents: unit vectors, float16 or float32, dim a multiple of 4 (of 8 for fewer bits).

        folder: where it is kept; without one it lives in memory. bits: per dimension, 8, 4 or 2.
        strategy: how candidates are found; `stats` says what auto picked.
        centroids: how many; by default by the number of tokens. The same input and seed give the same index.
        Raises ValueError for keys that repeat, documents without tokens, or a dim that does not fit.
        """
        _check(keys, tokens, bits)
        points = Centroids.train(tokens.vectors, centroids or how_many(len(tokens.vectors)), seed=seed, threads=threads)
        model = Model(points, strategy=strategy)
        if bits != 8:
            chosen = np.sort(np.random.default_rng(seed).permutation(len(tokens.vectors))[:65536])
            sample = np.asarray(tokens.vectors[chosen], np.float32)
            codebooks = Codebooks.fit(sample, points.nearest(sample, threads), points.points, bits)
            model = Model(points, codebooks, codebooks.table, strategy)
        home = None if folder is None else Path(folder)
        name = ""
        if home is not None:
            home.mkdir(parents=True, exist_ok=True)
            name = write_pack(home, model.arrays())
        index = cls(model, Calibration([0], 1, 0.0, 0.0), home, name)
        segments = [index._new_segment(*part, threads) for part in _portions(keys, tokens)]
        if len(segments) > 1:
            whole = merged_arrays([(segment, np.ones(len(segment), bool)) for segment in segments], model)
            segments = [index._keep(whole)]
        index._state = State(tuple(segments), (None,) * len(segments))
        index._calibration = calibrate(segments, model, seed)
        index._write_manifest(index._state)
        index._tidy()
        return index

    @classmethod
    def open(cls, folder: str | Path) -> MultiVectorIndex:
        """Map an index that was built in a folder. Raises CollectionError if it is missing or damaged."""
        home = Path(folder)
        try:
            manifest = json.loads((home / MANIFEST).read_text("utf8"))
            known = manifest["format"] == FORMAT
            calibration = Calibration(**manifest["calibration"])
            names, deleted, strategy = manifest["segments"], manifest["deleted"], manifest["strategy"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CollectionError(f"{home / MANIFEST} cannot be read ({error}); build the index again") from error
        if not known:
            raise CollectionError(f"{home} has index format {manifest['format']}, not {FORMAT}; build the index again")
        pack = Pack(home / manifest["model"])
        model = Model.of({section: pack.checked(section) for section in pack.names}, strategy)
        index = cls(model, calibration, home, manifest["model"])
        segments = tuple(load(home, name, model) for name in names)
        index._state = State(segments, tuple(read_alive(home, name) for name in deleted))
        return index

    def __len__(self) -> int:
        return len(self._state)

    @property
    def keys(self) -> NDArray[np.int64]:
        """Keys of all documents, in no particular order."""
        return np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                segment.keys if alive is None else segment.keys[alive]
                for segment, alive in zip(self._state.segments, self._state.alive, strict=True)
            ]
        )

    def search(
        self,
        queries: MultiVector,
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        recall: float = RECALL,
        latency_ms: float | None = None,
        threads: int = 1,
    ) -> Found:
        """q queries → q × k keys (-1 pads) and MaxSim, best first.

        allowed: a mask over keys; keys beyond its end are not allowed. As many hits as are allowed, up to k.
        recall: share of the true best ten that a search should find; more costs more.
        latency_ms: processor time a query may take, instead of a recall.
        """
        effort = self.effort(recall, latency_ms=latency_ms)
        return self.search_with(effort, queries, k, allowed=allowed, threads=threads)

    def effort(self, recall: float = RECALL, *, latency_ms: float | None = None) -> Effort:
        """What a recall takes on this collection, or what a time allows, as measured when the index was built.

        Raises ValueError unless 0 < recall ≤ 1 and latency_ms > 0.
        """
        if self.strategy == "exact":
            return Effort(max(len(self), 1))
        if latency_ms is None:
            candidates = self._calibration.candidates(recall, len(self))
        else:
            candidates = self._calibration.affordable(latency_ms, len(self))
        return Effort(candidates, self._calibration.probes if self.strategy == "lists" else 0)

    @property
    def strategy(self) -> Strategy:
        """exact, pass or lists: what the caller or the size of the index chose."""
        if self._model.strategy != "auto":
            return self._model.strategy
        if sum(int(segment.offsets[-1]) for segment in self._state.segments) <= EXACT:
            return "exact"
        return "lists" if any(segment.listed for segment in self._state.segments) else "pass"

    def search_with(
        self,
        effort: Effort,
        queries: MultiVector,
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        threads: int = 1,
    ) -> Found:
        """As `search`, with an effort of the caller's choice."""
        state = self._state
        usable = state.usable(allowed)
        keys = np.full((len(queries), k), -1, np.int64)
        scores = np.zeros((len(queries), k), np.float32)

        def one(number: int) -> None:
            tokens = queries[number]
            if len(tokens) and state.segments:
                found, reached = search(state.segments, usable, self._model, tokens, k, effort)
                keys[number, : len(found)], scores[number, : len(found)] = found, reached

        if threads == 1 or len(queries) == 1:
            for number in range(len(queries)):
                one(number)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(one, range(len(queries))))
        return Found(keys, scores)

    def add(self, keys: NDArray[np.int64], tokens: MultiVector, *, threads: int = 2) -> None:
        """Add documents, or replace those with the same keys. They are durable and found when this returns."""
        _check(keys, tokens, self._model.bits)
        with self._changing:
            segments = [self._new_segment(*part, threads) for part in _portions(keys, tokens)]
            kept = self._state.without(keys)
            fresh = [None] * len(segments)
            self._change(State((*kept.segments, *segments), (*kept.alive, *fresh)))
        self._merge_in_background()

    def remove(self, keys: NDArray[np.int64]) -> int:
        """Take documents out; keys that are not there are left out. How many there were."""
        with self._changing:
            before = len(self)
            self._change(self._state.without(keys))
            return before - len(self)

    def merge(self) -> bool:
        """Merge the small segments of one size, if there are enough of them. True if there were."""
        state = self._state
        chosen = state.tier()
        if not chosen:
            return False
        kept = [state.mask(at) for at in chosen]
        whole = merged_arrays(list(zip([state.segments[at] for at in chosen], kept, strict=True)), self._model)
        merged = self._keep(whole)
        with self._changing:  # what was deleted meanwhile is deleted in the merged segment, too
            now = self._state
            places = [now.segments.index(state.segments[at]) for at in chosen]
            left = np.concatenate([now.mask(at)[mask] for at, mask in zip(places, kept, strict=True)])
            others = [at for at in range(len(now.segments)) if at not in places]
            segments = [now.segments[at] for at in others]
            alive = [now.alive[at] for at in others]
            fresh = None if left.all() else left
            self._change(State((merged, *segments), (fresh, *alive)))
        self._tidy()
        return True

    def wait(self) -> None:
        """Until the merges of the background are done."""
        running = self._merging
        if running is not None:
            running.join()

    def verify(self) -> list[str]:
        """Names of the files whose bytes are not those that were written."""
        damaged = []
        names = [self._model_name, *(segment.name for segment in self._state.segments)]
        for name in names if self._folder is not None else []:
            try:
                Pack(self._folder / name).verify()  # type: ignore[operator]
            except CollectionError:
                damaged.append(name)
        return damaged

    def stats(self) -> IndexStats:
        state = self._state
        tokens = sum(int(segment.offsets[-1]) for segment in state.segments)
        size = sum(segment.bytes for segment in state.segments)
        return IndexStats(
            kind="multi-vector",
            count=len(self),
            dim=self._model.dim,
            bytes=size,
            detail={
                "tokens": tokens,
                "bits": self._model.bits,
                "centroids": len(self._model.centroids),
                "segments": len(state.segments),
                "strategy": f"{self.strategy}{' (auto)' if self._model.strategy == 'auto' else ''}",
                **{f"at recall {recall}": self._cost(recall) for recall in (0.9, RECALL, 0.99)},
                "bytes per dimension": round(size / max(tokens * self._model.dim, 1), 3),
                "kernels": kernels.name(),
            },
        )

    def _cost(self, recall: float) -> str:
        candidates = self.effort(recall).candidates
        return f"{candidates} candidates, {self._calibration.milliseconds(candidates, len(self)):.1f} ms"

    def _new_segment(self, keys: NDArray[np.int64], tokens: MultiVector, threads: int) -> Segment:
        return self._keep(segment_arrays(keys, tokens, self._model, threads))

    def _keep(self, arrays: Mapping[str, NDArray[Any]]) -> Segment:
        if self._folder is None:
            return Segment(arrays, self._model)
        return load(self._folder, write_pack(self._folder, arrays), self._model)

    def _change(self, state: State) -> None:
        self._write_manifest(state)
        self._state = state

    def _write_manifest(self, state: State) -> None:
        if self._folder is None:
            return
        deleted = [write_alive(self._folder, alive) for alive in state.alive]
        manifest = {
            "format": FORMAT,
            "model": self._model_name,
            "strategy": self._model.strategy,
            "segments": [segment.name for segment in state.segments],
            "deleted": deleted,
            "calibration": self._calibration.to_json(),
        }
        write_atomically(self._folder / MANIFEST, json.dumps(manifest).encode())

    def _merge_in_background(self) -> None:
        with self._changing:
            if self._state.tier() and (self._merging is None or not self._merging.is_alive()):
                self._merging = threading.Thread(target=self._merge_all, name="bowerbird-merge", daemon=True)
                self._merging.start()

    def _merge_all(self) -> None:
        while self.merge():
            pass

    def _tidy(self) -> None:
        """Delete files that the manifest does not name. Searches keep what they have mapped (POSIX)."""
        if self._folder is None:
            return
        with self._changing:
            manifest = json.loads((self._folder / MANIFEST).read_text("utf8"))
            named = {manifest["model"], *manifest["segments"], *manifest["deleted"]}
            for path in self._folder.iterdir():
                if path.suffix in (".pack", ".partial", ".alive") and path.name not in named:
                    path.unlink(missing_ok=True)


def _check(keys: NDArray[np.int64], tokens: MultiVector, bits: int) -> None:
    if len(keys) != len(tokens):
        raise ValueError(f"{len(keys)} keys for {len(tokens)} documents; give one key per document")
    if len(np.unique(keys)) != len(keys):
        raise ValueError("keys repeat; give every document a key of its own")
    if len(keys) and int(keys.min()) < 0:
        raise ValueError(f"keys are whole numbers from 0, got {int(keys.min())}")
    if len(keys) and int(tokens.lengths.min()) == 0:
        raise ValueError(f"document {keys[int(tokens.lengths.argmin())]} has no tokens; leave it out")
    if not len(tokens.vectors):
        raise ValueError("an index is built from at least one document")
    multiple = 4 if bits == 8 else 8
    if tokens.dim % multiple:
        raise ValueError(f"token vectors have {tokens.dim} dimensions; {bits} bits take multiples of {multiple}")


def _portions(keys: NDArray[np.int64], tokens: MultiVector) -> Iterator[tuple[NDArray[np.int64], MultiVector]]:
    """Documents in runs of at most BATCH_TOKENS tokens."""
    start = 0
    while start < len(keys):
        end = int(np.searchsorted(tokens.offsets, tokens.offsets[start] + BATCH_TOKENS, "right")) - 1
        end = min(max(end, start + 1), len(keys))
        offsets = tokens.offsets[start : end + 1]
        yield keys[start:end], MultiVector(tokens.vectors[offsets[0] : offsets[-1]], offsets - offsets[0])
        start = end

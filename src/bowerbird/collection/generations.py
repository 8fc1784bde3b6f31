"""The derived index of a collection: immutable segments, and per version which rows of them are live.

A version that is opened for the first time takes over the segments of the newest version that has an index, and makes
one new segment of the rows that are in none of them. Adding n rows one by one leaves O(log n) segments, as segments of
about one size are merged: small ones at once, large ones when a writer is done.

    index/*.segment      rows of the table (segment.py)
    index/*.generation   the segments of one version, and where in them each of its rows lies

Every file is written whole or not at all, and can be thrown away. Any number of processes may do all this at once:
what one deletes under another's hands is missing, and made again.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.contents import Contents
from bowerbird.collection.live import Live
from bowerbird.collection.open_packs import OpenPacks
from bowerbird.collection.segment import NOMINATED, SUFFIX, Segment
from bowerbird.errors import CollectionError
from bowerbird.index.tiers import one_tier
from bowerbird.storage.checked import CheckedFile, DamagedFile, write_checked

GENERATION = ".generation"
SOON = 2048
"""Segments of together so many rows, and too few tokens for centroids, are merged by whoever opens a version; larger
ones only by writers."""
FRESH = 60.0
"""Seconds that a file stays which no generation names: another process may be about to name it."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Generation:
    """One version. place: int32 per row of the version, in order, its position: where its segment begins, plus its row
    in the segment, with the segments one after the other. files: the table's data files, whose rows were compared.
    """

    state: str
    version: int
    files: frozenset[str] = frozenset()
    segments: tuple[Segment, ...] = ()
    place: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    @cached_property
    def first(self) -> Rows:
        """The position of every segment's first row, and the end."""
        return np.cumsum([0, *map(len, self.segments)])

    @cached_property
    def left(self) -> list[Rows]:
        """The live rows of every segment, ascending."""
        alive = np.zeros(int(self.first[-1]), bool)
        alive[self.place] = True
        return [np.flatnonzero(part) for part in np.split(alive, self.first[1:-1])] if self.segments else []

    @cached_property
    def numbers(self) -> NDArray[np.uint64]:
        """The table's number of every row."""
        return _concatenated(self.segments, "numbers", np.uint64)[self.place]

    def to_merge(self) -> list[int]:
        return one_tier([(len(left), len(segment)) for left, segment in zip(self.left, self.segments, strict=True)])

    def soon(self, chosen: Sequence[int]) -> bool:
        """Whether merging these takes so little that nobody minds to wait."""
        rows = sum(len(self.left[number]) for number in chosen)
        return rows <= SOON and sum(self.segments[number].late_tokens for number in chosen) < NOMINATED

    def without_empty(self) -> Generation:
        kept = tuple(segment for segment, left in zip(self.segments, self.left, strict=True) if len(left))
        if len(kept) == len(self.segments):
            return self
        return replace(self, segments=kept, place=places(kept, self.numbers).astype(np.int32))


def _joined(found: Generation, chosen: Sequence[int], packs: OpenPacks) -> Segment:
    """One segment, in memory, of what is left of some."""
    parts = [found.segments[number].contents(found.left[number]) for number in chosen]
    return Segment.build(Contents.joined(parts), found.segments[chosen[0]].fields, packs.__getitem__)


def _replaced(found: Generation, chosen: Sequence[int], merged: Segment) -> Generation | None:
    """With one segment in place of some; None if rows are lost by that."""
    if not chosen:
        return None
    segments = [one for number, one in enumerate(found.segments) if number not in set(chosen)]
    segments.insert(chosen[0], merged)
    place = places(segments, found.numbers)
    if (place < 0).any():
        return None
    return replace(found, segments=tuple(segments), place=place.astype(np.int32))


def places(segments: Sequence[Segment], numbers: NDArray[np.uint64]) -> Rows:
    """The positions of rows by their numbers in the table; -1 for those that no segment holds."""
    known = _concatenated(segments, "numbers", np.uint64)
    if not len(known):
        return np.full(len(numbers), -1, np.int64)
    order = None if (known[:-1] <= known[1:]).all() else np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, numbers, sorter=order), len(known) - 1)
    found = at if order is None else order[at]
    return np.where(known[found] == numbers, found, -1)


class Generations:
    """The index files below a collection's folder, and what this process has open of them. Safe among threads."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "index"
        self.packs = OpenPacks(folder / "packs")
        self._lock = threading.RLock()
        self._open: dict[str, Segment] = {}
        self._damaged: set[str] = set()
        self._latest = Generation("", -1)

    def of(self, dataset: Any, fields: Mapping[str, str]) -> Generation:
        """The generation of a version of the table, made if need be. fields: encoder id per field.

        Raises DamagedFile if a file turns out to be damaged: `forget` it and ask again. Raises CollectionError if a
        pack is damaged.
        """
        live = Live(dataset)
        with self._lock:
            found = self._known(live, fields) or self._made(live, fields)
            if found.version >= self._latest.version:
                self._latest = found
                self._open = {segment.name: segment for segment in found.segments if segment.name}
                self.packs.keep(name for segment in found.segments for name in segment.packs)
            return found

    def forget(self, damage: DamagedFile) -> None:
        """Never use a damaged file again."""
        with self._lock:
            self._drop(damage.path)
            self._latest = Generation("", -1)

    def merge(self) -> bool:
        """Merge segments of the newest generation that are of about one size. True if there were some.

        Searches and new versions go on meanwhile.
        """
        before = self._latest
        chosen = before.to_merge()
        if not chosen:
            return False
        try:
            merged = self._kept(_joined(before, chosen, self.packs))
        except CollectionError:  # a pack is damaged; what is there stays until it is repaired
            return False
        with self._lock:
            now, gone = self._latest, {id(before.segments[number]) for number in chosen}
            made = _replaced(now, [number for number, one in enumerate(now.segments) if id(one) in gone], merged)
            if made is None:  # a version that has rows which were gone before
                return False
            self._latest = self._saved(made)
            self._sweep(self._latest)
        return True

    def verify(self) -> list[Path]:
        """The files that are damaged."""
        damaged = []
        for path in sorted(self.home.glob("*")) if self.home.is_dir() else []:
            if path.suffix in (SUFFIX, GENERATION):
                try:
                    CheckedFile(path).verify()
                except DamagedFile:
                    damaged.append(path)
        return damaged

    def _known(self, live: Live, fields: Mapping[str, str]) -> Generation | None:
        """The generation of a version, if there is one."""
        if self._latest.state == live.state:
            return self._latest
        with suppress(DamagedFile):
            found = self._read(self.home / f"{live.state}{GENERATION}")
            if len(found.segments) and all(segment.fields == dict(fields) for segment in found.segments):
                return found
        return None

    def _read(self, path: Path) -> Generation:
        """Raises DamagedFile."""
        if path.name in self._damaged:
            raise DamagedFile(path, "is damaged")
        file = CheckedFile(path)
        segments = tuple(self._segment(name) for name in file.head["segments"])
        return Generation(path.stem, int(file.head["version"]), frozenset(file.head["files"]), segments, file["place"])

    def _segment(self, name: str) -> Segment:
        """Raises DamagedFile."""
        if name in self._damaged:
            raise DamagedFile(self.home / name, "is damaged")
        if name not in self._open:
            try:
                return Segment.open(self.home / name)
            except DamagedFile as damage:
                self._drop(damage.path)
                raise
        return self._open[name]

    def _drop(self, path: Path) -> None:
        """Delete a damaged file, or at least never open it again; one that is missing may come back."""
        self._open.pop(path.name, None)
        with suppress(OSError):
            if path.exists():
                self._damaged.add(path.name)
                path.unlink()

    def _made(self, live: Live, fields: Mapping[str, str]) -> Generation:
        """The generation of a version out of the newest one's segments and of what is new."""
        files, segments = self._before()
        segments = [segment for segment in segments if segment.fields == dict(fields)]
        numbers = live.numbers()
        place = places(segments, numbers)
        rows, texts = live.read(live.unknown(files, place < 0))
        there = place[rows] >= 0
        prints = _concatenated(segments, "prints", np.uint32)
        changed = rows[there][prints[place[rows[there]]] != texts.prints[there]]
        place[changed] = -1
        new = place[rows] < 0
        if new.any():
            contents = Contents.read(texts[new], lambda name: self.packs[name].pack, list(fields))
            fresh = self._fresh(contents, fields)
            place[rows[new]] = sum(map(len, segments)) + np.arange(len(fresh))
            segments.append(fresh)
        made = Generation(live.state, live.version, live.files, tuple(segments), place.astype(np.int32))
        made = made.without_empty()
        while (chosen := made.to_merge()) and made.soon(chosen):
            made = _replaced(made, chosen, _joined(made, chosen, self.packs)) or made
        made = self._saved(made)
        self._sweep(made)
        return made

    def _fresh(self, contents: Contents, fields: Mapping[str, str]) -> Segment:
        """Damaged tokens stop only the searches that read them: they are then compared without centroids."""
        try:
            return Segment.build(contents, fields, self.packs.__getitem__)
        except CollectionError:
            return Segment.build(contents, fields, None)

    def _before(self) -> tuple[frozenset[str], list[Segment]]:
        """The data files and the readable segments of the newest generation."""
        best, segments = self._latest.files, list(self._latest.segments)
        newest = self._latest.version
        for path in self.home.glob(f"*{GENERATION}"):
            try:
                file = CheckedFile(path)
            except DamagedFile:
                continue
            if path.name not in self._damaged and file.head["version"] > newest:
                newest, best, segments = file.head["version"], frozenset(file.head["files"]), []
                for name in file.head["segments"]:
                    with suppress(DamagedFile):
                        segments.append(self._segment(name))
        return best, segments or self._all()

    def _all(self) -> list[Segment]:
        """All segments that can be read, if there is no list of them any more."""
        found = []
        for path in self.home.glob(f"*{SUFFIX}"):
            with suppress(DamagedFile):
                found.append(self._segment(path.name))
        return found

    def _kept(self, segment: Segment) -> Segment:
        """In a file if that is possible: a folder may be read-only, or a disk full."""
        try:
            self.home.mkdir(exist_ok=True)
            kept = segment.saved(self.home)
        except (OSError, DamagedFile):
            return segment
        self._damaged.discard(kept.name)
        return kept

    def _saved(self, found: Generation) -> Generation:
        """In files if that is possible."""
        found = replace(found, segments=tuple(one if one.name else self._kept(one) for one in found.segments))
        names = [segment.name for segment in found.segments]
        if all(names):
            head = {"version": found.version, "files": sorted(found.files), "segments": names}
            with suppress(OSError):
                self.home.mkdir(exist_ok=True)
                self._damaged.discard(write_checked(self.home, GENERATION, head, {"place": found.place}, found.state))
        return found

    def _sweep(self, newest: Generation) -> None:
        """Delete older generations, and what only they named; searches keep what they have mapped (POSIX)."""
        with suppress(OSError):
            named = {segment.name for segment in newest.segments}
            for path in self.home.glob(f"*{GENERATION}"):
                try:
                    head = CheckedFile(path).head
                except DamagedFile:
                    head = {"version": -1, "segments": []}
                if head["version"] < newest.version:
                    path.unlink(missing_ok=True)
                else:
                    named |= set(head["segments"])
            for path in self.home.iterdir():
                if path.is_dir():  # of an earlier format
                    shutil.rmtree(path, ignore_errors=True)
                elif path.suffix != GENERATION and path.name not in named and _age(path) > FRESH:
                    path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _concatenated(segments: Sequence[Segment], name: str, kind: Any) -> NDArray[Any]:
    """An array of all segments, one after the other."""
    if len(segments) == 1:
        return segments[0][name]
    return np.concatenate([np.zeros(0, kind), *(segment[name] for segment in segments)])

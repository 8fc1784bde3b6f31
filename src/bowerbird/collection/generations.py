"""The derived index of a collection: immutable segments, and per version which rows of them are live.

A version that is opened for the first time takes over the segments of the newest version that has an index, and makes
one new segment of the rows that are in none of them. Adding n rows one by one leaves O(log n) segments, as segments of
about one size are merged: small ones at once, large ones when a writer is done.

    index/*.segment      rows of the table (segment.py)
    index/*.generation   the segments of one version, and where in them each of its rows lies

A row is known by its number in the table only as long as it lives on from the newest version that has an index. A lost
version's numbers are given again, and its rows may lie dead in a segment: such a row serves only who says the same.

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
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.contents import Contents
from bowerbird.collection.live import Live, RowTexts
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
Numbers = NDArray[np.uint64]
Part = tuple[Segment, Rows]
"""Some rows of a segment, ascending."""


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

    @property
    def numbers(self) -> Numbers:
        """The table's number of every row; no two have the same."""
        return _concatenated(self.segments, "numbers", np.uint64)[self.place]

    def to_merge(self) -> list[int]:
        return one_tier([(len(left), len(segment)) for left, segment in zip(self.left, self.segments, strict=True)])

    def soon(self, chosen: Sequence[int]) -> bool:
        """Whether merging these takes so little that nobody minds to wait."""
        rows = sum(len(self.left[number]) for number in chosen)
        return rows <= SOON and sum(self.segments[number].late_tokens for number in chosen) < NOMINATED

    def parts(self, chosen: Sequence[int]) -> list[Part]:
        """What is left of some segments."""
        return [(self.segments[number], self.left[number]) for number in chosen]

    def without_empty(self) -> Generation:
        kept = [number for number, left in enumerate(self.left) if len(left)]
        if len(kept) == len(self.segments):
            return self
        places = self._places()
        return self._arranged([self.segments[number] for number in kept], [places[number] for number in kept])

    def replaced(self, parts: Sequence[Part], merged: Segment) -> Generation | None:
        """With one segment in place of some, of which it has these rows; None if others live, or none is here."""
        segments, places = list(self.segments), self._places()
        here = {id(segment): number for number, segment in enumerate(segments)}
        chosen = sorted(here[id(one)] for one, _ in parts if id(one) in here)
        if not chosen:
            return None
        held = [places[here[id(one)]][rows] if id(one) in here else np.full(len(rows), -1) for one, rows in parts]
        for number in reversed(chosen):
            del segments[number], places[number]
        segments.insert(chosen[0], merged)
        places.insert(chosen[0], np.concatenate(held))
        made = self._arranged(segments, places)
        return None if (made.place < 0).any() else made

    def _places(self) -> list[Rows]:
        """The positions of every segment's rows."""
        return [np.arange(start, end) for start, end in pairwise(self.first)]

    def _arranged(self, segments: Sequence[Segment], places: Sequence[Rows]) -> Generation:
        """The same rows in other segments. places: the positions until now of every segment's rows, -1 for none."""
        before = np.concatenate([np.zeros(0, np.int64), *places])
        moved = np.full(int(self.first[-1]), -1, np.int32)
        moved[before[before >= 0]] = np.flatnonzero(before >= 0)
        return replace(self, segments=tuple(segments), place=moved[self.place])


def _joined(parts: Sequence[Part], packs: OpenPacks) -> Segment:
    """One segment, in memory, of some rows of some."""
    contents = Contents.joined([segment.contents(rows) for segment, rows in parts])
    return Segment.build(contents, parts[0][0].fields, packs.__getitem__)


def _living(found: Generation, numbers: Numbers) -> Rows:
    """The positions of the live rows with these numbers; -1 for those that do not live there."""
    known = found.numbers
    if not len(known):
        return np.full(len(numbers), -1, np.int64)
    order = None if (known[:-1] <= known[1:]).all() else np.argsort(known)
    at = np.minimum(np.searchsorted(known, numbers, sorter=order), len(known) - 1)
    rows = at if order is None else order[at]
    return np.where(known[rows] == numbers, found.place[rows], -1)


def _alike(segments: Sequence[Segment], texts: RowTexts) -> Rows:
    """The positions of rows, live or dead, that have the same number and say the same; -1 where there is none."""
    found = np.full(len(texts.numbers), -1, np.int64)
    if len(found):
        numbers, prints = _concatenated(segments, "numbers", np.uint64), _concatenated(segments, "prints", np.uint32)
        order = np.argsort(texts.numbers)
        low, high = texts.numbers[order[[0, -1]]]
        near = np.flatnonzero((numbers >= low) & (numbers <= high))  # none, as a rule: what is new has new numbers
        at = order[np.searchsorted(texts.numbers, numbers[near], sorter=order)]
        same = (texts.numbers[at] == numbers[near]) & (texts.prints[at] == prints[near])
        found[at[same]] = near[same]
    return found


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
        parts = before.parts(chosen)
        try:
            merged = self._kept(_joined(parts, self.packs))
        except CollectionError:  # a pack is damaged; what is there stays until it is repaired
            return False
        with self._lock:
            made = self._latest.replaced(parts, merged)
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
        before = self._before(fields)
        segments = list(before.segments)
        place = _living(before, live.numbers())
        rows, texts = live.read(live.unknown(before.files, place < 0))
        place[rows] = _alike(segments, texts)
        new = place[rows] < 0
        if new.any():
            contents = Contents.read(texts[new], lambda name: self.packs[name].pack, list(fields))
            fresh = self._fresh(contents, fields)
            place[rows[new]] = sum(map(len, segments)) + np.arange(len(fresh))
            segments.append(fresh)
        made = Generation(live.state, live.version, live.files, tuple(segments), place.astype(np.int32))
        made = made.without_empty()
        while (chosen := made.to_merge()) and made.soon(chosen):
            parts = made.parts(chosen)
            made = made.replaced(parts, _joined(parts, self.packs)) or made
        made = self._saved(made)
        self._sweep(made)
        return made

    def _fresh(self, contents: Contents, fields: Mapping[str, str]) -> Segment:
        """Damaged tokens stop only the searches that read them: they are then compared without centroids."""
        try:
            return Segment.build(contents, fields, self.packs.__getitem__)
        except CollectionError:
            return Segment.build(contents, fields, None)

    def _before(self, fields: Mapping[str, str]) -> Generation:
        """The newest generation; if it cannot be read whole, one with all segments there are, of which no row lives."""
        newest, best = self._latest.version, None
        for path in self.home.glob(f"*{GENERATION}"):
            with suppress(DamagedFile):
                version = CheckedFile(path).head["version"]
                if path.name not in self._damaged and version > newest:
                    newest, best = version, path
        found = self._latest
        with suppress(DamagedFile):
            found = found if best is None else self._read(best)
            if found.segments and all(segment.fields == dict(fields) for segment in found.segments):
                return found
        return Generation("", -1, segments=tuple(one for one in self._all() if one.fields == dict(fields)))

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

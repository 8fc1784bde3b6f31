"""What all indexes that change have in common: immutable segments, masks of what is left in them, one manifest.

A change writes its files first and then replaces the manifest, so that a crash leaves the index before or after it.
A search runs on the segments that there were when it began. Small segments are merged in the background when there
are many of about one size (as in LSM trees), so that n additions leave O(log n) segments and copy a vector O(log n)
times.

Any number of handles may have a folder open. A change takes its writer's lock and begins with what others have changed.

    manifest.json   kind and head of the index, the files of every segment, a version that is the caller's
    writer.lock     held while a handle changes the folder
    *.pack          the arrays of a segment; or `alive`, one bit per row of a segment (storage/packs.py)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from bowerbird.errors import CollectionError
from bowerbird.index.base import Keys, Mask
from bowerbird.index.drafts import Draft, draft, tidy
from bowerbird.index.held import Arrays, Held, S, to_merge, with_mask
from bowerbird.index.manifest import MANIFEST, Head, Manifest, named_in
from bowerbird.storage.lock import writer_lock
from bowerbird.storage.packs import Pack

BULK = frozenset({"blocks", "residuals", "codes", "seen", "lists", "exact", "nibbles", "groups"})
"""Arrays whose digest is too slow to compute before a search; `verify` does."""
TRIES = 5
"""Times that a manifest is read when other processes merge away the files it names."""

MEASURED = "calibration"
"""The part of a head that may change: what was measured on the index, again when it has grown."""

Made = TypeVar("Made", bound="SegmentedIndex[Any]")


def opened(
    folder: Path, kind: str, make: Callable[[Manifest], Made], version: int | None = None, count: int | None = None
) -> Made:
    """What `make` makes of the manifest of a folder; of a newer one if its files were merged away meanwhile.

    Raises CollectionError if it is missing or damaged, or has not the version or the number of keys asked for.
    """
    manifest = Manifest.read(folder, kind)
    for _ in range(TRIES):
        try:
            return _as_asked(make(manifest), folder, version, count)
        except CollectionError:
            newer = Manifest.read(folder, kind)
            if newer == manifest:
                raise
            manifest = newer
        except (KeyError, TypeError, ValueError) as error:
            raise CollectionError(
                f"{folder / MANIFEST} is not of an index of this kind ({error!r}); build the index again"
            ) from error
    raise CollectionError(f"{folder} changes faster than it can be opened; try again")


def _as_asked(index: Made, folder: Path, version: int | None, count: int | None) -> Made:
    for what, asked, found in (("version", version, index.version), ("key count", count, len(index))):
        if asked not in (None, found):
            raise CollectionError(
                f"{folder} has an index with {what} {found}, not {asked}; build it again, or add what it lacks"
            )
    return index


class Segments(Generic[S]):
    """The segments of one index. `held` is replaced as a whole by every change.

    load: a segment of arrays, in memory or mapped. join: the arrays of a segment with the rows that are left of some.
    attached: arrays that belong to the head, by the part of it that names their pack. inside: raises ValueError if
    numbers in BULK lead outside of other arrays. measured: the head, with MEASURED anew if a new segment asks for it.
    """

    def __init__(
        self,
        manifest: Manifest,
        folder: Path | None,
        load: Callable[[Arrays], S],
        join: Callable[[Sequence[tuple[S, Mask]]], Arrays],
        attached: Mapping[str, Arrays] | None = None,
        inside: Callable[[S], None] = lambda segment: None,
        measured: Callable[[Head, S], Head] = lambda head, segment: head,
    ) -> None:
        """Raises CollectionError if a file that the manifest names is missing or damaged."""
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._manifest = manifest
        self._load, self._join, self._attached, self._inside = load, join, attached or {}, inside
        self._measured = measured
        self._changing, self._merging = threading.RLock(), threading.Lock()
        self._worker: threading.Thread | None = None
        self._unchecked: set[str] = set()
        self.held: tuple[Held[S], ...] = tuple(self._mapped(name, mask) for name, mask in manifest.segments)

    def __len__(self) -> int:
        return sum(map(len, self.held))

    @property
    def keys(self) -> Keys:
        return np.concatenate([np.zeros(0, np.int64), *(one.keys for one in self.held)])

    @property
    def version(self) -> int:
        return self._manifest.version

    @property
    def head(self) -> Head:
        return self._manifest.head

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for one in self.held for array in one.segment.arrays.values())

    def ready(self) -> tuple[Held[S], ...]:
        """The segments, to search: before the first time, what leads from one array into another is checked.

        Raises CollectionError if it is damaged.
        """
        held = self.held
        for one in held:
            if one.pack is not None and one.name in self._unchecked:
                self._check(one.pack, one.segment)
                self._unchecked.discard(one.name)
        return held

    def _check(self, pack: Pack, segment: S) -> None:
        for section in pack.names:
            if section.rpartition(".")[2] not in BULK:
                pack.checked(section)
        try:
            self._inside(segment)
        except ValueError as error:
            raise CollectionError(f"{pack.path} is damaged ({error}); build the index again") from error

    def _kept(self, arrays: Arrays, new: Draft) -> Held[S]:
        """A segment of new arrays, written and mapped if the index has a folder; no part of the index yet."""
        if self.folder is None:
            return Held(self._load(arrays))
        kept = self._mapped(new.write(arrays), "")
        self._unchecked.discard(kept.name)
        return kept

    def update(self, gone: Keys, fresh: Sequence[Arrays], version: int | None = None) -> int:
        """Take keys out and put segments in, as one durable change. How many keys were taken out.

        Raises CollectionError if the folder holds another index by now, LockedError if somebody keeps it locked.
        """
        with draft(self.folder) as new, self._writing():
            left = [one.without(gone) for one in self.held]
            taken = len(self) - sum(map(len, left))
            added = [self._kept(arrays, new) for arrays in fresh if len(arrays["keys"])]
            if taken or added or version not in (None, self.version):
                largest = max(added, key=len, default=None)
                head = self.head if largest is None else self._measured(self.head, largest.segment)
                self._commit(left + added, head, self.version if version is None else version, new)
        self._merge_in_background()
        return taken

    def merge(self) -> bool:
        """Join the segments of one size, if there are enough of them. True if there were.

        Raises CollectionError if one of them is damaged.
        """
        with self._merging, draft(self.folder) as new:
            with self._writing():
                chosen = to_merge(self.held)
            if not chosen:
                return False
            for one in chosen:
                one.verify()
            merged = self._joined(chosen, new)
            before = self.head
            measured = self._measured(before, merged.segment)
            with self._writing():  # what was taken out meanwhile is taken out of the merged segment, too
                same = {id(one.segment) for one in chosen}
                now = [one for one in self.held if id(one.segment) in same]
                others = [one for one in self.held if id(one.segment) not in same]
                still = np.concatenate([np.zeros(0, np.int64), *(one.keys for one in now)])
                merged = merged.without(np.setdiff1d(merged.keys, still))
                head = measured if self.head == before else self.head  # a change has measured it meanwhile
                self._commit([merged, *others], head, self.version, new)
                tidy(self.folder)
            return True

    def wait(self) -> None:
        """Until the merges of the background are done."""
        worker = self._worker
        if worker is not None:
            worker.join()

    def create(self, parts: Iterable[Arrays], version: int = 0, measured: Callable[[S], Head] | None = None) -> None:
        """Begin anew with a segment of these parts; whatever index the folder held is gone when this returns.

        measured: the head, if it depends on the segment.
        """
        with draft(self.folder) as new:
            held = [self._kept(arrays, new) for arrays in parts]
            first = held[0] if len(held) == 1 else self._joined(held, new)
            head = self.head if measured is None else measured(first.segment)
            with self._writing(anew=True):
                if self.folder is not None and not (self.folder / first.name).exists():
                    first = self._kept(first.segment.arrays, new)  # a merge of the index before took it for a leftover
                self._commit([first], self._attach(head, new), version, new)
                tidy(self.folder)

    def save(self, folder: Path) -> None:
        """Write a copy to a folder, in place of what is there. Raises CollectionError if a segment is damaged."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._changing:
            held, manifest = self.held, self._manifest
        with draft(folder) as new, writer_lock(folder):
            files = []
            for one in held:
                one.verify()
                files.append((new.write(one.segment.arrays), with_mask(replace(one, mask=""), new).mask))
            replace(manifest, head=self._attach(manifest.head, new), segments=tuple(files)).write(folder)
            tidy(folder)

    def verify(self) -> list[str]:
        """Names of the files whose bytes are not those that were written."""
        if self.folder is None:
            return []
        damaged = []
        for name in sorted(self._manifest.files):
            try:
                Pack(self.folder / name).verify()
            except CollectionError:
                damaged.append(name)
        named = named_in(self.folder) if damaged else set()  # others were merged meanwhile
        return [name for name in damaged if name in named]

    @contextmanager
    def _writing(self, *, anew: bool = False) -> Iterator[None]:
        """Alone with the folder, as others have left it; anew: whatever there is."""
        with self._changing:
            if self.folder is None:
                yield
                return
            with writer_lock(self.folder):
                if not anew:
                    self._catch_up(Manifest.read(self.folder, self._manifest.kind))
                yield

    def _catch_up(self, newest: Manifest) -> None:
        """Hold what the folder has now; segments that are as they were stay mapped."""
        if newest.digest == self._manifest.digest:
            return
        if _lasting(newest.head) != _lasting(self.head):
            raise CollectionError(f"{self.folder} was built again since this index was opened; open it again")
        known = {(one.name, one.mask): one for one in self.held}
        self.held = tuple(known.get(files) or self._mapped(*files) for files in newest.segments)
        self._manifest = newest

    def _joined(self, held: Sequence[Held[S]], new: Draft) -> Held[S]:
        return self._kept(self._join([(one.segment, one.left) for one in held]), new)

    def _attach(self, head: Head, new: Draft) -> Head:
        """With the packs, written anew, of what belongs to it."""
        if new.folder is None:
            return head
        return {**head, **{part: new.write(arrays) for part, arrays in self._attached.items()}}

    def _mapped(self, name: str, mask: str) -> Held[S]:
        assert self.folder is not None, "only indexes with a folder have files"
        pack = Pack(self.folder / name)
        segment = self._load({section: pack[section] for section in pack.names})
        self._unchecked.add(name)
        alive = None
        if mask:
            packed = Pack(self.folder / mask).checked("alive")
            alive = np.unpackbits(packed, count=len(segment.keys)).astype(bool)
        return Held(segment, alive, name, mask, pack)

    def _commit(self, held: Sequence[Held[S]], head: Head, version: int, new: Draft) -> None:
        before, after = self._manifest.files, tuple(one for one in held if len(one))
        manifest = replace(self._manifest, head=head, version=version)
        if self.folder is not None:
            after = tuple(with_mask(one, new) for one in after)
            manifest = replace(manifest, segments=tuple((one.name, one.mask) for one in after))
            for name in sorted(manifest.files):
                if not (self.folder / name).exists():
                    raise CollectionError(f"{self.folder / name} was deleted by another writer; try again")
            manifest.write(self.folder)
        self._manifest, self.held = manifest, after
        if self.folder is not None and not self._merging.locked():  # otherwise the merge tidies up
            for name in before - manifest.files:
                (self.folder / name).unlink(missing_ok=True)

    def _merge_in_background(self) -> None:
        with self._changing:
            if to_merge(self.held) and (self._worker is None or not self._worker.is_alive()):
                self._worker = threading.Thread(target=self._merge_all, name="bowerbird-merge", daemon=True)
                self._worker.start()

    def _merge_all(self) -> None:
        with suppress(OSError, CollectionError):  # a full disk, damage, another writer: segments stay as they are
            while self.merge():
                pass


class SegmentedIndex(Generic[S]):
    """What an index in segments does whatever its vectors are; its kind adds the rest."""

    _segments: Segments[S]

    def save(self, folder: str | Path) -> None:
        """Write a copy to a folder. Raises CollectionError if a segment is damaged."""
        self._segments.save(Path(folder))

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def keys(self) -> Keys:
        """In no particular order."""
        return self._segments.keys

    @property
    def version(self) -> int:
        """Of what the index was made from, as the caller has given it with the last change."""
        return self._segments.version

    def remove(self, keys: Keys) -> int:
        """Take vectors or documents out; keys that are not there are left out. How many there were."""
        return self._segments.update(keys, [])

    def merge(self) -> bool:
        """Join the segments of one size, if there are enough of them; done in the background, too."""
        return self._segments.merge()

    def wait(self) -> None:
        """Until the merges of the background are done."""
        self._segments.wait()

    def verify(self) -> list[str]:
        """Names of the files whose bytes are not those that were written."""
        return self._segments.verify()


def _lasting(head: Head) -> Head:
    return {name: value for name, value in head.items() if name != MEASURED}

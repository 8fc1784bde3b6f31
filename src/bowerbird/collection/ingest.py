"""Adding files: walk, skip what is unchanged, read in workers, encode in batches, commit, acknowledge."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.collection.batch import encoded_arrays, picture_arrays, word_arrays
from bowerbird.collection.fields import field_input
from bowerbird.collection.progress import Progress
from bowerbird.collection.row_checks import check_arrays
from bowerbird.collection.schema import FileInfo, schema, storable, to_row
from bowerbird.collection.store import Store
from bowerbird.collection.workers import Chunk, Job, ReadPool, Settings
from bowerbird.errors import CollectionError, ReadError
from bowerbird.items import Item, copy_id, source_name
from bowerbird.readers.ocr import ocr_available
from bowerbird.storage.files import digest_file
from bowerbird.storage.packs import write_pack

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder

PACK_ITEMS = 512
"""Items that are encoded and packed together."""
COMMIT_ITEMS = 2000
COMMIT_SECONDS = 5.0
"""Finished files are committed after so many items or seconds: what a crash can cost."""
THUMBNAIL_SIDE = 384
MADE_BY_PROGRAM = "item:"
"""Stands before the source of items that come from no file of their own."""


@dataclass(frozen=True, slots=True)
class Failure:
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an `add` did; sources in the order they were stored."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    unchanged: int
    removed: tuple[str, ...]
    failed: tuple[Failure, ...]
    items: int
    seconds: float
    skipped: tuple[Failure, ...] = ()
    """Members of archives and attachments that could not be read; the rest of their file is stored."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file on disk, as it was named and where it is."""

    path: str
    source: str

    @property
    def key(self) -> str:
        """The path as it is stored, which cannot hold every name."""
        return storable(self.path)


def walk(paths: Sequence[str | Path]) -> Iterator[Found | Failure]:
    """Files below the given files and folders in a stable order; what is no regular file is a failure.

    Hidden files and folders below a folder are left out, and so are libraries: `add .` beside its own library must not
    read that. Links to folders are not followed, so there are no loops.
    """
    for given in paths:
        path = Path(given).expanduser()
        if os.path.isdir(path):
            closed: list[OSError] = []
            for root, folders, names in os.walk(path, onerror=closed.append):
                if {"library.json", "manifests"} <= {*names, *folders}:
                    folders.clear()
                    continue
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(names):
                    if not name.startswith("."):
                        yield _regular(Path(root, name))
            yield from (_unread(Path(error.filename or path), error) for error in closed)
        else:
            yield _regular(path)


def _regular(path: Path) -> Found | Failure:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _unread(path, error)
    if not stat.S_ISREG(mode):
        return Failure(source_name(path), "is not a regular file; add files and folders")
    return Found(str(path.resolve()), source_name(path))


def _unread(path: Path, error: OSError) -> Failure:
    return Failure(source_name(path), f"cannot be read: {error.strerror}; check the path and its permissions")


@dataclass
class _OpenFile:
    """A file whose items are coming in."""

    job: Job
    info: FileInfo
    rows: list[dict[str, Any]] = field(default_factory=list)
    waiting: int = 0
    """Items that are read but not yet encoded."""
    complete: bool = False
    failed: bool = False
    copy: bool = False
    """Another stored file has the same relative name, so the path is a part of the ids."""
    skipped: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pending:
    """An item that waits to be encoded with others."""

    file: _OpenFile
    item: Item


class Ingest:
    """One run of `add`, inside the writer's lock."""

    def __init__(self, store: Store, encoders: Mapping[str, Encoder], settings: Settings, progress: Progress) -> None:
        self._store = store
        self._encoders = encoders
        self._settings = settings
        self._progress = progress
        self._pending: list[_Pending] = []
        self._finished: list[_OpenFile] = []
        self._committed_at = time.monotonic()
        stored, shared = store.files(), _sharing_ids(store)
        self._known = {row["path"]: "" if row["path"] in shared else row["digest"] for row in stored}
        """Path → digest; none for files that share ids, so that they are read again."""
        self._paths: dict[str, set[str]] = {}
        """Source → paths of the stored files that were added under it."""
        for row in stored:
            self._paths.setdefault(row["source"], set()).add(row["path"])
        if settings.ocr and ocr_available():
            self.read_again(store.waiting_for_ocr())
        self.added: list[str] = []
        self.replaced: list[str] = []
        self.failed: list[Failure] = []
        self.skipped: list[Failure] = []
        self.items = 0

    def read_again(self, paths: Iterable[str]) -> None:
        """Take stored files as changed, whatever their content."""
        self._known |= {path: "" for path in paths if path in self._known}

    def run(self, paths: Sequence[str | Path], prune: bool, jobs: int) -> AddReport:
        started = time.monotonic()
        files, unchanged, seen = self._choose(paths)
        unread = [storable(os.path.realpath(failure.source)) for failure in self.failed]
        self._progress.found(len(files), unchanged)
        if files:
            with ReadPool(min(jobs, len(files)), self._settings) as pool:
                for chunk in pool.read(file.job for file in files.values()):
                    self._take(chunk, files[chunk.job.path])
            self._commit()
        removed = self._prune(paths, seen, unread) if prune else ()
        self._store.tidy()
        seconds = time.monotonic() - started
        return AddReport(
            tuple(self.added),
            tuple(self.replaced),
            unchanged,
            removed,
            tuple(self.failed),
            self.items,
            seconds,
            tuple(self.skipped),
        )

    def run_items(self, items: Iterable[Item]) -> AddReport:
        """Store items that a program made; those of one source replace what was stored for it before.

        Raises ReadError, and stores nothing, if an encoder cannot decode one of them or gives no numbers for it;
        CollectionError if two items, or one of them and a stored one of another source, have the same id.
        """
        started = time.monotonic()
        files: dict[str, _OpenFile] = {}
        sources: dict[str, str] = {}
        for item in items:
            source = item.locator.source
            if item.id in sources:
                raise _taken(item.id, source, sources[item.id])
            sources[item.id] = source
            path = storable(f"{MADE_BY_PROGRAM}{source}")
            file = files.setdefault(source, _OpenFile(Job(path, source), FileInfo(path, "", 0, 0.0)))
            self._take(Chunk(file.job, (item,)), file)
        self._encode()
        if self.failed:
            raise ReadError(f"{self.failed[0].source}: {self.failed[0].reason}")
        self._finished = list(files.values())
        self._require_free(sources)
        self._commit()
        seconds = time.monotonic() - started
        return AddReport(tuple(self.added), tuple(self.replaced), 0, (), (), self.items, seconds)

    def _require_free(self, sources: Mapping[str, str]) -> None:
        """Raises CollectionError if an id is one of a stored item that is not replaced. sources: id → its source."""
        import pyarrow as pa
        import pyarrow.compute as pc

        replaced = pa.array([storable(f"{MADE_BY_PROGRAM}{source}") for source in sources.values()], pa.string())
        table = self._store.dataset().to_table(columns=["id", "path", "source"])
        same_id = pc.is_in(table["id"], pa.array(list(sources), pa.string()))
        taken = table.filter(pc.and_not(same_id, pc.is_in(table["path"], replaced)))
        for row in taken.slice(0, 1).to_pylist():
            raise _taken(row["id"], sources[row["id"]], row["source"])

    def _choose(self, paths: Sequence[str | Path]) -> tuple[dict[str, _OpenFile], int, set[str]]:
        """The files to read by path, how many are unchanged, and the keys of all that are there."""
        files: dict[str, _OpenFile] = {}
        unchanged, seen = 0, set()
        for found in walk(paths):
            if isinstance(found, Failure):
                self._fail(found)
                continue
            if found.key in seen:
                continue
            seen.add(found.key)
            try:
                digest, status = digest_file(found.path), os.stat(found.path)
            except OSError as error:
                self._fail(Failure(found.source, f"cannot be read: {error.strerror}; check its permissions"))
                continue
            if self._known.get(found.key) == digest:
                unchanged += 1
            else:
                info = FileInfo(found.key, digest, status.st_size, status.st_mtime)
                copy = bool(self._paths.get(storable(found.source), set()) - {found.key})
                files[found.path] = _OpenFile(Job(found.path, found.source), info, copy=copy)
        return files, unchanged, seen

    def _take(self, chunk: Chunk, file: _OpenFile) -> None:
        """Put a chunk into the batch; encode and commit when enough has come together."""
        if file.failed:
            return
        self._pending += [_Pending(file, _as_copy(item, file) if file.copy else item) for item in chunk.items]
        file.waiting += len(chunk.items)
        file.skipped += [
            Failure(f"{item.locator.source}!/{item.locator.member}", item.metadata["skipped"])
            for item in chunk.items
            if "skipped" in item.metadata and item.locator.member
        ]
        if chunk.error:
            self._pending = [waiting for waiting in self._pending if waiting.file is not file]
            self._give_up(file, chunk.error)
        elif chunk.last:
            file.complete = True
            self._finished.append(file)
        if len(self._pending) >= PACK_ITEMS:
            self._encode()
        rows = sum(len(done.rows) + done.waiting for done in self._finished)
        late = time.monotonic() - self._committed_at > COMMIT_SECONDS
        if rows >= COMMIT_ITEMS or (late and self._finished):
            self._commit()

    def _encode(self) -> None:
        """Encode everything that waits and write it as one pack, or as one per file if an encoder refuses something."""
        batch, self._pending = self._pending, []
        if not batch:
            return
        try:
            self._pack(batch)
        except ReadError:
            for file in {id(waiting.file): waiting.file for waiting in batch}.values():
                try:
                    self._pack([waiting for waiting in batch if waiting.file is file])
                except ReadError as error:
                    self._give_up(file, str(error))

    def _pack(self, batch: list[_Pending]) -> None:
        """Encode items and write them as one pack; rows learn where their vectors are. Raises ReadError."""
        items = [waiting.item for waiting in batch]
        arrays, languages = word_arrays(items)
        arrays |= picture_arrays([thumbnail(item) for item in items])
        for name, encoder in self._encoders.items():
            arrays |= encoded_arrays(name, encoder, items, [field_input(item, encoder.inputs) for item in items])
        placed = enumerate(zip(batch, languages, strict=True))
        rows = [to_row(waiting.item, waiting.file.info, language, slot) for slot, (waiting, language) in placed]
        pack = write_pack(self._store.folder / "packs", arrays | check_arrays(rows))
        for waiting, row in zip(batch, rows, strict=True):
            waiting.file.rows.append({**row, "pack": pack})
            waiting.file.waiting -= 1
        for file in {id(waiting.file): waiting.file for waiting in batch}.values():
            self._progress.read(file.job.source, sum(1 for waiting in batch if waiting.file is file))

    def _commit(self) -> None:
        """Store all finished files in one commit and acknowledge them."""
        import pyarrow as pa

        self._encode()
        done, self._finished = self._finished, []
        self._committed_at = time.monotonic()
        if not done:
            return
        rows = [row for file in done for row in file.rows]
        gone = [file.info.path for file in done if file.info.path in self._known]
        self._store.replace(gone, pa.Table.from_pylist(rows, schema=schema()) if rows else None)
        for file in done:
            (self.replaced if file.info.path in self._known else self.added).append(file.job.source)
            self._known[file.info.path] = file.info.digest
            self.items += len(file.rows)
            self.skipped += file.skipped
            self._progress.done(file.job.source)

    def _prune(self, paths: Sequence[str | Path], seen: set[str], unread: Sequence[str]) -> tuple[str, ...]:
        """Forget files below the given paths that are no longer there.

        Nothing is known about what lies below a folder that could not be read, on a disk that is not mounted perhaps.
        """
        roots = [storable(Path(path).expanduser().resolve()) for path in paths]
        below = [
            row
            for row in self._store.files()
            if row["path"] not in seen and _is_below(row["path"], roots) and not _is_below(row["path"], unread)
        ]
        if below:
            self._store.replace([row["path"] for row in below], None)
        return tuple(row["source"] for row in below)

    def _give_up(self, file: _OpenFile, reason: str) -> None:
        """Nothing of the file is stored, whatever may still come of it."""
        file.failed = True
        file.rows.clear()
        self._finished = [done for done in self._finished if done is not file]
        self._fail(Failure(file.job.source, reason))

    def _fail(self, failure: Failure) -> None:
        self.failed.append(failure)
        self._progress.failed(failure.source, failure.reason)


def _is_below(path: str, folders: Iterable[str | Path]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _sharing_ids(store: Store) -> set[str]:
    """Paths of files with an id that is stored twice, as older versions did: searches fail until they are replaced."""
    import pyarrow.compute as pc

    table = store.dataset().to_table(columns=["id", "path"])
    times = pc.value_counts(table["id"])
    twice = times.filter(pc.greater(times.field("counts"), 1)).field("values")
    return set(table.filter(pc.is_in(table["id"], twice))["path"].to_pylist())


def _as_copy(item: Item, file: _OpenFile) -> Item:
    parent = item.parent and copy_id(item.parent, file.info.path)
    return replace(item, id=copy_id(item.id, file.info.path), parent=parent)


def _taken(name: str, source: str, other: str) -> CollectionError:
    return CollectionError(
        f"item {name!r} of {source!r} has the id of an item of {other!r}; give every item an id of its own"
    )


def thumbnail(item: Item) -> bytes:
    """A small WebP of an item's picture; empty if it has none that can be decoded."""
    picture = item.image
    if picture is None:
        return b""
    try:
        decoded = picture.open()
    except ReadError:
        return b""
    decoded.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    out = io.BytesIO()
    decoded.save(out, "WEBP", quality=75, method=2)
    return out.getvalue()

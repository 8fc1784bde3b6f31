"""A collection: a folder on disk that holds items and what makes them findable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.collection.derived import FieldIndex
from bowerbird.collection.fields import DEFAULT_FIELDS
from bowerbird.collection.generations import Generations
from bowerbird.collection.identity import chosen, opened, require_known, require_same, to_json
from bowerbird.collection.ingest import AddReport, Failure, Ingest
from bowerbird.collection.progress import Progress, Silent
from bowerbird.collection.reembed import Advance, Reembedding, ReembedReport
from bowerbird.collection.schema import storable
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.store import Store
from bowerbird.collection.verify import VerifyReport, find_damage
from bowerbird.collection.workers import Settings
from bowerbird.errors import BowerbirdError, CollectionError
from bowerbird.items import Item
from bowerbird.storage.checked import DamagedFile
from bowerbird.storage.files import write_atomically
from bowerbird.storage.lock import writer_lock

if TYPE_CHECKING:
    from bowerbird.collection.identity import FieldEncoder
    from bowerbird.encoders.base import Encoder

FORMAT = 2
"""Of a library's folder. 1 kept token vectors row by row, 2 keeps them in blocks of 16 (storage/packs.py)."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A stored file."""

    source: str
    path: str
    id: str
    kind: str
    title: str
    items: int
    size: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and sizes. bytes: per part of the folder."""

    files: int
    items: int
    kinds: Mapping[str, int]
    fields: Mapping[str, str]
    """Encoder id per field."""
    version: int
    bytes: Mapping[str, int]


class Collection:
    """Open with `Collection.open`. Any number of readers, one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = Store(folder)
        self._generations = Generations(folder)
        self._shown: tuple[tuple[int, ...], Snapshot] | None = None

    @classmethod
    def open(cls, path: str | Path, *, fields: Mapping[str, str] | None = None, create: bool = True) -> Collection:
        """Open a collection's folder; make it if it is not there and `create` allows.

        fields: encoder per field; without it, those that the collection was made with.
        Raises CollectionError; EncoderMismatch if the collection was made with other encoders.
        """
        folder = Path(path).expanduser()
        config = folder / "library.json"
        if not config.exists():
            if not create:
                raise CollectionError(f"no library in {folder}; make one with: bowerbird add PATH -l {folder}")
            return cls._create(folder, dict(fields or DEFAULT_FIELDS))
        _check_format(config)
        collection = cls(folder)
        collection._require_fields(fields or {})
        return collection

    @classmethod
    def _create(cls, folder: Path, fields: Mapping[str, str]) -> Collection:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = [path.name for path in folder.iterdir() if path.name != "writer.lock"]
        except OSError as error:
            raise CollectionError(
                f"cannot make a library in {folder}: {error.strerror}; choose another folder"
            ) from error
        collection, encoders = cls(folder), chosen(fields)
        with writer_lock(folder):
            if (folder / "library.json").exists():  # another process was first
                return cls.open(folder, fields=fields)
            leftovers = {"items.lance", "manifests", "packs", "commits.jsonl", "library.json.partial"}
            if set(others) - leftovers:
                raise CollectionError(f"{folder} holds other files ({others[0]}); choose an empty or new folder")
            (folder / "packs").mkdir(exist_ok=True)
            if not (folder / "items.lance").exists():
                collection._store.create(encoders)
            config = {"format": FORMAT, "fields": json.loads(to_json(encoders))}
            write_atomically(folder / "library.json", json.dumps(config, indent=2).encode())
        collection._require_fields(fields)  # a table that an earlier start left behind may have others
        return collection

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the writer's lock, with what a killed writer left behind settled."""
        with writer_lock(self.folder):
            self._store.settle()
            yield

    def _require_fields(self, specs: Mapping[str, str]) -> None:
        stored = self._fields()
        for name, given in chosen(specs).items():
            require_same(self.folder, name, require_known(self.folder, stored, name), given.id)

    def _fields(self) -> dict[str, FieldEncoder]:
        return self._store.fields(self._store.dataset())

    def _encoders(self) -> dict[str, Encoder]:
        """The encoders of the newest version; a writer asks when it holds the lock."""
        return {name: opened(self.folder, name, field) for name, field in self._fields().items()}

    def add(
        self,
        paths: Sequence[str | Path],
        *,
        prune: bool = False,
        jobs: int | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> AddReport:
        """Index files and folders. Atomic per file, resumable, incremental by content hash.

        Raises LockedError if another process writes. Files that fail are in the report, never an exception.
        """
        self._require_writable()
        with self._writing():
            report = self._add(paths, prune, jobs, settings, progress)
        self._renew()
        return report

    def _add(
        self,
        paths: Sequence[str | Path],
        prune: bool = False,
        jobs: int | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
        *,
        again: bool = False,
    ) -> AddReport:
        """`add` under the lock. again: files that are unchanged too."""
        run = Ingest(self._store, self._encoders(), settings or Settings(self.text_encoder), progress or Silent())
        if again:
            run.read_again(map(str, paths))
        try:
            report = run.run(paths, prune, jobs or min(2, os.cpu_count() or 1))
        except BaseException:
            with suppress(OSError):  # what went wrong first is what to say
                self._remember_failures(run)
            raise
        self._remember_failures(run)
        return report

    def add_items(self, items: Iterable[Item]) -> AddReport:
        """Store items that a program made, in one commit. Items of a source replace those stored for it before.

        Raises CollectionError if two items would have the same id.
        """
        self._require_writable()
        with self._writing():
            report = Ingest(self._store, self._encoders(), Settings(self.text_encoder), Silent()).run_items(items)
        self._renew()
        return report

    @property
    def text_encoder(self) -> str:
        """The encoder whose tokens measure passages."""
        fields = self._fields()
        return fields["text"].encoder if "text" in fields else "e5"

    def reembed(
        self, fields: Mapping[str, str], *, jobs: int | None = None, advance: Advance | None = None
    ) -> ReembedReport:
        """Change the encoders of some fields: embed everything stored anew, then switch over in one commit.

        Words need no files; pictures, sounds and films are read again from files that are there unchanged, else
        pictures come from stored thumbnails. The encoders of today are not loaded, so they may be gone.
        Raises LockedError, EncoderMismatch for a field that is not there.
        """
        self._require_writable()
        wanted = chosen(fields)
        encoders = {name: opened(self.folder, name, field) for name, field in wanted.items()}
        with self._writing():
            snapshot, stored = self.snapshot(), self._fields()
            for name in wanted:
                require_known(self.folder, stored, name)
            settings = Settings(self.text_encoder, ocr=False, speech=False)
            run = Reembedding(self._store, snapshot, encoders, settings, advance or (lambda done, total: None))
            report = run.run({**stored, **wanted}, jobs or min(2, os.cpu_count() or 1))
            self._store.tidy()
        self._renew()
        return report

    def _renew(self) -> None:
        """Bring the index up to date, so that the next search finds it ready; if that fails, the search does it."""
        with suppress(BowerbirdError, OSError, DamagedFile):
            len(self.snapshot())
            while self._generations.merge():
                pass

    def _require_writable(self) -> None:
        if not os.access(self.folder, os.W_OK):
            raise CollectionError(f"cannot write to {self.folder}: it is read-only; copy it or make it writable")

    def _remember_failures(self, run: Ingest) -> None:
        done = {*run.added, *run.replaced}
        kept = {failure.source: failure.reason for failure in self.failures() if failure.source not in done}
        kept |= {failure.source: failure.reason for failure in run.failed if os.path.lexists(failure.source)}
        content = json.dumps(kept, indent=1, ensure_ascii=True, sort_keys=True)
        write_atomically(self.folder / "failures.json", content.encode())

    def failures(self) -> list[Failure]:
        """Files that could not be added, the last time they were tried."""
        try:
            known = json.loads((self.folder / "failures.json").read_text("utf8"))
        except (OSError, ValueError):
            return []
        return [Failure(source, reason) for source, reason in known.items()]

    def remove(self, names: Sequence[str]) -> int:
        """Take out files, named by source, by path or by the id of any of their items. How many there were."""
        self._require_writable()
        with self._writing():
            wanted = set(map(storable, names))
            resolved = {storable(Path(name).expanduser().resolve()) for name in names}
            table = self._store.dataset().to_table(columns=["path", "source", "id"])
            paths = {
                row["path"]
                for row in table.to_pylist()
                if row["source"] in wanted or row["id"] in wanted or row["path"] in resolved
            }
            if paths:
                self._store.replace(sorted(paths), None)
        self._renew()
        return len(paths)

    def files(self) -> list[FileRecord]:
        """All stored files, by source."""
        table = self._store.dataset().to_table(columns=["id", "parent", "kind", "source", "path", "title", "size"])
        rows = table.to_pylist()
        count: dict[str, int] = {}
        for row in rows:
            count[row["path"]] = count.get(row["path"], 0) + 1
        roots = {row["path"]: row for row in reversed(rows) if row["parent"] is None}
        records = [
            FileRecord(r["source"], r["path"], r["id"], r["kind"], r["title"] or "", count[r["path"]], r["size"])
            for r in roots.values()
        ]
        return sorted(records, key=lambda record: record.source)

    def roots(self) -> list[tuple[FileRecord, Item]]:
        """Every stored file with its root item."""
        snapshot = self.snapshot()
        files = self.files()
        items = snapshot.items(snapshot.rows_of([file.id for file in files]))
        return list(zip(files, items, strict=True))

    def stats(self) -> Stats:
        table = self._store.dataset().to_table(columns=["kind", "path"])
        kinds = {entry["values"]: entry["counts"] for entry in table["kind"].value_counts().to_pylist()}
        return Stats(
            files=len(table["path"].unique()),
            items=table.num_rows,
            kinds=kinds,
            fields={name: field.id for name, field in self._fields().items()},
            version=int(self._store.dataset().version),
            bytes={part: _size(self.folder / part) for part in ("items.lance", "packs", "index", "manifests")},
        )

    def indexes(self) -> list[FieldIndex]:
        """The index of words and of every field that holds vectors, brought up to date."""
        return self.snapshot().index(lambda derived: derived.indexes(list(self._fields())))

    def snapshot(self) -> Snapshot:
        """A view of the newest version; the same object until something changes."""
        dataset = self._store.dataset()
        version = int(dataset.version)
        stamp = version, *self._store.stamp(version)
        if self._shown is None or self._shown[0] != stamp:
            shown = Snapshot(self.folder, dataset, self._store.fields(dataset), self._generations)
            self._shown = stamp, shown
            return shown
        return self._shown[1]

    def versions(self) -> list[dict[str, Any]]:
        """Versions that can still be opened: number and time, oldest first."""
        return [
            {"version": entry["version"], "time": entry["timestamp"].isoformat()}
            for entry in self._store.dataset().versions()
        ]

    def at(self, version: int) -> Snapshot:
        """A view of an older version. Raises CollectionError if it is gone."""
        dataset = self._store.dataset(version)
        return Snapshot(self.folder, dataset, self._store.fields(dataset), self._generations)

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Check every checksum. With `repair`, files that lost something are read again from their sources.

        Nothing is taken out of which a whole row is left: what cannot be read again is named in `lost`. Index files
        are made again by themselves when they are searched; `repair` does it at once.
        """
        if repair:
            self._require_writable()
            with self._writing():
                report = self._repaired()
            self._renew()
            return report
        damage, indexes = find_damage(self._store), self._damaged_indexes()
        problems = (*damage.problems, *(f"{name} is damaged; it is made again when it is needed" for name in indexes))
        return VerifyReport(problems, tuple(sorted(damage.paths)))

    def _damaged_indexes(self) -> dict[str, Path]:
        return {path.relative_to(self.folder).as_posix(): path for path in self._generations.verify()}

    def _repaired(self) -> VerifyReport:
        """Repair what is damaged; holds the lock."""
        damage, indexes = find_damage(self._store), self._damaged_indexes()
        for path in indexes.values():
            self._generations.forget(DamagedFile(path, "is damaged"))
        if damage.fragments:
            self._store.rewrite(damage.fragments)
        sources = damage.sources()
        report = self._add(sources, again=True)
        moved = [path.relative_to(self.folder).as_posix() for path in self._store.put_aside(damage.files)]
        if gone := damage.missing.difference(sources):
            self._store.forget(gone)
        lost = [*damage.lost(), *(f"{one.source}: {one.reason}" for one in report.failed)]
        lost += [f"{path} is still damaged; restore it from a copy" for path in self._store.damaged_files()]
        problems = (*damage.problems, *(f"{name} is damaged" for name in indexes))
        return VerifyReport(
            problems, tuple(sorted(damage.paths)), (*report.added, *report.replaced, *moved, *indexes), tuple(lost)
        )

    def export(self, folder: str | Path) -> int:
        """Write all items as items.jsonl with their pictures beside it. How many items."""
        from bowerbird.collection.export import export

        return export(self.snapshot(), Path(folder))

    def export_vectors(self, folder: str | Path) -> list[Path]:
        """Write the vectors of every field as Parquet files of ids and vectors, token vectors as one per item (FDE)."""
        from bowerbird.collection.export_vectors import export_vectors

        return export_vectors(self.snapshot(), Path(folder))


def _check_format(path: Path) -> None:
    """Raises CollectionError for a library whose files this version would misread."""
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf8"))
        made = int(config["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CollectionError(f"{path} cannot be read ({error}); restore it from a copy") from error
    if made > FORMAT:
        raise CollectionError(f"{path.parent} was made by a newer bowerbird (format {made}, not {FORMAT}); upgrade")
    if made < FORMAT:
        raise CollectionError(
            f"{path.parent} was made by an older bowerbird (format {made}, not {FORMAT}); "
            f"index its files again in a new folder: bowerbird add PATHS -l NEW-FOLDER"
        )


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.exists() else 0

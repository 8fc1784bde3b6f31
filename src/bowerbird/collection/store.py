"""The items table: the only place where a commit happens.

Lance commits atomically but does not fsync, does not checksum, and does not open when its newest manifest is damaged
(measured: a truncated manifest closes the table). So after every commit we fsync what is new, note the digest of
every new file in `commits.jsonl`, and keep a copy of the manifest; only then is the commit acknowledged.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.collection.identity import FieldEncoder, from_json, from_metadata, to_metadata
from bowerbird.collection.orphans import drop_orphans
from bowerbird.collection.schema import schema
from bowerbird.errors import CollectionError
from bowerbird.storage.files import digest_file, stamp, sync_file, sync_folder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

os.environ.setdefault("RUST_LOG", "error")  # Lance warns on every query otherwise
os.environ.setdefault("LANCE_LOG", "error")

KEPT_MANIFESTS = 3
GRACE = timedelta(hours=1)
"""Versions and packs stay this long after a newer version took their place, so that slow readers find their files."""
MANY_FRAGMENTS = 100


@dataclass(frozen=True)
class Commit:
    """One line of commits.jsonl."""

    version: int
    files: dict[str, str] = field(default_factory=dict)
    """Path below the table's folder → digest, of the files that are new with this version."""
    added: list[str] | None = None
    """Paths of the sources that were stored, so that what a damaged table held can be named; None if not noted."""
    removed: list[str] = field(default_factory=list)


class Store:
    """items.lance in a collection's folder. One writer at a time (see storage/lock.py), any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = folder / "items.lance"
        self._log = folder / "commits.jsonl"
        self._manifests = folder / "manifests"

    def create(self, fields: Mapping[str, FieldEncoder]) -> None:
        """Make the empty table, which knows the encoder of every field."""
        import lance

        self._manifests.mkdir(exist_ok=True)
        lance.write_dataset(
            schema().with_metadata(to_metadata(fields)).empty_table(),
            str(self.table),
            data_storage_version="2.2",
            enable_stable_row_ids=True,
        )
        self._acknowledge(set(), ())

    def dataset(self, version: int | None = None) -> Any:
        """The Lance dataset, newest version by default. Heals a damaged newest manifest; raises CollectionError."""
        import lance

        try:
            return lance.dataset(str(self.table), version=version)
        except (ValueError, OSError) as error:
            if version is not None:
                raise CollectionError(f"version {version} of {self.folder} is gone; open the newest") from error
            self._heal(error)
            try:
                return lance.dataset(str(self.table))
            except (ValueError, OSError) as again:
                raise CollectionError(f"cannot open {self.table}: {again}; restore the folder from a copy") from again

    def stamp(self, version: int) -> tuple[int, int]:
        """What tells a version from a lost one that had its number."""
        return stamp(_manifest(self.table, version))

    def fields(self, dataset: Any) -> dict[str, FieldEncoder]:
        """The encoder of every field of a version."""
        recorded = from_metadata(dataset.schema.metadata)
        return recorded or from_json(json.loads((self.folder / "library.json").read_text("utf8"))["fields"])

    def files(self) -> list[dict[str, Any]]:
        """Path, source and digest of every file that is stored."""
        table = self.dataset().to_table(columns=["path", "source", "digest"], filter="parent IS NULL")
        return list({row["path"]: row for row in table.to_pylist()}.values())

    def waiting_for_ocr(self) -> list[str]:
        """Paths of files with pages that are pictures of text, stored when nothing could read those."""
        waiting = "kind = 'document' AND metadata LIKE '%\"needs_ocr\"%'"
        return [str(path) for path in self.dataset().to_table(columns=["path"], filter=waiting)["path"].to_pylist()]

    def replace(self, gone: Sequence[str], rows: pa.Table | None) -> int:
        """Take out all rows of the files with these paths and put in new rows, in one commit. The new version."""
        import lance

        dataset = self.dataset()
        before = _files_below(self.table)
        changed, emptied = [], []
        for number, condition in _affected(dataset, gone):
            left = dataset.get_fragment(number).delete(condition)
            if left is None:
                emptied.append(number)
            else:
                changed.append(getattr(left, "metadata", left))  # pylance gives either
        new = lance.fragment.write_fragments(rows, str(self.table), schema=schema()) if rows is not None else []
        if not (changed or emptied or new):
            return int(dataset.version)
        operation = lance.LanceOperation.Update(
            removed_fragment_ids=emptied, updated_fragments=changed, new_fragments=list(new), fields_modified=[]
        )
        lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)
        return self._acknowledge(before, set(rows["path"].to_pylist()) if rows is not None else (), gone)

    def rewrite(self, fragments: Mapping[int, pa.Table]) -> None:
        """Put other rows in the place of some fragments, in one commit."""
        import lance

        dataset, before = self.dataset(), _files_below(self.table)
        new = [
            one
            for rows in fragments.values()
            if rows.num_rows
            for one in lance.fragment.write_fragments(rows, str(self.table), schema=schema())
        ]
        operation = lance.LanceOperation.Update(
            removed_fragment_ids=list(fragments), updated_fragments=[], new_fragments=new, fields_modified=[]
        )
        lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)
        self._acknowledge(before, ())

    def move(self, packs: Sequence[str], slots: NDArray[np.int32], fields: Mapping[str, FieldEncoder]) -> int:
        """Give rows, in order, other packs and slots, and fields other encoders, in one commit. The new version."""
        import lance
        import pyarrow as pa

        dataset = self.dataset()
        before = _files_below(self.table)
        moved = pa.RecordBatchReader.from_batches(schema(), _moved(dataset, packs, slots))
        new = lance.fragment.write_fragments(moved, str(self.table), schema=schema()) if packs else []
        operation = lance.LanceOperation.Overwrite(schema().with_metadata(to_metadata(fields)), new)
        lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)
        return self._acknowledge(before, ())

    def tidy(self, grace: timedelta = GRACE) -> None:
        """Join many small fragments; drop versions that no reader can still use, and packs that only they name."""
        dataset = self.dataset()
        before = _files_below(self.table)
        if len(dataset.get_fragments()) > MANY_FRAGMENTS:
            dataset.optimize.compact_files(target_rows_per_fragment=1_000_000)
            self._acknowledge(before, ())
        dataset = self.dataset()
        replaced_at = [version["timestamp"] for version in dataset.versions()[1:]]
        young = sum(moment > datetime.now() - grace for moment in replaced_at)
        dataset.cleanup_old_versions(retain_versions=1 + young)
        versions = sorted((version["version"] for version in dataset.versions()), reverse=True)
        drop_orphans(self.folder / "packs", (self.dataset(version) for version in versions), grace)

    def commits(self) -> list[Commit]:
        """All acknowledged commits, oldest first; a torn last line is one that was never acknowledged."""
        found = []
        for line in self._log.read_text("utf8").splitlines() if self._log.exists() else []:
            try:
                found.append(Commit(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def damaged_files(self) -> list[Path]:
        """Files of the table whose bytes are not those that were committed. Files that are cleaned up are left out."""
        digests = {name: digest for commit in self.commits() for name, digest in commit.files.items()}
        needed = {Path(path).name for fragment in self.dataset().get_fragments() for path in data_files(fragment)}
        damaged = []
        for name, digest in digests.items():
            path = self.table / name
            if digest_file(path) != digest if path.exists() else path.name in needed:
                damaged.append(path)
        return damaged

    def settle(self) -> None:
        """Acknowledge what a killed writer committed and did not live to note. For the holder of the writer's lock."""
        commits, version = self.commits(), int(self.dataset().version)
        named = {self.table / name for commit in commits for name in commit.files}
        last = commits[-1].version if commits else 0
        if last == version and _files_below(self.table) <= named:
            return
        known = _paths_after(commits)
        stored = known
        if version > last and known is not None:
            with suppress(ValueError):  # a damaged table: what is missing is for `verify` to say
                stored = set(self.dataset().to_table(columns=["path"])["path"].to_pylist())
        if known is None or stored is None:
            self._acknowledge(named, None)
        else:
            self._acknowledge(named, stored - known, known - stored)

    def known_paths(self) -> set[str] | None:
        """The sources that are stored, by the log; None if it does not say, or not of the newest version."""
        commits = self.commits()
        if not commits or commits[-1].version != int(self.dataset().version):
            return None
        return _paths_after(commits)

    def forget(self, paths: Iterable[str]) -> None:
        """Note that nothing of some sources is left, nor can be."""
        self._note(Commit(int(self.dataset().version), {}, [], sorted(paths)))

    def put_aside(self, damaged: Iterable[Path]) -> list[Path]:
        """Move damaged files of the table that no row needs any more to a folder of their own. Those moved."""
        dataset = self.dataset()
        needed = {Path(path).name for one in dataset.get_fragments() for path in data_files(one)}
        needed |= {_manifest(self.table, int(dataset.version)).name}
        moved = [path for path in damaged if path.name not in needed and path.exists()]
        aside = self.folder / "damaged"
        for path in moved:
            aside.mkdir(exist_ok=True)
            path.rename(aside / path.name)
        return moved

    def _acknowledge(self, before: set[Path], added: Iterable[str] | None, removed: Iterable[str] = ()) -> int:
        """Make a commit durable: sync its files and folders, then note their digests."""
        version = int(self.dataset().version)
        new = sorted(_files_below(self.table) - before)
        for path in new:
            sync_file(path)
        for folder in {path.parent for path in new} | {self.table, self.folder}:
            sync_folder(folder)
        manifest = _manifest(self.table, version)
        if manifest in new:
            shutil.copyfile(manifest, self._manifests / manifest.name)
            sync_file(self._manifests / manifest.name)
            sync_folder(self._manifests)
        digests = {path.relative_to(self.table).as_posix(): digest_file(path) for path in new}
        self._note(Commit(version, digests, None if added is None else sorted(added), sorted(removed)))
        kept = sorted(self._manifests.iterdir(), key=_version_of_manifest)
        for old in kept[:-KEPT_MANIFESTS]:
            old.unlink()
        return version

    def _note(self, line: Commit) -> None:
        """Write a line of the log through to the disk."""
        with self._log.open("ab+") as log:
            log.seek(0)
            whole = log.read().rpartition(b"\n")
            log.truncate(len(whole[0] + whole[1]))  # a torn last line would take the next one with it
            log.write(json.dumps(line.__dict__).encode() + b"\n")
            log.flush()
            os.fsync(log.fileno())

    def _heal(self, error: Exception) -> None:
        """Put damaged manifests aside, newest first, and bring back the acknowledged ones from their copies."""
        versions = self.table / "_versions"
        if not versions.is_dir():
            raise CollectionError(f"no collection in {self.folder}: {error}") from error
        acknowledged = {Path(name).name: digest for commit in self.commits() for name, digest in commit.files.items()}
        aside = self.folder / "damaged"
        for manifest in sorted(versions.glob("*.manifest"), key=_version_of_manifest, reverse=True):
            if acknowledged.get(manifest.name) == digest_file(manifest):
                return
            aside.mkdir(exist_ok=True)
            manifest.rename(aside / manifest.name)
            copy = self._manifests / manifest.name
            if copy.exists() and acknowledged.get(manifest.name) == digest_file(copy):
                shutil.copyfile(copy, manifest)
                sync_file(manifest)
                sync_folder(versions)
                return


def _paths_after(commits: Sequence[Commit]) -> set[str] | None:
    """The sources that are stored after some commits; None if one of them does not say."""
    paths = set[str]()
    for commit in commits:
        if commit.added is None:
            return None
        paths = paths.difference(commit.removed).union(commit.added)
    return paths


def _moved(dataset: Any, packs: Sequence[str], slots: NDArray[np.int32]) -> Iterator[pa.RecordBatch]:
    """All rows in order, with other packs and slots."""
    import pyarrow as pa

    start = 0
    for batch in dataset.to_batches():
        mine = slice(start, start + batch.num_rows)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns |= {"pack": pa.array(packs[mine], pa.string()), "slot": pa.array(slots[mine], pa.int32())}
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema().names], schema=schema())
        start = mine.stop


def _affected(dataset: Any, gone: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Fragments that hold rows of the given paths, with the condition that selects those rows."""
    if not gone:
        return
    quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in gone)
    condition = f"path IN ({quoted})"
    found = dataset.scanner(columns=[], filter=condition, with_row_address=True).to_table()
    for number in sorted({address >> 32 for address in found["_rowaddr"].to_pylist()}):
        yield number, condition


def _files_below(folder: Path) -> set[Path]:
    """Files that never change once they are written."""
    return {Path(root) / name for root, _, names in os.walk(folder) for name in names if not name.endswith(".json")}


def data_files(fragment: Any) -> list[str]:
    """Names of the files that hold a fragment's rows; reads none of them."""
    return [file.path for file in fragment.metadata.files]


def _version_of_manifest(path: Path) -> int:
    """Lance counts manifest names down from 2**64 - 1 so that the newest sorts first."""
    number = int(path.stem)
    return number if number < 1 << 63 else (1 << 64) - 1 - number


def _manifest(table: Path, version: int) -> Path:
    counted_down = table / "_versions" / f"{(1 << 64) - 1 - version}.manifest"
    return counted_down if counted_down.exists() else counted_down.with_name(f"{version}.manifest")

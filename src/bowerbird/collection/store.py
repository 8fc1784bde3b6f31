"""The items table: the only place where a commit happens.

Lance commits atomically but does not fsync, does not checksum, and does not open when its newest manifest is damaged
(measured: a truncated manifest closes the table). So after every commit we fsync what is new, note the digest of
every new file in `commits.jsonl`, and keep a copy of the manifest; only then is the commit acknowledged.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.collection.schema import schema
from bowerbird.errors import CollectionError
from bowerbird.storage.files import digest_file, sync_file, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa

os.environ.setdefault("RUST_LOG", "error")  # Lance warns on every query otherwise
os.environ.setdefault("LANCE_LOG", "error")

KEPT_MANIFESTS = 3
GRACE = timedelta(hours=1)
"""Old versions stay this long, so that slow readers find their files."""
MANY_FRAGMENTS = 100


@dataclass(frozen=True)
class Commit:
    """One line of commits.jsonl."""

    version: int
    files: dict[str, str] = field(default_factory=dict)
    """Path below the table's folder → digest, of the files that are new with this version."""


class Store:
    """items.lance in a collection's folder. One writer at a time (see lock.py), any number of readers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = folder / "items.lance"
        self._log = folder / "commits.jsonl"
        self._manifests = folder / "manifests"

    def create(self) -> None:
        """Make the empty table."""
        import lance

        self._manifests.mkdir(exist_ok=True)
        lance.write_dataset(
            schema().empty_table(), str(self.table), data_storage_version="2.2", enable_stable_row_ids=True
        )
        self._acknowledge(set())

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
        return self._acknowledge(before)

    def tidy(self) -> None:
        """Join many small fragments and drop versions that no reader can still use."""
        dataset = self.dataset()
        before = _files_below(self.table)
        if len(dataset.get_fragments()) > MANY_FRAGMENTS:
            dataset.optimize.compact_files(target_rows_per_fragment=1_000_000)
            self._acknowledge(before)
        self.dataset().cleanup_old_versions(older_than=GRACE)

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
        needed = {path.name for fragment in self.dataset().get_fragments() for path in _data_files(fragment)}
        damaged = []
        for name, digest in digests.items():
            path = self.table / name
            if digest_file(path) != digest if path.exists() else path.name in needed:
                damaged.append(path)
        return damaged

    def _acknowledge(self, before: set[Path]) -> int:
        """Make a commit durable: sync its files and folders, then note their digests."""
        version = int(self.dataset().version)
        new = sorted(_files_below(self.table) - before)
        for path in new:
            sync_file(path)
        for folder in {path.parent for path in new} | {self.table, self.folder}:
            sync_folder(folder)
        manifest = _manifest(self.table, version)
        shutil.copyfile(manifest, self._manifests / manifest.name)
        sync_file(self._manifests / manifest.name)
        sync_folder(self._manifests)
        line = Commit(version, {path.relative_to(self.table).as_posix(): digest_file(path) for path in new})
        with self._log.open("a", encoding="utf8") as log:
            log.write(json.dumps(line.__dict__) + "\n")
            log.flush()
            os.fsync(log.fileno())
        kept = sorted(self._manifests.iterdir(), key=_version_of_manifest)
        for old in kept[:-KEPT_MANIFESTS]:
            old.unlink()
        return version

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


def _data_files(fragment: Any) -> list[Path]:
    return [Path(file.path) for file in fragment.data_files()]


def _version_of_manifest(path: Path) -> int:
    """Lance counts manifest names down from 2**64 - 1 so that the newest sorts first."""
    number = int(path.stem)
    return number if number < 1 << 63 else (1 << 64) - 1 - number


def _manifest(table: Path, version: int) -> Path:
    return next(path for path in (table / "_versions").glob("*.manifest") if _version_of_manifest(path) == version)

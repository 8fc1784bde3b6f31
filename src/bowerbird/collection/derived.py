"""Index files that a collection's rows and packs give: memory-mapped, thrown away and rebuilt at any time.

One folder per version of the collection. Row r of every array is the r-th live row of that version.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Sparse
from bowerbird.errors import CollectionError
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.index.lexical import LexicalIndex
from bowerbird.storage.packs import Pack

GROUPING = frozenset({"page", "image", "shot", "segment"})
"""Kinds that stand for everything inside them when hits are grouped."""

Arrays = dict[str, NDArray[Any]]


class Derived:
    """The index files of one version. Raises ValueError or OSError if they are missing, cut off or damaged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        manifest = json.loads((folder / "manifest.json").read_text("utf8"))
        self.packs: list[str] = manifest["packs"]
        self.count: int = manifest["rows"]
        self._dense: dict[str, str] = manifest["dense"]
        self._indexes: dict[str, DenseSegment | None] = {}
        self._arrays: Arrays = {}
        for name, (size, crc) in manifest["files"].items():
            if (folder / name).stat().st_size != size:
                raise ValueError(f"cut off index file {name}")
            # vectors take long to read, choose only candidates, and are checked by `verify`
            if not name.endswith(".pack") and _crc(folder / name) != crc:
                raise ValueError(f"damaged index file {name}")

    def verify(self) -> list[str]:
        """Names of the files of vectors that are damaged."""
        damaged = []
        for name in self._dense.values():
            try:
                Pack(self._folder / name).verify()
            except CollectionError:
                damaged.append(name)
        return damaged

    def array(self, name: str) -> NDArray[Any]:
        """A mapped array, opened once."""
        if name not in self._arrays:
            self._arrays[name] = np.load(self._folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)
        return self._arrays[name]

    @cached_property
    def lexical(self) -> LexicalIndex:
        return LexicalIndex.open(self._folder, self.count)

    def dense(self, field: str) -> DenseSegment | None:
        """The vectors of a field, keyed by row; None if it has none."""
        if field not in self._indexes:
            name = self._dense.get(field)
            self._indexes[field] = None if name is None else DenseSegment.open(self._folder / name)
        return self._indexes[field]


def open_or_build(
    home: Path, version: int, columns: Mapping[str, Sequence[Any]], packs: Mapping[str, Pack], fields: Sequence[str]
) -> Derived:
    """The index files of a version below `home`, built if they are not there or damaged."""
    folder = home / f"v{version}"
    if folder.exists():
        try:
            return Derived(folder)
        except (ValueError, OSError, KeyError):
            shutil.rmtree(folder, ignore_errors=True)
    try:
        home.mkdir(exist_ok=True)
        return _build(home, version, columns, packs, fields)
    except OSError:  # a read-only folder or a full disk: search from a place of our own
        return _build(Path(tempfile.mkdtemp(prefix="bowerbird-")), version, columns, packs, fields)


def _build(
    home: Path, version: int, columns: Mapping[str, Sequence[Any]], packs: Mapping[str, Pack], fields: Sequence[str]
) -> Derived:
    """Write the files of a version aside and put them in place as a whole."""
    fresh = Path(tempfile.mkdtemp(prefix="building-", dir=home))
    try:
        _write(fresh, columns, packs, fields, newest(home))
        fresh.rename(home / f"v{version}")
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        if not (home / f"v{version}").exists():  # otherwise another process was first
            raise
    _forget_older(home, version)
    return Derived(home / f"v{version}")


def newest(home: Path) -> Derived | None:
    """The index files of the newest version that has whole ones."""
    versions = [path for path in home.glob("v*") if path.name[1:].isdigit()]
    for folder in sorted(versions, key=lambda path: -int(path.name[1:])):
        try:
            return Derived(folder)
        except (ValueError, OSError, KeyError):
            continue
    return None


def _forget_older(home: Path, version: int) -> None:
    """Drop older versions and leftovers of crashes; on POSIX, readers keep what they have mapped."""
    for folder in home.iterdir():
        older = folder.name.startswith("v") and folder.name[1:].isdigit() and int(folder.name[1:]) < version
        left_over = folder.name.startswith("building-") and folder.stat().st_mtime < home.stat().st_mtime - 3600
        if older or left_over:
            shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path,
    columns: Mapping[str, Sequence[Any]],
    packs: Mapping[str, Pack],
    fields: Sequence[str],
    before: Derived | None,
) -> None:
    names = sorted(set(columns["pack"]))
    pack_of = np.searchsorted(np.array(names or [""]), np.array(columns["pack"], str)) if names else np.zeros(0, int)
    slots = np.array(columns["slot"], np.int64)
    arrays = _structure(columns)
    arrays["pack"], arrays["slot"] = pack_of.astype(np.int32), slots.astype(np.int32)
    mine = [np.flatnonzero(pack_of == number) for number in range(len(names))]
    dense = {}
    for field in fields:
        held = _field(field, [packs[name] for name in names], mine, slots)
        arrays[f"{field}.token_row"] = held.token_row
        if len(held.rows):
            known = before.dense(field) if before is not None else None
            build = DenseSegment.build if known is None or known.dim != held.vectors.shape[1] else known.rebuilt
            dense[field] = build(held.rows, held.vectors).save(folder)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    LexicalIndex.build(_terms([packs[name] for name in names], mine, slots)).save(folder)
    files = {path.name: (path.stat().st_size, _crc(path)) for path in sorted(folder.iterdir())}
    manifest = {"rows": len(slots), "packs": names, "files": files, "dense": dense}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf8")


def _structure(columns: Mapping[str, Sequence[Any]]) -> Arrays:
    """Ids, kinds, and the rows of every row's parent, group and document."""
    ids = np.array(columns["id"], str)
    kinds = np.array(columns["kind"], str)
    row_of = {name: row for row, name in enumerate(columns["id"])}
    parents = np.array([row_of.get(parent, -1) for parent in columns["parent"]], np.int64)
    documents = np.arange(len(ids))
    groups = np.where(np.isin(kinds, list(GROUPING)), documents, -1)
    above = parents.copy()
    while (above >= 0).any():  # one turn per level of nesting
        up = above >= 0
        documents[up] = above[up]
        leads = up & (groups < 0) & np.isin(kinds[above], list(GROUPING))
        groups[leads] = above[leads]
        above[up] = parents[above[up]]
    groups[groups < 0] = np.flatnonzero(groups < 0)
    return {
        "ids": ids, "order": np.argsort(ids), "kinds": kinds,
        "parents": parents, "documents": documents, "groups": groups,
    }  # fmt: skip


@dataclass(frozen=True)
class _Field:
    """What rows have in a field: rows and their vectors, n × dim; per row where its tokens lie, -1 for none."""

    rows: NDArray[np.int64]
    vectors: NDArray[np.float16]
    token_row: NDArray[np.int32]


def _field(field: str, packs: Sequence[Pack], mine: Sequence[NDArray[np.int64]], slots: NDArray[np.int64]) -> _Field:
    """Collect the vectors of a field in row order."""
    vectors, rows = [], []
    token_row = np.full(len(slots), -1, np.int32)
    for pack, of_pack in zip(packs, mine, strict=True):
        if f"{field}.slots" not in pack:
            continue
        row_of_slot = np.full(int(slots[of_pack].max()) + 1, -1, np.int64)
        row_of_slot[slots[of_pack]] = of_pack
        field_slots = pack.checked(f"{field}.slots")
        inside = field_slots < len(row_of_slot)
        field_rows = np.full(len(field_slots), -1, np.int64)
        field_rows[inside] = row_of_slot[field_slots[inside]]
        live = np.flatnonzero(field_rows >= 0)
        if f"{field}.dense" in pack:
            vectors.append(pack.checked(f"{field}.dense")[live])
            rows.append(field_rows[live])
        if f"{field}.tokens" in pack:
            token_row[field_rows[live]] = live
    if not vectors:
        return _Field(np.zeros(0, np.int64), np.zeros((0, 1), np.float16), token_row)
    all_rows = np.concatenate(rows)
    order = np.argsort(all_rows)
    return _Field(all_rows[order], np.concatenate(vectors)[order], token_row)


def _terms(packs: Sequence[Pack], mine: Sequence[NDArray[np.int64]], slots: NDArray[np.int64]) -> Sparse:
    """Term counts in row order."""
    lengths = np.zeros(len(slots), np.int64)
    pieces = []
    for pack, rows in zip(packs, mine, strict=True):
        offsets = pack.checked("lexical.offsets")
        lengths[rows] = np.diff(offsets)[slots[rows]]
        pieces.append((rows, offsets, pack.checked("lexical.terms"), pack.checked("lexical.counts")))
    offsets_out = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    terms = np.zeros(int(offsets_out[-1]), np.uint64)
    counts = np.zeros(int(offsets_out[-1]), np.float32)
    for rows, offsets, pack_terms, pack_counts in pieces:
        take = _ranges(offsets[slots[rows]], lengths[rows])
        put = _ranges(offsets_out[rows], lengths[rows])
        terms[put], counts[put] = pack_terms[take], pack_counts[take]
    return Sparse(terms, counts, offsets_out)


def _ranges(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """starts[i], starts[i] + 1, … lengths[i] of them, for all i in a row."""
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else np.zeros(0, np.int64)
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            value = zlib.crc32(block, value)
    return value

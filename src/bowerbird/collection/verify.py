"""Checking every byte of a collection against its checksum, and making again what is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bowerbird.collection.ingest import MADE_BY_PROGRAM
from bowerbird.collection.row_checks import fits, has_checks
from bowerbird.collection.schema import schema
from bowerbird.collection.store import Store, data_files
from bowerbird.errors import CollectionError
from bowerbird.storage.packs import Pack

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """problems: one line each. paths: the source files that lost something. repaired: what was made again.

    lost: what could not be repaired, one line each.
    """

    problems: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass
class Damage:
    """What is damaged. files: of the table. paths: the sources that lost something; missing: all of them."""

    files: list[Path]
    problems: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    fragments: dict[int, pa.Table] = field(default_factory=dict)
    """Damaged parts of the table by number, and those of their rows that can be read."""
    unreadable: list[str] = field(default_factory=list)
    """Rows that are gone and of which nobody knows where they came from, one line for each part of the table."""

    def sources(self) -> list[str]:
        """The sources that are there to be read again."""
        return sorted(path for path in self.paths if is_there(path))

    def lost(self) -> list[str]:
        """What cannot be made again, one line each."""
        gone = sorted(path for path in self.paths if not is_there(path))
        return [_lost(path, path in self.missing) for path in gone] + self.unreadable


def is_there(path: str) -> bool:
    return not path.startswith(MADE_BY_PROGRAM) and Path(path).is_file()


def _lost(path: str, missing: bool) -> str:
    name = path.removeprefix(MADE_BY_PROGRAM)
    why = f"{name} has no source file any more from which it could be read again"
    return f"{why}; nothing of it is left" if missing else f"{why}; it stays until: bowerbird remove '{name}'"


def find_damage(store: Store) -> Damage:
    """What is damaged, and whose items it held."""
    damage = Damage(store.damaged_files())
    damage.problems += [f"{path.relative_to(store.folder)} is damaged" for path in damage.files]
    packs, known, stored = _Packs(store.folder / "packs"), store.known_paths(), set[str]()
    for fragment in store.dataset().get_fragments():
        stored |= _check_fragment(damage, fragment, packs, known)
    damage.problems += packs.problems
    damage.missing = set() if known is None else known - stored
    damage.problems += [f"{path.removeprefix(MADE_BY_PROGRAM)} is missing" for path in sorted(damage.missing)]
    damage.paths |= damage.missing
    return damage


class _Packs:
    """Packs by name, verified; None for damaged ones."""

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._folder = folder
        self._found: dict[str, Pack | None] = {}

    def __getitem__(self, name: str) -> Pack | None:
        if name not in self._found:
            self._found[name] = None
            try:
                pack = Pack(self._folder / name)
                pack.verify()
                self._found[name] = pack
            except (CollectionError, ValueError) as error:  # a name with a zero byte
                self.problems.append(str(error).split(";")[0])
        return self._found[name]


def _check_fragment(damage: Damage, fragment: Any, packs: _Packs, known: set[str] | None) -> set[str]:
    """Note what is wrong with one part of the table. The paths that it holds."""
    table, suspect = _readable(fragment), _is_suspect(fragment, damage.files)
    rows, incomplete = table.to_pylist(), table.num_rows < fragment.metadata.num_rows
    good = [_is_good(row, suspect, packs) for row in rows]
    kept = [n for n, row in enumerate(rows) if good[n] or known is None or row["path"] in known]
    paths = {rows[n]["path"] for n in kept}
    bad = {rows[n]["path"] for n in kept if not good[n]}
    damage.paths |= paths if incomplete or len(kept) < len(rows) else bad
    if suspect or incomplete or len(kept) < len(rows):
        damage.fragments[fragment.fragment_id] = _taken(table, kept)
    if incomplete and known is None:
        named = _paths(fragment)
        damage.paths |= named
        damage.unreadable += [] if named else [f"items in {_name(fragment)}: nobody knows whose; add the files again"]
    if not suspect:
        damage.problems += [f"{_name(fragment)} cannot be read"] if incomplete else []
        wrong = {rows[n]["path"] for n in kept if not good[n] and packs[rows[n]["pack"]] is not None}
        damage.problems += [f"items of {path.removeprefix(MADE_BY_PROGRAM)} are damaged" for path in sorted(wrong)]
    return paths


def _is_good(row: Mapping[str, Any], suspect: bool, packs: _Packs) -> bool:
    """Whether a row and what its pack holds are as they were stored. suspect: the file of the row is damaged."""
    pack = packs[row["pack"]]
    return pack is not None and fits(row, pack) and (has_checks(pack) or not suspect)


def _is_suspect(fragment: Any, damaged: Iterable[Path]) -> bool:
    """Whether a file of some rows is damaged, or the list of those that are deleted."""
    data = {Path(path).name for path in data_files(fragment)}
    deleted = f"{fragment.fragment_id}-"
    return any(
        path.name in data or (path.parent.name == "_deletions" and path.name.startswith(deleted)) for path in damaged
    )


def _name(fragment: Any) -> str:
    return f"items.lance/data/{Path(data_files(fragment)[0]).name}"


def _readable(fragment: Any) -> pa.Table:
    """Those rows of a part of the table that can be read."""
    try:
        table = fragment.to_table(columns=schema().names).cast(schema())
    except (OSError, ValueError):
        return schema().empty_table()
    return _taken(table, [number for number in range(table.num_rows) if _is_text(table.slice(number, 1))])


def _taken(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    return table.take(np.array(rows, np.int64))


def _is_text(row: pa.Table) -> bool:
    """Whether the strings of a row are UTF-8."""
    try:
        row.to_pylist()
    except ValueError:
        return False
    return True


def _paths(fragment: Any) -> set[str]:
    """The sources of rows that cannot be read as a whole; none if not even these can be read."""
    with suppress(OSError, ValueError):
        return set(fragment.to_table(columns=["path"])["path"].to_pylist())
    return set()

"""The live rows of one version of the table, as far as the derived index must know them to see what has changed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("id", "kind", "parent", "pack", "slot")


@dataclass(frozen=True)
class RowTexts:
    """What some rows say. numbers: the table's own, which stay with a row until it is deleted."""

    ids: NDArray[np.str_]
    kinds: NDArray[np.str_]
    parents: NDArray[np.str_]
    packs: NDArray[np.str_]
    slots: NDArray[np.int32]
    numbers: NDArray[np.uint64]

    @cached_property
    def prints(self) -> NDArray[np.uint32]:
        """A short hash of all that a row says here."""
        columns = (self.ids, self.kinds, self.parents, self.packs, self.slots.astype(str))
        texts = zip(*(column.tolist() for column in columns), strict=True)
        return np.array([zlib.crc32("\0".join(row).encode("utf-8", "surrogatepass")) for row in texts], np.uint32)

    def __getitem__(self, rows: NDArray[Any]) -> RowTexts:
        texts = self.ids[rows], self.kinds[rows], self.parents[rows], self.packs[rows]
        return RowTexts(*texts, self.slots[rows], self.numbers[rows])


@dataclass(frozen=True)
class _Fragment:
    """A part of the table: its data files, never changed, and which of their rows are deleted."""

    fragment: Any
    files: tuple[str, ...]
    deleted: str
    count: int
    """Live rows."""


class Live:
    """Rows are numbered 0 … n - 1 in the order of the table, as `Snapshot` numbers them."""

    def __init__(self, dataset: Any) -> None:
        self.version = int(dataset.version)
        self._dataset = dataset
        self._fragments = [_described(fragment) for fragment in dataset.get_fragments()]

    @cached_property
    def state(self) -> str:
        """Names the version by its files, as a number may be given again when a damaged version is put aside."""
        known = [(part.files, part.deleted) for part in self._fragments]
        return blake2b(json.dumps(known).encode(), digest_size=16).hexdigest()

    @property
    def files(self) -> frozenset[str]:
        return frozenset(name for part in self._fragments for name in part.files)

    def numbers(self) -> NDArray[np.uint64]:
        """The table's number of every row."""
        found: NDArray[np.uint64] = self._dataset.to_table(columns=[], with_row_id=True)["_rowid"].to_numpy()
        return found

    def unknown(self, known: frozenset[str], missing: NDArray[np.bool_]) -> list[int]:
        """Numbers of the fragments that have a file which is not known, or a row that is missing."""
        first = np.cumsum([0, *(part.count for part in self._fragments)])
        return [
            number
            for number, part in enumerate(self._fragments)
            if not known.issuperset(part.files) or missing[first[number] : first[number + 1]].any()
        ]

    def read(self, fragments: Sequence[int]) -> tuple[NDArray[np.int64], RowTexts]:
        """The rows of some fragments, and what they say."""
        first = np.cumsum([0, *(part.count for part in self._fragments)])
        rows = [np.zeros(0, np.int64), *(np.arange(first[number], first[number + 1]) for number in fragments)]
        chosen = [self._fragments[number].fragment for number in fragments]
        found = self._dataset.scanner(fragments=chosen, columns=list(COLUMNS), with_row_id=True) if chosen else None
        table = self._dataset.schema.empty_table() if found is None else found.to_table()
        ids, kinds, parents, packs = (_strings(table[name]) for name in ("id", "kind", "parent", "pack"))
        numbers = np.zeros(0, np.uint64) if found is None else table["_rowid"].to_numpy()
        slots = table["slot"].to_numpy().astype(np.int32)
        return np.concatenate(rows), RowTexts(ids, kinds, parents, packs, slots, numbers)


def _described(fragment: Any) -> _Fragment:
    metadata = fragment.metadata
    gone = metadata.deletion_file
    deleted = "" if gone is None else f"{gone.read_version}-{gone.id}"
    return _Fragment(fragment, tuple(file.path for file in metadata.files), deleted, metadata.num_rows)


def _strings(column: Any) -> NDArray[np.str_]:
    """Without nulls."""
    return np.array(column.fill_null("").to_pylist() or [""], str)[: len(column)]

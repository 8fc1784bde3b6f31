"""A segment of the derived index: everything that a search needs of some rows, written once, in one file.

Row r of a segment is the r-th of the rows it was made from. Rows of other segments are never named by number: a parent
that lies elsewhere is kept by its id.

    ids, kinds, order            strings; the rows sorted by id
    numbers uint64, prints uint32    the row's number in the table, given again only if a version is lost; what it says
    parents, documents, groups   int32 rows; parents -1 where there is none, or it lies elsewhere:
    elsewhere, elsewhere_ids     the rows of which that is so, and the ids of their parents
    pack, slot int32             where vectors and pictures are stored; the packs' names are in the head
    lexical.*                    counts of terms (index/lexical.py)
    F.token_row int32            where a field's token vectors lie in the pack, -1 for none
    F.dense.*                    the vectors of a field, keyed by row (index/dense_segment.py)
    F.late.*                     the centroids of its tokens (index/multivector/nominator.py), keyed by row: where there
                                 are many tokens, and no vectors to find candidates by
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.contents import Contents, FieldRows
from bowerbird.collection.open_packs import OpenPack
from bowerbird.collection.stored_tokens import StoredTokens
from bowerbird.index.dense_segment import DenseSegment, coding_for
from bowerbird.index.lexical import Counts, Postings
from bowerbird.index.multivector.nominator import Nominator
from bowerbird.storage.checked import CheckedFile, write_checked

GROUPING = ("page", "image", "shot", "segment")
"""Kinds that stand for everything inside them when hits are grouped."""
SUFFIX = ".segment"
NOMINATED = 1 << 16
"""Tokens of a segment from which centroids say which rows a query is compared with; all rows take no longer before."""
NESTING = 1000
"""Levels of parents that are followed; more there are only where items lie in each other."""

Rows = NDArray[np.int64]
Arrays = Mapping[str, NDArray[Any]]


class Segment:
    """Arrays in memory or in a file. Raises DamagedFile when an array of a damaged file is first read."""

    def __init__(self, head: Mapping[str, Any], arrays: Arrays, name: str = "") -> None:
        self.name = name
        self.count: int = head["rows"]
        self.packs: list[str] = head["packs"]
        self.fields: dict[str, str] = head["fields"]
        """Encoder id per field."""
        self.late_tokens: int = sum(head.get("late", {}).values())
        """Tokens of fields that have no vectors."""
        self._head, self._arrays = head, arrays
        self._dense: dict[str, DenseSegment | None] = {}
        self._late: dict[str, Nominator | None] = {}

    @classmethod
    def build(
        cls, contents: Contents, fields: Mapping[str, str], open_pack: Callable[[str], OpenPack] | None
    ) -> Segment:
        """In memory. open_pack: how tokens are read; without it their centroids are not learned.

        Raises CollectionError if a pack is damaged.
        """
        late: dict[str, int] = {}
        arrays = {**_structure(contents), **Postings.build(contents.words, len(contents.ids)).arrays}
        for field, held in contents.fields.items():
            arrays[f"{field}.token_row"] = held.token_row
            if len(held.rows):
                fits = held.known is not None and held.known.dim == held.vectors.shape[1]
                build = held.known.rebuilt if fits and held.known is not None else DenseSegment.build
                made = build(held.rows, held.vectors, coding=coding_for(len(held.rows))).arrays
                arrays |= {f"{field}.dense.{name}": array for name, array in made.items()}
            elif open_pack is not None:
                tokens = _tokens(contents, field, open_pack)
                late[field] = int(tokens.lengths.sum())
                made = Nominator.build(tokens).arrays if late[field] >= NOMINATED else {}
                arrays |= {f"{field}.late.{name}": array for name, array in made.items()}
        head = {"rows": len(contents.ids), "packs": list(contents.packs), "fields": dict(fields), "late": late}
        return cls(head, arrays)

    @classmethod
    def open(cls, path: Path) -> Segment:
        """Raises DamagedFile."""
        file = CheckedFile(path)
        return cls(file.head, file, path.name)

    def saved(self, folder: Path) -> Segment:
        """The same segment, mapped from a file in a folder. Raises OSError, DamagedFile."""
        return self.open(folder / write_checked(folder, SUFFIX, self._head, self._arrays))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    @cached_property
    def postings(self) -> Postings:
        return Postings.of(self._arrays)

    def dense(self, field: str) -> DenseSegment | None:
        """The vectors of a field, keyed by row; None if it has none."""
        if field not in self._dense:
            arrays = self._below(f"{field}.dense.")
            self._dense[field] = DenseSegment(arrays) if arrays else None
        return self._dense[field]

    def late(self, field: str) -> Nominator | None:
        """The centroids of a field's tokens, keyed by row; None where all rows are compared."""
        if field not in self._late:
            arrays = self._below(f"{field}.late.")
            self._late[field] = Nominator(arrays) if arrays else None
        return self._late[field]

    def _below(self, start: str) -> dict[str, NDArray[Any]]:
        return {name.removeprefix(start): self._arrays[name] for name in self._arrays if name.startswith(start)}

    def find(self, names: NDArray[np.str_]) -> Rows:
        """Rows of items by id; -1 where there is no such item. Reads O(log n) ids of each."""
        ids, order = self["ids"], self["order"]
        low, high = np.zeros(len(names), np.int64), np.full(len(names), len(order))
        while (open_ := low < high).any():
            middle = (low + high) // 2
            below = open_ & (ids[order[np.minimum(middle, len(order) - 1)]] < names)
            low, high = np.where(below, middle + 1, low), np.where(open_ & ~below, middle, high)
        if not len(order):
            return np.full(len(names), -1, np.int64)
        found = order[np.minimum(low, len(order) - 1)]
        return np.where(ids[found] == names, found, -1)

    def contents(self, chosen: Rows) -> Contents:
        """What a segment of these rows, which ascend, is made from."""
        new_row = np.full(len(self), -1, np.int32)
        new_row[chosen] = np.arange(len(chosen), dtype=np.int32)
        words = self.postings.found()
        kept = new_row[words.rows] >= 0
        packs, pack = np.unique(self["pack"][chosen], return_inverse=True)
        return Contents(
            self["ids"][chosen],
            self["kinds"][chosen],
            self.parent_ids(chosen),
            self["numbers"][chosen],
            self["prints"][chosen],
            tuple(self.packs[number] for number in packs),
            pack.astype(np.int32),
            self["slot"][chosen],
            Counts(words.terms[kept], new_row[words.rows[kept]], words.counts[kept]),
            {field: self._field(field, chosen, new_row) for field in self.fields},
        )

    def _field(self, field: str, chosen: Rows, new_row: NDArray[np.int32]) -> FieldRows:
        token_row, dense = self[f"{field}.token_row"][chosen], self.dense(field)
        if dense is None:
            return FieldRows(np.zeros(0, np.int64), np.zeros((0, 1), np.float16), token_row)
        at = np.flatnonzero(new_row[dense.keys] >= 0)
        at = at[np.argsort(new_row[dense.keys[at]])]
        vectors = np.asarray(dense.vectors[at], np.float16)
        return FieldRows(new_row[dense.keys[at]].astype(np.int64), vectors, token_row, dense)

    def parent_ids(self, rows: Rows) -> NDArray[np.str_]:
        """Ids of the parents of rows, wherever these are; empty for roots."""
        parents, elsewhere = self["parents"][rows], self["elsewhere"]
        ids = np.where(parents >= 0, self["ids"][parents], "")
        if len(elsewhere):
            at = np.minimum(np.searchsorted(elsewhere, rows), len(elsewhere) - 1)
            ids = np.where(elsewhere[at] == rows, self["elsewhere_ids"][at], ids)
        return ids

    def bytes_of(self, field: str) -> int:
        """Bytes of the index of a field, of the words for 'lexical'."""
        start = ("lexical.",) if field == "lexical" else (f"{field}.dense.", f"{field}.late.")
        if isinstance(self._arrays, CheckedFile):
            return sum(self._arrays.size(name) for name in self._arrays if name.startswith(start))
        return sum(array.nbytes for name, array in self._arrays.items() if name.startswith(start))


def _tokens(contents: Contents, field: str, open_pack: Callable[[str], OpenPack]) -> StoredTokens:
    """Of the rows that have some."""
    place = contents.fields[field].token_row
    rows = np.flatnonzero(place >= 0)
    return StoredTokens(field, open_pack, contents.packs, contents.pack[rows], place[rows])


def _structure(contents: Contents) -> dict[str, NDArray[Any]]:
    """Ids and kinds, and the rows of every row's parent, group and document."""
    row_of = {name: row for row, name in enumerate(contents.ids.tolist())}
    parents = np.array([row_of.get(parent, -1) for parent in contents.parents.tolist()], np.int32)
    documents, groups = families(parents, np.isin(contents.kinds, GROUPING))
    elsewhere = np.flatnonzero((parents < 0) & (contents.parents != ""))
    return {
        "ids": contents.ids, "kinds": contents.kinds, "order": np.argsort(contents.ids).astype(np.int32),
        "numbers": contents.numbers, "prints": contents.prints, "pack": contents.pack, "slot": contents.slot,
        "parents": parents, "documents": documents, "groups": groups,
        "elsewhere": elsewhere.astype(np.int32), "elsewhere_ids": contents.parents[elsewhere],
    }  # fmt: skip


def families(parents: NDArray[np.int32], leads: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The outermost row that every row lies in, and the innermost that leads a group, by its parent (-1 for none).

    leads: the rows that stand for everything inside them. A row outside of all groups is a group of its own. Rows that
    lie in each other end at one of them.
    """
    documents = np.arange(len(parents), dtype=np.int32)
    groups = np.where(leads, documents, -1).astype(np.int32)
    above = parents.copy()
    for _ in range(NESTING):  # one turn per level of nesting
        up = np.flatnonzero(above >= 0)
        if not len(up):
            break
        higher = above[up]
        documents[up] = higher
        inside = (groups[up] < 0) & leads[higher]
        groups[up[inside]] = higher[inside]
        above[up] = parents[higher]
    alone = groups < 0
    groups[alone] = np.flatnonzero(alone)
    return documents, groups

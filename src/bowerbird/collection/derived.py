"""What a search reads of one version: several segments as if they were one. Rows are those of the version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.generations import Generation
from bowerbird.collection.segment import GROUPING, families
from bowerbird.embeddings import Dense, Floats
from bowerbird.index.base import Found
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.index.kernels import Query
from bowerbird.index.lexical import LexicalIndex
from bowerbird.index.multivector.nominator import Nominator

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FieldIndex:
    """The index of a field, or of words. bytes: on disk."""

    field: str
    index: str
    rows: int
    segments: int
    bytes: int


class Derived:
    """Raises DamagedFile when something that a damaged file holds is first asked for."""

    def __init__(self, generation: Generation) -> None:
        self._segments, self._place, self._first = generation.segments, generation.place, generation.first
        self.count = len(self._place)
        self.packs = [name for segment in self._segments for name in segment.packs]
        self._dense: dict[str, DenseRows] = {}
        self._late: dict[str, TokenRows] = {}

    @cached_property
    def _whole(self) -> bool:
        """Whether positions are rows."""
        return len(self._segments) == 1 and np.array_equal(self._place, np.arange(len(self._segments[0])))

    @cached_property
    def _row_of(self) -> Rows:
        """The row of every position; -1 for what is gone."""
        rows = np.full(int(self._first[-1]), -1, np.int64)
        rows[self._place] = np.arange(self.count)
        return rows

    def column(self, name: str, kind: Any = str) -> NDArray[Any]:
        """An array of the segments for all rows."""
        if self._whole:
            return self._segments[0][name]
        whole: NDArray[Any] = np.concatenate([np.zeros(0, kind), *(segment[name] for segment in self._segments)])
        return whole[self._place]

    def at(self, name: str, rows: Rows, kind: Any = str) -> NDArray[Any]:
        """An array of the segments for some rows."""
        if not len(self._segments):
            return np.zeros(len(rows), kind)
        positions = self._place[rows]
        owner = np.searchsorted(self._first, positions, side="right") - 1
        arrays = [segment[name] for segment in self._segments]
        found = np.zeros(len(rows), np.result_type(*arrays))
        for number in np.unique(owner):
            mine = owner == number
            found[mine] = arrays[number][positions[mine] - self._first[number]]
        return found

    def rows_of(self, ids: NDArray[np.str_]) -> Rows:
        """Rows by id; -1 where there is no such item."""
        found = np.full(len(ids), -1, np.int64)
        for segment, first in zip(self._segments, self._first, strict=False):
            rows = segment.find(ids)
            here = rows >= 0
            here[here] = self._row_of[first + rows[here]] >= 0
            found[here] = self._row_of[first + rows[here]]
        return found

    def pack(self, rows: Rows) -> Rows:
        """The numbers, in `packs`, of the packs that rows lie in."""
        known = np.cumsum([0, *(len(segment.packs) for segment in self._segments)])
        owner = np.searchsorted(self._first, self._place[rows], side="right") - 1
        numbers: Rows = known[owner] + self.at("pack", rows, np.int32)
        return numbers

    @cached_property
    def parents(self) -> Rows:
        """Row of the parent, -1 for roots."""
        return self._moved("parents") if self._apart is None else self._apart[0]

    @cached_property
    def documents(self) -> Rows:
        """Row of the outermost item around a row."""
        return self._moved("documents") if self._apart is None else self._apart[1]

    @cached_property
    def groups(self) -> Rows:
        """Row of the page, picture, shot or segment around a row; itself if there is none."""
        return self._moved("groups") if self._apart is None else self._apart[2]

    def _moved(self, name: str) -> Rows:
        """Rows of segments, as rows; -1 where they are gone or none."""
        found = [np.zeros(0, np.int64)]
        for segment, first in zip(self._segments, self._first, strict=False):
            local = segment[name]
            found.append(np.where(local >= 0, self._row_of[first + local], -1))
        rows: Rows = np.concatenate(found)[self._place]
        return rows

    @cached_property
    def _apart(self) -> tuple[Rows, Rows, Rows] | None:
        """Parents, documents and groups if some parent is not in the segment of its child; None if all are."""
        parents = self._moved("parents")
        orphans = [np.zeros(0, np.int64)]
        for segment, first in zip(self._segments, self._first, strict=False):
            orphans.append(self._row_of[first + segment["elsewhere"]])
        lost = (self.column("parents", np.int32) >= 0) & (parents < 0)
        wanted = np.concatenate([*orphans, np.flatnonzero(lost)])
        wanted = wanted[wanted >= 0]
        if not len(wanted):
            return None
        parents = parents.copy()
        parents[wanted] = self.rows_of(self._parent_ids(wanted))
        documents, groups = families(parents.astype(np.int32), np.isin(self.column("kinds"), GROUPING))
        return parents, documents.astype(np.int64), groups.astype(np.int64)

    def _parent_ids(self, rows: Rows) -> NDArray[np.str_]:
        positions = self._place[rows]
        owner = np.searchsorted(self._first, positions, side="right") - 1
        found = np.zeros(len(rows), object)
        for number in np.unique(owner):
            mine = owner == number
            found[mine] = self._segments[number].parent_ids(positions[mine] - self._first[number])
        return found.astype(str)

    def sample(self, rows: Rows, count: int) -> Rows:
        """Up to `count` of some rows, ascending; nearly the same ones in the next version."""
        if len(rows) <= count:
            return rows
        lots = self.column("numbers", np.uint64)[rows] * np.uint64(0x9E3779B97F4A7C15)
        lots = (lots ^ (lots >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        return np.sort(rows[np.argpartition(lots ^ (lots >> np.uint64(32)), count)[:count]])

    @cached_property
    def lexical(self) -> LexicalIndex:
        parts = [(one.postings, int(at)) for one, at in zip(self._segments, self._first, strict=False)]
        return LexicalIndex(parts, None if self._whole else self._row_of)

    def dense(self, field: str) -> DenseRows | None:
        """The vectors of a field; None if it has none."""
        if field not in self._dense:
            parts = [(one.dense(field), int(at)) for one, at in zip(self._segments, self._first, strict=False)]
            held = [(index, at) for index, at in parts if index is not None]
            self._dense[field] = DenseRows(held, self._row_of, self.count)
        return self._dense[field] if len(self._dense[field]) else None

    def late(self, field: str) -> TokenRows:
        """The token vectors of a field."""
        if field not in self._late:
            parts = []
            for segment, first in zip(self._segments, self._first, strict=False):
                held = np.flatnonzero(segment[f"{field}.token_row"] >= 0)
                parts.append((segment.late(field), self._row_of[first + held]))
            self._late[field] = TokenRows(parts)
        return self._late[field]

    def indexes(self, fields: Sequence[str]) -> list[FieldIndex]:
        """Which index every field uses, and words."""
        count, sizes = len(self._segments), {}
        for field in ("lexical", *fields):
            sizes[field] = sum(segment.bytes_of(field) for segment in self._segments)
        found = [FieldIndex("words", "BM25", self.lexical.filled, count, sizes["lexical"])]
        for field in fields:
            index = self.dense(field) or self.late(field)
            if len(index):
                found.append(FieldIndex(field, index.name, len(index), index.segments, sizes[field]))
        return found


class TokenRows:
    """Token vectors of a field in several segments.

    parts: per segment what nominates its rows, None where all are compared, and its rows with tokens (-1 for what is
    gone).
    """

    def __init__(self, parts: Sequence[tuple[Nominator | None, Rows]]) -> None:
        self._parts = [(nominator, rows) for nominator, rows in parts if (rows >= 0).any()]

    def __len__(self) -> int:
        return sum(int(np.count_nonzero(rows >= 0)) for _, rows in self._parts)

    @property
    def segments(self) -> int:
        return len(self._parts)

    @property
    def name(self) -> str:
        """How it is searched."""
        centroids = sum(len(nominator.centroids) for nominator, _ in self._parts if nominator is not None)
        return f"MaxSim of those that {centroids} centroids nominate" if centroids else "MaxSim of all"

    def nominate(self, query: Query, k: int, allowed: Mask | None, recall: float) -> Rows:
        """Rows to compare a query with. allowed: a mask over rows."""
        found = [np.zeros(0, np.int64)]
        for nominator, rows in self._parts:
            usable = rows >= 0
            if allowed is not None:
                usable[usable] = allowed[rows[usable]]
            if nominator is None:
                found.append(rows[usable])
            else:
                mask = None if usable.all() else usable
                found.append(rows[nominator.nominate(query, k, usable=mask, recall=recall)])
        return np.concatenate(found)


class DenseRows:
    """The vectors of a field in several segments.

    parts: a segment's index, whose keys count from a position. row_of: the row of every position, -1 for what is gone.
    """

    def __init__(self, parts: Sequence[tuple[DenseSegment, int]], row_of: Rows, count: int) -> None:
        self._row_of, self._count = row_of, count
        held = [(index, first, row_of[first + index.keys]) for index, first in parts]
        self._parts = [(index, first, rows) for index, first, rows in held if (rows >= 0).any()]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def segments(self) -> int:
        return len(self._parts)

    @property
    def name(self) -> str:
        """How it is searched."""
        listed = [index for index, _, _ in self._parts if index.listed]
        if listed:
            forms = " and ".join(sorted({index.form for index in listed}))
            return f"{forms} in {sum(len(index.lists) for index in listed)} lists, re-scored"
        return "int8 scan, re-scored" if any(index.pass_bytes for index, _, _ in self._parts) else "exact scan"

    @property
    def dim(self) -> int:
        return self._parts[0][0].dim

    @cached_property
    def rows(self) -> Rows:
        """The rows that have a vector, ascending."""
        return np.flatnonzero(self._places[0] >= 0)

    @cached_property
    def _places(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Per row the part that holds its vector, -1 for none, and the vector's place there."""
        part, place = np.full(self._count, -1, np.int32), np.zeros(self._count, np.int32)
        for number, (_, _, rows) in enumerate(self._parts):
            here = np.flatnonzero(rows >= 0)
            part[rows[here]], place[rows[here]] = number, here
        return part, place

    def vectors(self, rows: Rows) -> Floats:
        """Vectors of rows that have one, m × dim float16."""
        part, place = self._places[0][rows], self._places[1][rows]
        found = np.zeros((len(rows), self.dim), np.float16)
        for number, (index, _, _) in enumerate(self._parts):
            mine = part == number
            found[mine] = index.vectors[place[mine]]
        return found

    def search(self, queries: Dense, k: int, allowed: Mask | None, recall: float) -> Found:
        """q queries → q × k rows (-1 pads) and inner products. allowed: a mask over rows."""
        parts = []
        for index, first, rows in self._parts:
            usable = rows >= 0
            if allowed is not None:
                usable[usable] = allowed[rows[usable]]
            found = index.search(queries, k, usable=None if usable.all() else usable, recall=recall)
            keys = np.where(found.keys >= 0, self._row_of[first + found.keys], -1)
            parts.append(Found(keys, found.scores))
        return Found.best(parts, len(queries), k)

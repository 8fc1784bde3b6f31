"""What a segment of the derived index is made from: what rows of the table say, and what their packs hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.live import RowTexts
from bowerbird.index.dense_segment import DenseSegment
from bowerbird.index.lexical import Counts
from bowerbird.storage.packs import Pack

Rows = NDArray[np.int64]
Members = Sequence[tuple[Pack, Rows, Rows]]
"""Packs with the rows that lie in them, and the slots of these rows."""


@dataclass(frozen=True)
class FieldRows:
    """What some rows have in a field: m rows with vectors, m × dim; per row where its tokens lie, -1 for none.

    known: an index of other vectors of the field, whose centroids may serve again.
    """

    rows: Rows
    vectors: NDArray[np.float16]
    token_row: NDArray[np.int32]
    known: DenseSegment | None = None


@dataclass(frozen=True)
class Contents:
    """Row by row. parents: ids, empty for roots. pack: numbers of `packs`."""

    ids: NDArray[np.str_]
    kinds: NDArray[np.str_]
    parents: NDArray[np.str_]
    numbers: NDArray[np.uint64]
    prints: NDArray[np.uint32]
    packs: tuple[str, ...]
    pack: NDArray[np.int32]
    slot: NDArray[np.int32]
    words: Counts
    fields: Mapping[str, FieldRows]

    @staticmethod
    def read(rows: RowTexts, pack_of: Callable[[str], Pack], fields: Sequence[str]) -> Contents:
        """Of rows of the table. Raises CollectionError if a pack is damaged."""
        packs, pack = np.unique(rows.packs, return_inverse=True)
        members = [
            (pack_of(str(name)), mine, rows.slots[mine].astype(np.int64))
            for name, mine in zip(packs, _split(pack, len(packs)), strict=True)
        ]
        return Contents(
            rows.ids,
            rows.kinds,
            rows.parents,
            rows.numbers,
            rows.prints,
            tuple(packs.tolist()),
            pack.astype(np.int32),
            rows.slots,
            _words(members),
            {field: _field(field, members, len(rows.ids)) for field in fields},
        )

    @staticmethod
    def joined(parts: Sequence[Contents]) -> Contents:
        """The rows of all parts, one after the other."""
        packs = tuple(sorted({name for part in parts for name in part.packs}))
        first = np.cumsum([0, *(len(part.ids) for part in parts)])[:-1]
        words = [
            part.words._replace(rows=part.words.rows + np.int32(at)) for part, at in zip(parts, first, strict=True)
        ]
        return Contents(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.kinds for part in parts]),
            np.concatenate([part.parents for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.prints for part in parts]),
            packs,
            np.concatenate([np.searchsorted(packs, part.packs).astype(np.int32)[part.pack] for part in parts]),
            np.concatenate([part.slot for part in parts]),
            Counts(*(np.concatenate(column) for column in zip(*words, strict=True))),
            {field: _joined_field([part.fields[field] for part in parts], first) for field in parts[0].fields},
        )


def _split(pack: NDArray[np.int64], count: int) -> list[Rows]:
    """The rows of every pack, ascending."""
    order = np.argsort(pack, kind="stable")
    return np.split(order, np.searchsorted(pack[order], np.arange(1, count)))


def _words(members: Members) -> Counts:
    found = []
    for pack, rows, slots in members:
        offsets = pack.checked("lexical.offsets")
        lengths = np.diff(offsets)[slots]
        take = _ranges(offsets[slots], lengths)
        counts = pack.checked("lexical.counts")[take]
        found.append((pack.checked("lexical.terms")[take], np.repeat(rows.astype(np.int32), lengths), counts))
    return Counts(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _field(field: str, members: Members, count: int) -> FieldRows:
    """The vectors of a field in row order."""
    found_rows, vectors = [np.zeros(0, np.int64)], []
    token_row = np.full(count, -1, np.int32)
    for pack, rows, slots in members:
        if f"{field}.slots" not in pack:
            continue
        field_slots = pack.checked(f"{field}.slots")
        row_of_slot = np.full(max(int(slots.max()), int(field_slots.max(initial=0))) + 1, -1, np.int64)
        row_of_slot[slots] = rows
        field_rows = row_of_slot[field_slots]
        live = np.flatnonzero(field_rows >= 0)
        if f"{field}.dense" in pack:
            vectors.append(pack.checked(f"{field}.dense")[live])
            found_rows.append(field_rows[live])
        if f"{field}.tokens" in pack:
            token_row[field_rows[live]] = live
    if not vectors:
        return FieldRows(found_rows[0], np.zeros((0, 1), np.float16), token_row)
    held = np.concatenate(found_rows)
    order = np.argsort(held)
    return FieldRows(held[order], np.concatenate(vectors)[order], token_row)


def _joined_field(parts: Sequence[FieldRows], first: Rows) -> FieldRows:
    filled = [(part, at) for part, at in zip(parts, first, strict=True) if len(part.rows)]
    token_row = np.concatenate([part.token_row for part in parts])
    if not filled:
        return FieldRows(parts[0].rows, parts[0].vectors, token_row)
    known = max((part.known for part, _ in filled if part.known is not None), key=len, default=None)
    rows = np.concatenate([part.rows + at for part, at in filled])
    return FieldRows(rows, np.concatenate([part.vectors for part, _ in filled]), token_row, known)


def _ranges(starts: Rows, lengths: Rows) -> Rows:
    """starts[i], starts[i] + 1, … lengths[i] of them, for all i in a row."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))

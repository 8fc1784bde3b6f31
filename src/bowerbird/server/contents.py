"""What a file holds, in its order: for turning pages, reading on, and jumping between the moments of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bowerbird.collection import Snapshot
from bowerbird.items import Item

PICTURED = ("page", "image", "shot", "figure")
"""Kinds that a file can be known by, best first."""


@dataclass(frozen=True)
class Part:
    """Entries `offset` and following of the `total` that a file holds, and the position of the item asked for."""

    root: Item
    total: int
    position: int
    offset: int
    items: Sequence[Item]


def contents(snapshot: Snapshot, row: int, offset: int | None, limit: int) -> Part:
    """The file of a row: its pages, pictures, passages, tables, stretches or shots.

    What lies on a page belongs to it and is no entry of its own. offset None puts the row in the middle.
    """
    root = int(snapshot.documents[row])
    inside = np.flatnonzero(snapshot.documents == root)
    entries = inside[(snapshot.groups[inside] == inside) & (inside != root)]
    if not len(entries):
        entries = inside[:1]  # a picture is all that its file holds
    position = int(np.searchsorted(entries, snapshot.groups[row]).clip(0, len(entries) - 1))
    if offset is None:
        offset = max(0, min(position - limit // 2, len(entries) - limit))
    shown = entries[offset : offset + limit]
    found = snapshot.items(np.concatenate([[root], shown]))
    return Part(found[0], len(entries), position, offset, found[1:])


def covers(snapshot: Snapshot, roots: Sequence[str]) -> list[str | None]:
    """Per file the id of its first page, picture or shot."""
    if not len(snapshot):
        return [None] * len(roots)
    pictured = np.flatnonzero(np.isin(snapshot.kinds, PICTURED))
    documents, first = np.unique(snapshot.documents[pictured], return_index=True)
    cover = dict(zip(documents.tolist(), pictured[first].tolist(), strict=True))
    rows = [cover.get(int(row)) for row in snapshot.rows_of(list(roots))]
    return [None if row is None else str(snapshot.ids[row]) for row in rows]


def files_with(snapshot: Snapshot, where: str) -> set[str]:
    """The root items of files that hold something that a filter selects."""
    if not len(snapshot):
        return set()
    documents = np.unique(snapshot.documents[snapshot.where(where)])
    return {str(name) for name in snapshot.ids[documents]}

"""The cells of a table on a PDF page: glyphs to rows, pieces of rows and texts, and what texts tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box, Table
from bowerbird.readers.pdf_glyphs import Glyphs
from bowerbird.readers.pdf_layout import joined

_NUMBER = re.compile(r"[(\[<>~±+−–—-]*[$€£¥]?\s*[(]?[\d.,:/×]*\d[\d.,:/±×()–-]*\s?(%|[a-zA-Z]{1,3})?[)\]*†‡]*", re.I)
SYMBOL = re.compile(r"[$€£¥%()\[\]]{0,2}|[•·▪◦●○■□►➢➤✓o§*–-]")
"""Cells that are only a sign, or empty."""
_OPENING = "$€£¥(["
_CLOSING = ("%", ")", "]", ")%")


@dataclass(frozen=True, slots=True)
class Found:
    """A table, its box in points as seen, and which glyphs of the page are in it."""

    box: Box
    cells: tuple[tuple[str, ...], ...]
    glyphs: NDArray[np.intp]
    bold_header: bool = False
    """Whether the first row is bold and the others are not."""

    def table(self, caption: str = "") -> Table:
        """With the first row as header where it reads like one: bold, or words above numbers."""
        first, rest = self.cells[0], self.cells[1:]
        numbers = numeric([cell for row in rest for cell in row])
        if rest and (self.bold_header or (numeric(first) < 0.5 and numeric(first) < numbers - 0.2)):
            return Table(rest, first, caption)
        return Table(self.cells, (), caption)


def glyphs_in(glyphs: Glyphs, box: Box, free: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Upright glyphs whose middle is in the box."""
    middle = (glyphs.boxes[:, :2] + glyphs.boxes[:, 2:]) / 2
    within = (middle[:, 0] > box[0]) & (middle[:, 0] < box[2]) & (middle[:, 1] > box[1]) & (middle[:, 1] < box[3])
    return np.flatnonzero(within & (glyphs.direction == 0) & (free if free is not None else True))


def around(glyphs: Glyphs, members: NDArray[np.intp]) -> Box:
    low, high = glyphs.boxes[members, :2].min(axis=0), glyphs.boxes[members, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def rows_of(glyphs: Glyphs, members: NDArray[np.intp]) -> list[list[int]]:
    """Glyphs by baseline, from top to bottom, each row from left to right."""
    if not len(members):
        return []
    middle = (glyphs.boxes[members, 1] + glyphs.boxes[members, 3]) / 2
    order = np.argsort(middle, kind="stable")
    jumps = np.diff(middle[order]) > 0.35 * glyphs.sizes[members[order[1:]]]
    rows = np.split(members[order], np.flatnonzero(jumps) + 1)
    return [row[np.argsort(glyphs.boxes[row, 0], kind="stable")].tolist() for row in rows]


def pieces_of_row(glyphs: Glyphs, row: list[int], gap: float = 1.0) -> list[list[int]]:
    """A row cut where neighbours are further apart than so many font sizes."""
    if not row:
        return []
    boxes, sizes = glyphs.boxes[row], glyphs.sizes[row]
    cuts = np.flatnonzero(boxes[1:, 0] - boxes[:-1, 2] > gap * sizes[1:]) + 1
    return [piece.tolist() for piece in np.split(np.array(row), cuts)]


def cell_text(glyphs: Glyphs, members: NDArray[np.intp]) -> str:
    """The words of a cell, its lines joined as running text."""
    lines = []
    for row in rows_of(glyphs, members):
        text = ""
        for k, i in enumerate(row):
            apart = k > 0 and glyphs.boxes[i, 0] - glyphs.boxes[row[k - 1], 2] > 0.18 * glyphs.sizes[i]
            text += (" " if apart or (k > 0 and glyphs.spaced[i]) else "") + str(glyphs.chars[i])
        lines.append(text)
    return joined(lines)


def numeric(texts: Sequence[str]) -> float:
    """The share of filled cells that hold a number; lone signs do not count."""
    filled = [text for text in texts if not SYMBOL.fullmatch(text)]
    return sum(len(text) <= 40 and _NUMBER.fullmatch(text) is not None for text in filled) / max(len(filled), 1)


def trimmed(texts: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    """Without empty rows and columns."""
    rows = [row for row in texts if any(row)]
    kept = [c for c in range(len(texts[0])) if any(row[c] for row in rows)]
    return tuple(tuple(row[c] for c in kept) for row in rows)


def without_symbols(cells: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Columns of nothing but currency signs, percent signs or bullets go to the column they belong to."""
    columns = list(zip(*cells, strict=True))
    merged: list[tuple[str, ...]] = []
    while columns:
        column = columns.pop(0)
        if not all(SYMBOL.fullmatch(text) for text in column):
            merged.append(column)
        elif merged and (not columns or any(text in _CLOSING for text in column)):
            merged[-1] = tuple(a + b for a, b in zip(merged[-1], column, strict=True))
        elif columns:
            columns[0] = tuple(f"{a}{'' if a in _OPENING else ' '}{b}" for a, b in zip(column, columns[0], strict=True))
    return tuple(zip(*merged, strict=True)) if merged else cells


def has_bold_header(glyphs: Glyphs, first: NDArray[np.intp], rest: NDArray[np.intp]) -> bool:
    """Whether the glyphs of the first row are bold and those of the others mostly not."""
    return bool(len(first) and len(rest) and glyphs.bold[first].mean() > 0.9 and glyphs.bold[rest].mean() < 0.5)

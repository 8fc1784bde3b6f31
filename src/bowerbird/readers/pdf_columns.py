"""Columns of a table on a PDF page, by the gaps that run down through its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box
from bowerbird.readers.pdf_cells import (
    SYMBOL,
    Found,
    around,
    cell_text,
    glyphs_in,
    has_bold_header,
    numeric,
    pieces_of_row,
    rows_of,
    trimmed,
    without_symbols,
)
from bowerbird.readers.pdf_glyphs import Glyphs

MAX_ROWS = 400
MAX_MORE_ROWS = 20
"""Rows looked at below the last line of a table."""


def columns_in(glyphs: Glyphs, members: NDArray[np.intp], box: Box, *, sure: bool) -> Found | None:
    """Cells by the gaps that run down through the rows; None if it does not read as a table."""
    rows = rows_of(glyphs, members)
    if not 2 <= len(rows) <= MAX_ROWS:
        return None
    em = float(np.median(glyphs.sizes[members]))
    words = [pieces_of_row(glyphs, row, 0.45) for row in rows]
    spans = [[(glyphs.boxes[w[0], 0], glyphs.boxes[w[-1], 2]) for w in line] for line in words]
    cuts = _gutters(spans, box, em)
    while cuts and len(words) > 2 and _is_note(spans[-1], cuts):
        words.pop()
        spans.pop()
    if not cuts:
        return None
    members = np.array([k for line in words for word in line for k in word])
    texts = []
    for line, places in zip(words, spans, strict=True):
        cells: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
        for word, (x0, x1) in zip(line, places, strict=True):
            cells[int(np.searchsorted(cuts, (x0 + x1) / 2))].extend(word)
        texts.append([cell_text(glyphs, np.array(cell, np.intp)) for cell in cells])
    table = without_symbols(trimmed(texts))
    if not _reads_as_table(table, sure):
        return None
    first = len([k for word in words[0] for k in word])
    bold = has_bold_header(glyphs, members[:first], members[first:])
    return Found(around(glyphs, members), table, members, bold)


def _is_note(spans: list[tuple[float, float]], cuts: list[float]) -> bool:
    """Whether a last row is a note or page number below the table: across columns, or alone outside the first."""
    across = any(x0 < cut < x1 for x0, x1 in spans for cut in cuts)
    return across or (len(spans) == 1 and spans[0][0] > cuts[0])


def with_header(glyphs: Glyphs, table: Found, free: NDArray[np.bool_]) -> Found:
    """The table and up to two rows just above that stand over its columns: years, units, groups of columns."""
    x0, y0, x1, _ = table.box
    em = float(np.median(glyphs.sizes[table.glyphs]))
    members = np.setdiff1d(glyphs_in(glyphs, (x0 - em, y0 - 3.5 * em, x1 + em, y0 + 0.2 * em), free), table.glyphs)
    added = table.glyphs
    best = table
    for row in rows_of(glyphs, members)[:-3:-1]:
        pieces = pieces_of_row(glyphs, row, 0.6)
        top = glyphs.boxes[added, 1].min()
        indented = glyphs.boxes[row[0], 0] > x0 + 0.2 * (x1 - x0)
        gap = top - glyphs.boxes[row, 3].max()
        if gap > 1.2 * em or not (len(pieces) >= 3 or indented or gap < 0):
            break
        added = np.concatenate([added, row])
        wider = columns_in(glyphs, added, around(glyphs, added), sure=True)
        if wider is None or len(wider.cells[0]) < len(table.cells[0]):
            break
        best = wider
    return best


def with_rest(glyphs: Glyphs, table: Found, free: NDArray[np.bool_]) -> Found:
    """The table and the rows that go on below its last line in the same columns."""
    x0, _, x1, y1 = table.box
    em = float(np.median(glyphs.sizes[table.glyphs]))
    below = np.setdiff1d(glyphs_in(glyphs, (x0 - em, y1 - 0.2 * em, x1 + em, float("inf")), free), table.glyphs)
    added, best = table.glyphs, table
    for row in rows_of(glyphs, below)[:MAX_MORE_ROWS]:
        gap = glyphs.boxes[row, 1].min() - glyphs.boxes[added, 3].max()
        if gap > 1.2 * em or len(pieces_of_row(glyphs, row)) < 2:
            break
        added = np.concatenate([added, row])
        longer = columns_in(glyphs, added, around(glyphs, added), sure=True)
        if longer is None or len(longer.cells[0]) != len(table.cells[0]):
            break
        best = longer
    return best


def _gutters(spans: list[list[tuple[float, float]]], box: Box, em: float) -> list[float]:
    """Where columns part: x that hardly any row covers, wide enough to be no space between words."""
    left = box[0]
    covered = np.zeros(max(int(box[2] - left) + 2, 1))
    for line in spans:
        row = np.zeros_like(covered)
        for x0, x1 in line:
            row[max(int(x0 - left), 0) : max(int(np.ceil(x1 - left)), 0)] = 1
        covered += row
    allowed = len(spans) * (0.12 if len(spans) >= 4 else 0)
    empty = covered <= allowed
    inked = np.flatnonzero(~empty)
    if not len(inked):
        return []
    need = em * (0.55 if len(spans) >= 5 else 0.9)
    gaps = np.flatnonzero(np.diff(inked) > max(need, 2))
    return [left + (inked[k] + 1 + inked[k + 1]) / 2 for k in gaps.tolist()]


def _reads_as_table(cells: tuple[tuple[str, ...], ...], sure: bool) -> bool:
    """Several short cells a row; prose set in columns has long ones that break off in mid-sentence."""
    if len(cells) < 2 or len(cells[0]) < 2:
        return False
    texts = [text for row in cells for text in row if text]
    full_rows = sum(sum(bool(text) for text in row) >= 2 for row in cells)
    words = [len(text.split()) for text in texts]
    marks = sum(SYMBOL.fullmatch(text) is not None for text in texts)
    if len(texts) < 4 or full_rows < max(2, 0.4 * len(cells)) or marks > 0.25 * len(texts):
        return False
    if sure and numeric(texts) <= 0.3:
        filled = len(texts) / (len(cells) * len(cells[0]))
        running_on = sum(text[0].islower() for text in texts) / len(texts)
        return bool(filled > 0.55 and np.mean(words) <= 8 and np.median(words) <= 6 and running_on < 0.3)
    if sure:
        return True
    return bool(numeric(texts) >= 0.4 and np.mean(words) <= 5)

"""Tables of a PDF page: from ruling lines that cross, from columns between horizontal rules, from aligned numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box, Table
from bowerbird.readers.pdf_glyphs import Glyphs
from bowerbird.readers.pdf_layout import joined

MAX_RULES = 1_500
"""Pages with more ruling lines (maps, drawings) are not searched for tables."""
MAX_CELLS = 5_000

MAX_MORE_ROWS = 20
"""Rows looked at below the last line of a table."""

SNAP = 3.0
"""Lines closer than so many points are one line."""

_NUMBER = re.compile(r"[(\[<>~±+−–—-]*[$€£¥]?\s*[(]?[\d.,:/×]*\d[\d.,:/±×()–-]*\s?(%|[a-zA-Z]{1,3})?[)\]*†‡]*", re.I)
_SYMBOL = re.compile(r"[$€£¥%()\[\]]{0,2}|[•·▪◦●○■□►➢➤✓o§*–-]")


@dataclass(frozen=True, slots=True)
class Found:
    """A table, its box in points as seen, and which glyphs of the page are in it."""

    box: Box
    cells: tuple[tuple[str, ...], ...]
    glyphs: NDArray[np.intp]

    def table(self, caption: str = "") -> Table:
        """With the first row as header where it reads like one: words above numbers."""
        first, rest = self.cells[0], self.cells[1:]
        if rest and _numeric(first) < 0.5 and (_numeric(first) < _numeric([c for row in rest for c in row]) - 0.2):
            return Table(rest, first, caption)
        return Table(self.cells, (), caption)


def tables_of(glyphs: Glyphs, rules: NDArray[np.float64]) -> list[Found]:
    """All tables of upright text on the page, from the surest kind to the least sure; they do not overlap."""
    free = glyphs.direction == 0
    found: list[Found] = []
    if 0 < len(rules) <= MAX_RULES:
        flat, tall = _merged(rules[_is_flat(rules)], 0), _merged(rules[~_is_flat(rules)], 1)
        found += _take(_grids(glyphs, flat, tall), free)
        found += _take(_between_rules(glyphs, flat, free), free)
    found += _take(_aligned(glyphs, free), free)
    return found


def _take(candidates: Sequence[Found], free: NDArray[np.bool_]) -> list[Found]:
    """Largest first, those whose glyphs are still free; their glyphs are taken."""
    taken = []
    for candidate in sorted(candidates, key=lambda c: -len(c.glyphs)):
        if free[candidate.glyphs].mean() > 0.9:
            free[candidate.glyphs] = False
            taken.append(candidate)
    return taken


def _is_flat(rules: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(rules[:, 2] - rules[:, 0] >= rules[:, 3] - rules[:, 1])


def _merged(rules: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Pieces of one line → rows (position, start, end); axis 0 for horizontal lines, 1 for vertical ones."""
    place = (rules[:, 1 - axis] + rules[:, 3 - axis]) / 2
    pieces = sorted(zip(place.tolist(), rules[:, axis].tolist(), rules[:, axis + 2].tolist(), strict=True))
    lines: list[list[float]] = []
    for at, start, end in pieces:
        for line in reversed(lines):
            if at - line[0] > SNAP:
                continue
            if start <= line[2] + SNAP and end >= line[1] - SNAP:
                line[1], line[2] = min(line[1], start), max(line[2], end)
                break
        else:
            lines.append([at, start, end])
    return np.array(lines, np.float64).reshape(-1, 3)


# --- ruling lines that cross ------------------------------------------------------------------------------------------


def _grids(glyphs: Glyphs, flat: NDArray[np.float64], tall: NDArray[np.float64]) -> list[Found]:
    if len(flat) < 2 or len(tall) < 2:
        return []
    crossing = (
        (tall[None, :, 0] >= flat[:, None, 1] - SNAP)
        & (tall[None, :, 0] <= flat[:, None, 2] + SNAP)
        & (flat[:, None, 0] >= tall[None, :, 1] - SNAP)
        & (flat[:, None, 0] <= tall[None, :, 2] + SNAP)
    )
    found = []
    for rows, columns in _components(crossing):
        if len(rows) >= 2 and len(columns) >= 2:
            grid = _grid(glyphs, flat[rows], tall[columns])
            if grid is not None:
                found.append(_finer(glyphs, grid))
    return found


def _finer(glyphs: Glyphs, grid: Found) -> Found:
    """A grid whose lines only set off groups of rows and columns is read by its columns instead."""
    if len(_rows(glyphs, grid.glyphs)) < 2 * len(grid.cells):
        return grid
    columns = _columns(glyphs, grid.glyphs, grid.box, sure=True)
    better = (
        columns is not None and len(columns.cells[0]) >= len(grid.cells[0]) and _share(columns) > _share(grid) + 0.2
    )
    return _with_header(glyphs, columns, np.ones(len(glyphs), bool)) if columns is not None and better else grid


def _share(found: Found) -> float:
    return _numeric([text for row in found.cells for text in row])


def _components(links: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Connected parts of a bipartite graph."""
    left = set(range(links.shape[0]))
    parts = []
    while left:
        rows, columns, front = set(), set(), {left.pop()}
        while front:
            rows |= front
            columns |= set(np.flatnonzero(links[sorted(front)].any(axis=0)).tolist())
            reached = set(np.flatnonzero(links[:, sorted(columns)].any(axis=1)).tolist()) if columns else set()
            front = reached - rows
        left -= rows
        parts.append((sorted(rows), sorted(columns)))
    return parts


def _grid(glyphs: Glyphs, flat: NDArray[np.float64], tall: NDArray[np.float64]) -> Found | None:
    """Cells between lines that cross; a cell that spans several has its text in its first."""
    ys = _snapped([*flat[:, 0], tall[:, 1].min(), tall[:, 2].max()])
    xs = _snapped([*tall[:, 0], flat[:, 1].min(), flat[:, 2].max()])
    n_rows, n_columns = len(ys) - 1, len(xs) - 1
    if n_rows < 2 or n_columns < 2 or n_rows * n_columns > MAX_CELLS:
        return None
    box = (xs[0], ys[0], xs[-1], ys[-1])
    inside = _inside(glyphs, box)
    middle = (glyphs.boxes[inside, :2] + glyphs.boxes[inside, 2:]) / 2
    column = np.clip(np.searchsorted(xs, middle[:, 0]) - 1, 0, n_columns - 1)
    row = np.clip(np.searchsorted(ys, middle[:, 1]) - 1, 0, n_rows - 1)
    owner = _owners(ys, xs, flat, tall)
    cell = owner[row, column]
    texts = [[""] * n_columns for _ in range(n_rows)]
    for key in np.unique(cell).tolist():
        texts[key // n_columns][key % n_columns] = _text(glyphs, inside[cell == key])
    cells = _trimmed(texts)
    filled = sum(bool(text) for line in cells for text in line)
    if len(cells) < 2 or len(cells[0]) < 2 or filled < 4 or filled < 0.4 * len(np.unique(owner)):
        return None
    return Found(box, cells, inside)


def _owners(ys: list[float], xs: list[float], flat: NDArray[np.float64], tall: NDArray[np.float64]) -> NDArray[np.intp]:
    """rows×columns: the number of the first cell of the merged cell that each cell belongs to."""
    n_rows, n_columns = len(ys) - 1, len(xs) - 1
    owner = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    for r in range(n_rows):
        for c in range(n_columns):
            middle_y, middle_x = (ys[r] + ys[r + 1]) / 2, (xs[c] + xs[c + 1]) / 2
            if c and not _covered(tall, xs[c], middle_y):
                owner[r, c] = owner[r, c - 1]
            elif r and not _covered(flat, ys[r], middle_x):
                owner[r, c] = owner[r - 1, c]
    return owner


def _covered(lines: NDArray[np.float64], place: float, at: float) -> bool:
    """Whether a line at this place runs past this point."""
    return bool(((abs(lines[:, 0] - place) <= SNAP) & (lines[:, 1] <= at) & (lines[:, 2] >= at)).any())


def _snapped(places: Sequence[float]) -> list[float]:
    kept: list[float] = []
    for place in sorted(places):
        if not kept or place - kept[-1] > SNAP:
            kept.append(float(place))
    return kept


# --- horizontal rules only --------------------------------------------------------------------------------------------


def _between_rules(glyphs: Glyphs, flat: NDArray[np.float64], free: NDArray[np.bool_]) -> list[Found]:
    """Regions between the first and last of horizontal lines of one extent, as books set tables."""
    found = []
    left = list(range(len(flat)))
    while left:
        first = left[0]
        same = [k for k in left if abs(flat[k, 1:] - flat[first, 1:]).max() <= 2 * SNAP]
        left = [k for k in left if k not in same]
        ys = sorted(flat[same, 0].tolist())
        found += _between(glyphs, free, (float(flat[first, 1]) - 2, float(flat[first, 2]) + 2), ys)
    return found


def _between(glyphs: Glyphs, free: NDArray[np.bool_], sides: tuple[float, float], ys: list[float]) -> list[Found]:
    """The table from the first to the last of these lines, or else those above and below the widest gap."""
    if len(ys) < 2:
        return []
    box = (sides[0], ys[0], sides[1], ys[-1])
    table = _columns(glyphs, _inside(glyphs, box, free), box, sure=True)
    if table is not None:
        return [_with_header(glyphs, _with_rest(glyphs, table, free), free)]
    widest = int(np.argmax(np.diff(ys))) + 1
    return _between(glyphs, free, sides, ys[:widest]) + _between(glyphs, free, sides, ys[widest:])


# --- aligned columns --------------------------------------------------------------------------------------------------


def _aligned(glyphs: Glyphs, free: NDArray[np.bool_]) -> list[Found]:
    """Runs of rows that are mostly numbers in three or more pieces."""
    index = np.flatnonzero(free)
    rows = _rows(glyphs, index)
    found: list[Found] = []
    run: list[list[list[int]]] = []
    for row in [*rows, []]:
        pieces = _pieces(glyphs, row)
        tabular = len(pieces) >= 3 and _numeric([_text(glyphs, np.array(piece)) for piece in pieces]) >= 0.5
        if tabular and (not run or _near(glyphs, run[-1], pieces)):
            run.append(pieces)
            continue
        if len(run) >= 3:
            members = np.array([k for line in run for piece in line for k in piece])
            table = _columns(glyphs, members, _around(glyphs, members), sure=False)
            if table is not None:
                found.append(_with_header(glyphs, _with_rest(glyphs, table, free), free))
        run = [pieces] if tabular else []
    return found


def _near(glyphs: Glyphs, above: list[list[int]], below: list[list[int]]) -> bool:
    gap = glyphs.boxes[below[0][0], 1] - glyphs.boxes[above[0][0], 3]
    return bool(gap < 2.5 * glyphs.sizes[below[0][0]])


def _columns(glyphs: Glyphs, members: NDArray[np.intp], box: Box, *, sure: bool) -> Found | None:
    """Cells by the gaps that run down through the rows; None if it does not read as a table."""
    rows = _rows(glyphs, members)
    if not 2 <= len(rows) <= 400:
        return None
    em = float(np.median(glyphs.sizes[members]))
    words = [_pieces(glyphs, row, 0.45) for row in rows]
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
        texts.append([_text(glyphs, np.array(cell, np.intp)) for cell in cells])
    table = _without_symbols(_trimmed(texts))
    return Found(_around(glyphs, members), table, members) if _reads_as_table(table, sure) else None


def _is_note(spans: list[tuple[float, float]], cuts: list[float]) -> bool:
    """Whether a last row is a note or page number below the table: across columns, or alone outside the first."""
    across = any(x0 < cut < x1 for x0, x1 in spans for cut in cuts)
    return across or (len(spans) == 1 and spans[0][0] > cuts[0])


def _with_header(glyphs: Glyphs, table: Found, free: NDArray[np.bool_]) -> Found:
    """The table and up to two rows just above that stand over its columns: years, units, groups of columns."""
    x0, y0, x1, _ = table.box
    em = float(np.median(glyphs.sizes[table.glyphs]))
    members = np.setdiff1d(_inside(glyphs, (x0 - em, y0 - 3.5 * em, x1 + em, y0 + 0.2 * em), free), table.glyphs)
    added = table.glyphs
    best = table
    for row in _rows(glyphs, members)[:-3:-1]:
        pieces = _pieces(glyphs, row, 0.6)
        top = glyphs.boxes[added, 1].min()
        indented = glyphs.boxes[row[0], 0] > x0 + 0.2 * (x1 - x0)
        gap = top - glyphs.boxes[row, 3].max()
        if gap > 1.2 * em or not (len(pieces) >= 3 or indented or gap < 0):
            break
        added = np.concatenate([added, row])
        wider = _columns(glyphs, added, _around(glyphs, added), sure=True)
        if wider is None or len(wider.cells[0]) < len(table.cells[0]):
            break
        best = wider
    return best


def _with_rest(glyphs: Glyphs, table: Found, free: NDArray[np.bool_]) -> Found:
    """The table and the rows that go on below its last line in the same columns."""
    x0, _, x1, y1 = table.box
    em = float(np.median(glyphs.sizes[table.glyphs]))
    below = np.setdiff1d(_inside(glyphs, (x0 - em, y1 - 0.2 * em, x1 + em, float("inf")), free), table.glyphs)
    added, best = table.glyphs, table
    for row in _rows(glyphs, below)[:MAX_MORE_ROWS]:
        gap = glyphs.boxes[row, 1].min() - glyphs.boxes[added, 3].max()
        if gap > 1.2 * em or len(_pieces(glyphs, row)) < 2:
            break
        added = np.concatenate([added, row])
        longer = _columns(glyphs, added, _around(glyphs, added), sure=True)
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
    marks = sum(_SYMBOL.fullmatch(text) is not None for text in texts)
    if len(texts) < 4 or full_rows < max(2, 0.4 * len(cells)) or marks > 0.25 * len(texts):
        return False
    if sure and _numeric(texts) <= 0.3:
        filled = len(texts) / (len(cells) * len(cells[0]))
        running_on = sum(text[0].islower() for text in texts) / len(texts)
        return bool(filled > 0.55 and np.mean(words) <= 8 and np.median(words) <= 6 and running_on < 0.3)
    if sure:
        return True
    return bool(_numeric(texts) >= 0.4 and np.mean(words) <= 5)


# --- glyphs to rows, pieces and texts ---------------------------------------------------------------------------------


def _inside(glyphs: Glyphs, box: Box, free: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """Upright glyphs whose middle is in the box."""
    middle = (glyphs.boxes[:, :2] + glyphs.boxes[:, 2:]) / 2
    within = (middle[:, 0] > box[0]) & (middle[:, 0] < box[2]) & (middle[:, 1] > box[1]) & (middle[:, 1] < box[3])
    return np.flatnonzero(within & (glyphs.direction == 0) & (free if free is not None else True))


def _around(glyphs: Glyphs, members: NDArray[np.intp]) -> Box:
    low, high = glyphs.boxes[members, :2].min(axis=0), glyphs.boxes[members, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _rows(glyphs: Glyphs, members: NDArray[np.intp]) -> list[list[int]]:
    """Glyphs by baseline, from top to bottom, each row from left to right."""
    if not len(members):
        return []
    middle = (glyphs.boxes[members, 1] + glyphs.boxes[members, 3]) / 2
    order = np.argsort(middle, kind="stable")
    jumps = np.diff(middle[order]) > 0.35 * glyphs.sizes[members[order[1:]]]
    rows = np.split(members[order], np.flatnonzero(jumps) + 1)
    return [row[np.argsort(glyphs.boxes[row, 0], kind="stable")].tolist() for row in rows]


def _pieces(glyphs: Glyphs, row: list[int], gap: float = 1.0) -> list[list[int]]:
    """A row cut where neighbours are further apart than so many font sizes."""
    if not row:
        return []
    boxes, sizes = glyphs.boxes[row], glyphs.sizes[row]
    cuts = np.flatnonzero(boxes[1:, 0] - boxes[:-1, 2] > gap * sizes[1:]) + 1
    return [piece.tolist() for piece in np.split(np.array(row), cuts)]


def _text(glyphs: Glyphs, members: NDArray[np.intp]) -> str:
    """The words of a cell, its lines joined as running text."""
    lines = []
    for row in _rows(glyphs, members):
        text = ""
        for k, i in enumerate(row):
            apart = k > 0 and glyphs.boxes[i, 0] - glyphs.boxes[row[k - 1], 2] > 0.18 * glyphs.sizes[i]
            text += (" " if apart or (k > 0 and glyphs.spaced[i]) else "") + str(glyphs.chars[i])
        lines.append(text)
    return joined(lines)


def _numeric(texts: Sequence[str]) -> float:
    """The share of filled cells that hold a number; lone signs do not count."""
    filled = [text for text in texts if not _SYMBOL.fullmatch(text)]
    return sum(_NUMBER.fullmatch(text) is not None for text in filled) / max(len(filled), 1)


def _trimmed(texts: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    """Without empty rows and columns."""
    rows = [row for row in texts if any(row)]
    kept = [c for c in range(len(texts[0])) if any(row[c] for row in rows)]
    return tuple(tuple(row[c] for c in kept) for row in rows)


def _without_symbols(cells: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Columns of nothing but currency signs, percent signs or bullets go to the column they belong to."""
    columns = list(zip(*cells, strict=True))
    merged: list[tuple[str, ...]] = []
    prefix: tuple[str, ...] | None = None
    for column in columns:
        if all(_SYMBOL.fullmatch(text) for text in column):
            if any(text in ("%", ")", "]", ")%") for text in column) and merged:
                merged[-1] = tuple(a + b for a, b in zip(merged[-1], column, strict=True))
            else:
                prefix = column
            continue
        if prefix is not None:
            column = tuple((a + b if a in "$€£¥([" else f"{a} {b}") for a, b in zip(prefix, column, strict=True))
            prefix = None
        merged.append(column)
    return tuple(zip(*merged, strict=True)) if merged else cells

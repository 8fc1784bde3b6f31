"""Tables of a PDF page: from ruling lines that cross, from columns between horizontal rules, from aligned numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bowerbird.readers.pdf_cells import (
    Found,
    around,
    cell_text,
    glyphs_in,
    has_bold_header,
    numeric,
    pieces_of_row,
    rows_of,
    trimmed,
)
from bowerbird.readers.pdf_columns import columns_in, with_header, with_rest
from bowerbird.readers.pdf_glyphs import Glyphs

MAX_RULES = 1_500
"""Pages with more ruling lines (maps, drawings) are not searched for tables."""
MAX_CELLS = 5_000
MAX_LEVELS = 200
"""Horizontal lines of one extent that are looked between."""

SNAP = 3.0
"""Lines closer than so many points are one line."""


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
    if len(rows_of(glyphs, grid.glyphs)) < 2 * len(grid.cells):
        return grid
    columns = columns_in(glyphs, grid.glyphs, grid.box, sure=True)
    if columns is None or len(columns.cells[0]) < len(grid.cells[0]) or _share(columns) < _share(grid) + 0.2:
        return grid
    return with_header(glyphs, columns, np.ones(len(glyphs), bool))


def _share(found: Found) -> float:
    return numeric([text for row in found.cells for text in row])


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
    inside = glyphs_in(glyphs, box)
    middle = (glyphs.boxes[inside, :2] + glyphs.boxes[inside, 2:]) / 2
    column = np.clip(np.searchsorted(xs, middle[:, 0]) - 1, 0, n_columns - 1)
    row = np.clip(np.searchsorted(ys, middle[:, 1]) - 1, 0, n_rows - 1)
    owner = _owners(ys, xs, flat, tall)
    cell = owner[row, column]
    texts = [[""] * n_columns for _ in range(n_rows)]
    for key in np.unique(cell).tolist():
        texts[key // n_columns][key % n_columns] = cell_text(glyphs, inside[cell == key])
    cells = trimmed(texts)
    filled = sum(bool(text) for line in cells for text in line)
    if len(cells) < 2 or len(cells[0]) < 2 or filled < 4 or filled < 0.4 * len(np.unique(owner)):
        return None
    top = row == row.min()
    return Found(box, cells, inside, has_bold_header(glyphs, inside[top], inside[~top]))


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
    while len(flat):
        same = np.abs(flat[:, 1:] - flat[0, 1:]).max(axis=1) <= 2 * SNAP
        ys = sorted(flat[same, 0].tolist())[:MAX_LEVELS]
        found += _between(glyphs, free, (float(flat[0, 1]) - 2, float(flat[0, 2]) + 2), ys)
        flat = flat[~same]
    return found


def _between(glyphs: Glyphs, free: NDArray[np.bool_], sides: tuple[float, float], ys: list[float]) -> list[Found]:
    """The table from the first to the last of these lines, or else those above and below the widest gap."""
    if len(ys) < 2:
        return []
    box = (sides[0], ys[0], sides[1], ys[-1])
    table = columns_in(glyphs, glyphs_in(glyphs, box, free), box, sure=True)
    if table is not None:
        return [with_header(glyphs, with_rest(glyphs, table, free), free)]
    widest = int(np.argmax(np.diff(ys))) + 1
    return _between(glyphs, free, sides, ys[:widest]) + _between(glyphs, free, sides, ys[widest:])


# --- aligned columns --------------------------------------------------------------------------------------------------


def _aligned(glyphs: Glyphs, free: NDArray[np.bool_]) -> list[Found]:
    """Runs of rows that are mostly numbers in three or more pieces."""
    index = np.flatnonzero(free)
    rows = rows_of(glyphs, index)
    found: list[Found] = []
    run: list[list[list[int]]] = []
    for row in [*rows, []]:
        pieces = pieces_of_row(glyphs, row)
        tabular = len(pieces) >= 3 and numeric([cell_text(glyphs, np.array(piece)) for piece in pieces]) >= 0.5
        if tabular and (not run or _near(glyphs, run[-1], pieces)):
            run.append(pieces)
            continue
        if len(run) >= 3:
            members = np.array([k for line in run for piece in line for k in piece])
            table = columns_in(glyphs, members, around(glyphs, members), sure=False)
            if table is not None:
                found.append(with_header(glyphs, with_rest(glyphs, table, free), free))
        run = [pieces] if tabular else []
    return found


def _near(glyphs: Glyphs, above: list[list[int]], below: list[list[int]]) -> bool:
    gap = glyphs.boxes[below[0][0], 1] - glyphs.boxes[above[0][0], 3]
    return bool(gap < 2.5 * glyphs.sizes[below[0][0]])

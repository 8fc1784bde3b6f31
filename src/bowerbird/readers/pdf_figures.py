"""Pictures and drawings of a PDF page that are figures: tiles put together, strokes gathered, decoration left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box
from bowerbird.readers.pdf_cells import Found
from bowerbird.readers.pdf_glyphs import Frame, Glyphs
from bowerbird.readers.pdf_lines import union
from bowerbird.readers.pdf_shapes import Shapes

MIN_AREA = 0.02
"""Share of the page that a figure takes at least."""
MAX_AREA = 0.85
"""A picture that fills the page is a scan or a background."""
MIN_SIDE = 36.0
"""Points; narrower pictures are rules and ornaments."""
MIN_STROKES = 10
"""A drawing has at least so many paths; fewer are boxes and arrows around text."""
MIN_CURVES = 3
"""A drawing that holds what looks like a table has so many curved or sloping paths; forms and tables have none."""
MAX_TEXT = 0.4
"""Text covers at most this share of a drawing; beyond, the drawing is a panel behind text."""
MAX_FIGURES = 50
"""Figures of one page; the largest are kept."""

_TILE_GAP = 2.0
_AROUND = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
_CELL = 8.0
"""Drawings whose strokes are closer than about this many points are one."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Boxes in points as seen. The words inside a drawing belong to it; a picture owns no words."""

    pictures: list[Box]
    drawings: list[Box]
    tables: list[Found]
    """The tables that are none of a drawing's parts."""


def figures_of(glyphs: Glyphs, shapes: Shapes, frame: Frame, tables: list[Found]) -> Figures:
    """What on the page are figures, and which of the supposed tables are tables."""
    drawings: list[Box] = []
    for box, curves in _drawings(shapes, frame):
        if not _is_figure(box, frame) or _text_share(glyphs, box) >= MAX_TEXT:
            continue
        inside = [table for table in tables if overlap(box, table.box) > 0.4 * min(area(box), area(table.box))]
        if inside and (curves < MIN_CURVES or sum(area(table.box) for table in inside) > 0.6 * area(box)):
            continue
        tables = [table for table in tables if table not in inside]
        drawings.append(box)
    pictures = [box for box in _together(shapes.pictures) if _is_figure(box, frame)]
    pictures = [box for box in pictures if not any(overlap(box, other) > 0.8 * area(box) for other in drawings)]
    largest = sorted(pictures + drawings, key=area)[-MAX_FIGURES:]
    return Figures([box for box in pictures if box in largest], [box for box in drawings if box in largest], tables)


def _is_figure(box: Box, frame: Frame) -> bool:
    width, height = frame.size
    big_enough = MIN_AREA <= area(box) / (width * height) <= MAX_AREA
    return big_enough and min(box[2] - box[0], box[3] - box[1]) >= MIN_SIDE


def _together(boxes: NDArray[np.float64]) -> list[Box]:
    """Boxes that touch or overlap become one: pictures are often stored in strips or tiles."""
    groups: list[Box] = []
    for row in boxes[np.lexsort((boxes[:, 0], boxes[:, 1]))].tolist():
        box: Box = (row[0], row[1], row[2], row[3])
        while touching := [other for other in groups if _touch(box, other)]:
            groups = [other for other in groups if other not in touching]
            box = union([box, *touching])
        groups.append(box)
    return groups


def _touch(a: Box, b: Box) -> bool:
    apart = max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3])
    return max(apart) <= _TILE_GAP


def _drawings(shapes: Shapes, frame: Frame) -> list[tuple[Box, int]]:
    """Clusters of strokes and fills, found on a coarse raster of the page, and how many of the strokes are curved."""
    width, height = frame.size
    sides = shapes.drawings[:, 2:] - shapes.drawings[:, :2]
    small = sides.prod(axis=1) < 0.5 * width * height
    strokes, curved = shapes.drawings[small], shapes.curved[small]
    if len(strokes) < MIN_STROKES:
        return []
    cell = max(_CELL, max(width, height) / 200)
    raster = np.zeros((int(height / cell) + 2, int(width / cell) + 2), bool)
    corners = (np.vstack([strokes, shapes.rules]) / cell).astype(int)
    for x0, y0, x1, y1 in corners.tolist():
        raster[y0 : y1 + 1, x0 : x1 + 1] = True
    label = _components(raster)
    middle = ((strokes[:, :2] + strokes[:, 2:]) / 2 / cell).astype(int)
    owner = label[middle[:, 1], middle[:, 0]]
    clusters = []
    for key in np.unique(owner[owner > 0]).tolist():
        members = strokes[owner == key]
        if len(members) >= MIN_STROKES:
            low, high = members[:, :2].min(axis=0), members[:, 2:].max(axis=0)
            box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
            clusters.append((box, int(curved[owner == key].sum())))
    return clusters


def _components(raster: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the 8-connected parts of a bitmap from 1."""
    label = np.zeros(raster.shape, np.int32)
    left = {(y, x) for y, x in np.argwhere(raster).tolist()}
    number = 0
    while left:
        number += 1
        stack = [left.pop()]
        while stack:
            y, x = stack.pop()
            label[y, x] = number
            for near in _AROUND:
                neighbour = (y + near[0], x + near[1])
                if neighbour in left:
                    left.remove(neighbour)
                    stack.append(neighbour)
    return label


def _text_share(glyphs: Glyphs, box: Box) -> float:
    inside = within(glyphs, box)
    sides = glyphs.boxes[inside, 2:] - glyphs.boxes[inside, :2]
    return float((sides[:, 0] * sides[:, 1]).sum() / max(area(box), 1))


def within(glyphs: Glyphs, box: Box) -> NDArray[np.bool_]:
    """n: whether the middle of each glyph is in the box."""
    middle = (glyphs.boxes[:, :2] + glyphs.boxes[:, 2:]) / 2
    return np.asarray((middle >= box[:2]).all(axis=1) & (middle <= box[2:]).all(axis=1))


def area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(a: Box, b: Box) -> float:
    sides = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(sides[0], 0) * max(sides[1], 0)

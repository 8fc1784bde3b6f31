"""What is drawn on a PDF page besides text: pictures, drawings, and the ruling lines that tables are made of."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.readers.pdf_glyphs import Frame

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

MAX_OBJECTS = 20_000
"""Page objects looked at on one page, those inside forms included."""
MAX_SEGMENTS = 10_000
"""Path segments read on one page."""
MAX_FORM_DEPTH = 5

THIN = 2.5
"""A filled box no thicker than so many points is a ruling line."""
SHORT = 5.0
"""Ruling lines are at least so long."""

Matrix = NDArray[np.float64]
"""3×3; row vectors (x, y, 1) are multiplied from the left."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Boxes in points as seen, one row (x0, y0, x1, y1) each."""

    rules: NDArray[np.float64]
    """Horizontal and vertical lines; the thin side may be zero."""
    drawings: NDArray[np.float64]
    curved: NDArray[np.bool_]
    """For each drawing whether it has curves or slopes: boxes and bars have none."""
    pictures: NDArray[np.float64]


def shapes_of(page: PdfPage, frame: Frame) -> Shapes:
    """Walk the page's objects, those of nested forms too."""
    found = _Walk()
    with np.errstate(all="ignore"):  # places that are no numbers are dropped below
        found.walk(page)
    arrays = (np.array(boxes, np.float64).reshape(-1, 4) for boxes in (found.rules, found.drawings, found.pictures))
    rules, drawings, pictures = (frame.boxes(boxes) for boxes in arrays)
    shown = _on_page(drawings, frame)
    return Shapes(
        _clipped(rules[_on_page(rules, frame)], frame),
        _clipped(drawings[shown], frame),
        np.array(found.curved, bool)[shown],
        _clipped(pictures[_on_page(pictures, frame)], frame),
    )


def _on_page(boxes: NDArray[np.float64], frame: Frame) -> NDArray[np.bool_]:
    finite = np.isfinite(boxes).all(axis=1)
    return np.asarray(finite & (boxes[:, 2:] >= 0).all(axis=1) & (boxes[:, :2] <= frame.size).all(axis=1))


def _clipped(boxes: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    return np.clip(boxes, 0, (*frame.size, *frame.size))


class _Walk:
    """Collects boxes in the file's coordinates while it descends into forms."""

    def __init__(self) -> None:
        self.rules: list[tuple[float, float, float, float]] = []
        self.drawings: list[tuple[float, float, float, float]] = []
        self.curved: list[bool] = []
        self.pictures: list[tuple[float, float, float, float]] = []
        self.objects = MAX_OBJECTS
        self.segments = MAX_SEGMENTS

    def walk(self, page: PdfPage) -> None:
        import pypdfium2.raw as raw

        count = raw.FPDFPage_CountObjects(page.raw)
        self._all((raw.FPDFPage_GetObject(page.raw, i) for i in range(count)), np.eye(3), 0)

    def _all(self, objects: Iterator[Any], outer: Matrix, depth: int) -> None:
        import pypdfium2.raw as raw

        for obj in objects:
            if self.objects <= 0:
                return
            self.objects -= 1
            kind = raw.FPDFPageObj_GetType(obj)
            if kind == raw.FPDF_PAGEOBJ_FORM and depth < MAX_FORM_DEPTH:
                inner = (raw.FPDFFormObj_GetObject(obj, i) for i in range(raw.FPDFFormObj_CountObjects(obj)))
                self._all(inner, _matrix(obj) @ outer, depth + 1)
            elif kind == raw.FPDF_PAGEOBJ_IMAGE:
                self.pictures.append(_bounds(obj, outer))
            elif kind == raw.FPDF_PAGEOBJ_PATH:
                self._path(obj, outer)
            elif kind == raw.FPDF_PAGEOBJ_SHADING:
                self._draw(_bounds(obj, outer), curved=False)

    def _path(self, obj: Any, outer: Matrix) -> None:
        import pypdfium2.raw as raw

        x0, y0, x1, y1 = box = _bounds(obj, outer)
        if min(x1 - x0, y1 - y0) <= THIN:
            if max(x1 - x0, y1 - y0) >= SHORT:
                self.rules.append(box)
            return
        count = raw.FPDFPath_CountSegments(obj)
        edges: list[tuple[float, float, float, float]] = []
        if 2 <= count <= self.segments:
            self.segments -= count
            edges = list(_edges(obj, count, _matrix(obj) @ outer))
        self.rules += edges
        self._draw(box, curved=not edges)

    def _draw(self, box: tuple[float, float, float, float], *, curved: bool) -> None:
        self.drawings.append(box)
        self.curved.append(curved)


def _edges(obj: Any, count: int, matrix: Matrix) -> Iterator[tuple[float, float, float, float]]:
    """The straight horizontal and vertical strokes of a path; nothing if it has curves or slopes: that is a drawing."""
    import pypdfium2.raw as raw

    x, y = ctypes.c_float(), ctypes.c_float()
    points: list[tuple[float, float, bool]] = []
    for i in range(count):
        segment = raw.FPDFPath_GetPathSegment(obj, i)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == raw.FPDF_SEGMENT_BEZIERTO:
            return
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        px, py, _ = np.array([x.value, y.value, 1.0]) @ matrix
        points.append((px, py, kind == raw.FPDF_SEGMENT_MOVETO))
    edges = []
    start = points[0]
    for before, after in zip(points, [*points[1:], points[0]], strict=True):
        ax, ay, _ = before
        bx, by, moved = after
        if moved:
            bx, by, _ = start
            start = after
        if abs(ax - bx) > 1 and abs(ay - by) > 1:
            return
        if max(abs(ax - bx), abs(ay - by)) >= SHORT:
            edges.append((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)))
    yield from edges


def _bounds(obj: Any, outer: Matrix) -> tuple[float, float, float, float]:
    import pypdfium2.raw as raw

    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    raw.FPDFPageObj_GetBounds(obj, left, bottom, right, top)
    box = (left.value, bottom.value, right.value, top.value)
    if outer[0, 0] == outer[1, 1] == 1 and not outer[2, :2].any() and not outer[0, 1] and not outer[1, 0]:
        return box
    corners = np.array([(x, y, 1.0) for x in (box[0], box[2]) for y in (box[1], box[3])]) @ outer
    (x0, y0), (x1, y1) = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _matrix(obj: Any) -> Matrix:
    import pypdfium2.raw as raw

    m = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(obj, m)
    return np.array([[m.a, m.b, 0.0], [m.c, m.d, 0.0], [m.e, m.f, 1.0]])

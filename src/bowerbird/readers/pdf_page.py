"""One page of a PDF as pieces in reading order: headings, paragraphs, captions, tables, figures, running heads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from bowerbird.items import Box, Role
from bowerbird.readers.pdf_cells import Found
from bowerbird.readers.pdf_figures import figures_of, within
from bowerbird.readers.pdf_glyphs import Frame, Glyphs, frame_of, glyphs_of
from bowerbird.readers.pdf_layout import Paragraph, Type, paragraphs_of, reading_order
from bowerbird.readers.pdf_lines import Line, lines_of, turned
from bowerbird.readers.pdf_shapes import Shapes, shapes_of
from bowerbird.readers.pdf_tables import tables_of

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

MARGIN = 0.1
"""Running heads and feet stand in this share of the page at its top and bottom."""
CAPTION_GAP = 60.0
"""A caption is at most so many points from its figure or table."""

_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_TABLE_CAPTION = re.compile(r"(?:supplementary |extended data )?tab|cuadro|表|обл|табл", re.IGNORECASE)

Edge = tuple[str, int]
"""The words of a line near the page's edge with numbers blotted out, and its height on the page in 3-point steps."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is on a page before it is put in order."""

    number: int
    frame: Frame
    glyphs: Glyphs
    shapes: Shapes
    lines: tuple[tuple[int, list[Line]], ...]
    """For each writing direction its lines."""
    edges: frozenset[Edge]


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing on the page. The box is in points as seen."""

    kind: Literal["text", "table", "figure", "running"]
    box: Box
    text: str = ""
    role: Role = "body"
    level: int = 0
    table: Found | None = None
    caption: str = ""


def content_of(page: PdfPage, number: int) -> Content:
    frame = frame_of(page)
    glyphs = glyphs_of(page, frame)
    lines = tuple(lines_of(glyphs))
    edges = frozenset(edge for direction, group in lines if direction == 0 for edge in _edges(group, frame))
    return Content(number, frame, glyphs, shapes_of(page, frame), lines, edges)


def _edges(lines: Sequence[Line], frame: Frame) -> list[Edge]:
    """Lines near the top and bottom edge that may be running heads."""
    height = frame.size[1]
    edge = [line for line in lines if line.box[3] < MARGIN * height or line.box[1] > (1 - MARGIN) * height]
    return [(_blotted(line.text), round(line.middle / 3)) for line in edge]


def _blotted(text: str) -> str:
    return _DIGITS.sub("#", " ".join(text.lower().split()))


def pieces_of(content: Content, type_: Type, neighbours: Sequence[Content]) -> list[Piece]:
    """Everything on the page in reading order; `neighbours` are pages nearby that show what runs on every page."""
    running, rest = _without_running(content, type_, neighbours)
    free = np.ones(len(rest), bool)
    found = figures_of(rest, content.shapes, content.frame, tables_of(rest, content.shapes.rules))
    for table in found.tables:
        free[table.glyphs] = False
    figures = [Piece("figure", box) for box in found.pictures]
    for box in found.drawings:
        inside = within(rest, box) & free
        free &= ~inside
        words = " ".join(line.text for _, group in lines_of(rest.only(inside)) for line in group)
        figures.append(Piece("figure", box, words))
    whole = free.all() and len(rest) == len(content.glyphs)
    groups = content.lines if whole else tuple(lines_of(rest.only(free)))
    objects = [Piece("table", table.box, table=table) for table in found.tables] + figures
    return running + _with_captions(_ordered(groups, type_, objects))


def _without_running(content: Content, type_: Type, neighbours: Sequence[Content]) -> tuple[list[Piece], Glyphs]:
    """Running heads and feet as pieces, and the glyphs of the rest of the page."""
    running = [line for line in dict(content.lines).get(0, []) if _runs(line, content, type_, neighbours)]
    free = np.ones(len(content.glyphs), bool)
    for line in running:
        free &= ~(within(content.glyphs, line.box) & (content.glyphs.direction == 0))
    pieces = [Piece("running", line.box, line.text) for line in running]
    return pieces, content.glyphs.only(free) if running else content.glyphs


def _runs(line: Line, content: Content, type_: Type, neighbours: Sequence[Content]) -> bool:
    height = content.frame.size[1]
    if MARGIN * height <= line.box[3] and line.box[1] <= (1 - MARGIN) * height:
        return False
    if line.size > 1.15 * type_.body:
        return False
    text, place = _blotted(line.text), round(line.middle / 3)
    if not any(char.isalpha() for char in text):
        outermost = all(
            other.middle <= line.middle + 3 if place * 3 > height / 2 else other.middle >= line.middle - 3
            for other in dict(content.lines)[0]
        )
        if not outermost or len(text) > 12:
            return False
    return any((text, place + step) in other.edges for other in neighbours for step in (-1, 0, 1))


def _ordered(groups: Sequence[tuple[int, list[Line]]], type_: Type, objects: list[Piece]) -> list[Piece]:
    """Paragraphs of the main writing direction and objects in one order, then text that runs another way."""
    main: list[Piece] = []
    turned_text: list[Piece] = []
    for at, (direction, lines) in enumerate(groups):
        pieces = [_text_piece(paragraph, direction) for paragraph in paragraphs_of(lines, type_)]
        if at == 0:
            main = pieces
        else:
            turned_text += [replace(piece, role="body", level=0) for piece in pieces]
    if objects:
        main = main + objects
        main = [main[k] for k in reading_order([piece.box for piece in main])]
    return main + turned_text


def _text_piece(paragraph: Paragraph, direction: int) -> Piece:
    return Piece("text", turned(paragraph.box, direction), paragraph.text, paragraph.role, paragraph.level)


def _with_captions(pieces: list[Piece]) -> list[Piece]:
    """Figures and tables with the nearest caption of their sort; each caption goes to one of them."""
    captions = [piece for piece in pieces if piece.role == "caption"]
    pieces = [_drawn(piece, captions) for piece in pieces]
    pairs = sorted(
        (_distance(caption.box, piece.box), c, k)
        for c, caption in enumerate(captions)
        for k, piece in enumerate(pieces)
        if piece.kind in ("figure", "table") and (piece.kind == "table") == _names_table(caption)
    )
    named: dict[int, str] = {}
    used: set[int] = set()
    for distance, c, k in pairs:
        if distance <= CAPTION_GAP and c not in used and k not in named:
            named[k] = captions[c].text
            used.add(c)
    return [replace(piece, caption=named[k]) if k in named else piece for k, piece in enumerate(pieces)]


def _drawn(piece: Piece, captions: Sequence[Piece]) -> Piece:
    """A table that stands at the caption of a figure, and at none of a table, is a drawing of boxes."""
    near = [caption for caption in captions if _distance(caption.box, piece.box) <= CAPTION_GAP / 2]
    if piece.table is None or not near or any(_names_table(caption) for caption in near):
        return piece
    return Piece("figure", piece.box, " ".join(cell for row in piece.table.cells for cell in row if cell))


def _names_table(caption: Piece) -> bool:
    return _TABLE_CAPTION.match(caption.text) is not None


def _distance(a: Box, b: Box) -> float:
    """Between two boxes: the larger of the gaps sideways and up or down; sideways counts double."""
    sideways = max(a[0] - b[2], b[0] - a[2], 0.0)
    return max(2 * sideways, a[1] - b[3], b[1] - a[3], 0.0)

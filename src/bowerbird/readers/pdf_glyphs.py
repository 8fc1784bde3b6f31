"""The glyphs of a PDF page as arrays, in the frame a person sees: points, origin top left, page rotation applied.

pdfium is called once per glyph and fact through prebuilt prototypes that skip ctypes' argument checks (some 0.3 µs a
call), which makes exact places as cheap as its own text rectangles. pdfium is not thread-safe: one page at a time.
"""

from __future__ import annotations

import ctypes
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pypdfium2 import PdfPage, PdfTextPage

MAX_GLYPHS = 200_000
"""Glyphs of one page beyond this many are not looked at."""

ASCENT, DESCENT = 0.80, 0.22
"""How far a line of text reaches above and below its baseline, in font sizes: fonts' own figures cannot be trusted."""

_BOLD = re.compile(r"bold|black|heavy|demi|semibd|[-,]bd|cmbx|medi\b", re.IGNORECASE)
_SPACES = np.array([0, 9, 10, 11, 12, 13, 32, 0xA0, 0x2000, 0x2002, 0x2003, 0x2009, 0x200A, 0x202F, 0x205F, 0x3000])
_PLAIN = {0x02: "-", 0xAD: "-", 0xF0B7: "•", 0xF0A7: "•", 0xFFFE: "-", 0xFFFF: "", 0xFEFF: "", 0x200B: ""}
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
_CONTROLS = dict.fromkeys(range(0x20), "")
TRANSLATION = _CONTROLS | _PLAIN | _LIGATURES
"""Ligatures spelled out; what pdfium writes for a hyphen at a line's end; symbols without a meaning left out."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The visible part of a page: its box in the file's own coordinates, its rotation, and its size as seen."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int
    """Clockwise degrees: 0, 90, 180 or 270."""

    @property
    def size(self) -> tuple[float, float]:
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation in (90, 270) else (width, height)

    def points(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The file's coordinates (y up) → points as seen, origin top left (y down)."""
        if self.rotation == 90:
            return y - self.bottom, x - self.left
        if self.rotation == 180:
            return self.right - x, y - self.bottom
        if self.rotation == 270:
            return self.top - y, self.right - x
        return x - self.left, self.top - y

    def boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """n×4 rectangles of any two opposite corners → n×4 (x0, y0, x1, y1) as seen."""
        ax, ay = self.points(boxes[:, 0], boxes[:, 1])
        bx, by = self.points(boxes[:, 2], boxes[:, 3])
        return np.stack([np.minimum(ax, bx), np.minimum(ay, by), np.maximum(ax, bx), np.maximum(ay, by)], axis=1)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The n visible glyphs of a page in the order of the file, spaces taken out."""

    chars: NDArray[np.str_]
    """n strings: one character, a spelled-out ligature, or nothing."""
    boxes: NDArray[np.float64]
    """n×4, in points as seen."""
    sizes: NDArray[np.float64]
    bold: NDArray[np.bool_]
    direction: NDArray[np.int8]
    """Quarter turns clockwise from left-to-right writing."""
    spaced: NDArray[np.bool_]
    """Whether the file, or pdfium by the distance, puts a space before the glyph."""

    def __len__(self) -> int:
        return len(self.chars)

    def only(self, keep: NDArray[np.bool_]) -> Glyphs:
        """The glyphs of a mask, in the same order."""
        return Glyphs(*(getattr(self, name)[keep] for name in self.__slots__))


def frame_of(page: PdfPage) -> Frame:
    """The visible box and rotation of a page; a page without a usable box is taken for a letter sheet."""
    import pypdfium2.raw as raw

    rect = raw.FS_RECTF()
    raw.FPDF_GetPageBoundingBox(page.raw, ctypes.byref(rect))
    left, bottom, right, top = rect.left, rect.bottom, rect.right, rect.top
    if not (right - left > 0 and top - bottom > 0 and math.isfinite(right + top)):
        left, bottom, right, top = 0.0, 0.0, 612.0, 792.0
    return Frame(left, bottom, right, top, page.get_rotation() % 360)


def glyphs_of(page: PdfPage, frame: Frame) -> Glyphs:
    """All glyphs with a place on the visible page."""
    text_page = page.get_textpage()
    try:
        return _collect(text_page, frame)
    finally:
        text_page.close()


def _collect(text_page: PdfTextPage, frame: Frame) -> Glyphs:
    call = _prototypes()
    handle = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    n = min(max(text_page.count_chars(), 0), MAX_GLYPHS)
    unicode_of, box_of, origin_of, object_of = call["unicode"], call["box"], call["origin"], call["object"]
    codes = np.array([unicode_of(handle, i) for i in range(n)], dtype=np.uint32)
    space = np.isin(codes, _SPACES)
    shown = np.flatnonzero(~space)
    boxes = np.zeros((len(shown), 4), np.float32)
    origins = np.zeros((len(shown), 2), np.float64)
    box_at, origin_at = boxes.ctypes.data, origins.ctypes.data
    objects: list[int] = []
    for k, i in enumerate(shown.tolist()):
        box_of(handle, i, box_at + 16 * k)
        origin_of(handle, i, origin_at + 16 * k, origin_at + 16 * k + 8)
        objects.append(object_of(handle, i) or 0)
    unique, first, style = np.unique(np.array(objects, np.uint64), return_index=True, return_inverse=True)
    styles = [_style(call, handle, int(shown[at]), int(unique[k])) for k, at in enumerate(first)]
    table = np.array(styles, np.float64).reshape(-1, 3)[style] if styles else np.zeros((0, 3))
    direction = ((np.rint(table[:, 2] / 90) + frame.rotation // 90) % 4).astype(np.int8)
    placed = _placed(frame, boxes.astype(np.float64), origins, table[:, 0], direction)
    spaced = np.zeros(n + 1, bool)
    spaced[1:] = space
    glyphs = Glyphs(_strings(codes[shown]), placed, table[:, 0], table[:, 1] > 0, direction, spaced[shown])
    return _visible(glyphs, frame)


def _placed(
    frame: Frame,
    boxes: NDArray[np.float64],
    origins: NDArray[np.float64],
    sizes: NDArray[np.float64],
    direction: NDArray[np.int8],
) -> NDArray[np.float64]:
    """Boxes as wide as pdfium says and as high as the font size, standing on the baseline."""
    seen = frame.boxes(boxes)
    x, y = frame.points(origins[:, 0], origins[:, 1])
    up, down = ASCENT * sizes, DESCENT * sizes
    for turn, edge, sign, at in ((0, 1, 1, y), (1, 0, -1, x), (2, 1, -1, y), (3, 0, 1, x)):
        rows = direction == turn
        low, high = at - sign * up, at + sign * down
        seen[rows, edge] = np.minimum(low, high)[rows]
        seen[rows, edge + 2] = np.maximum(low, high)[rows]
    return seen


def _visible(glyphs: Glyphs, frame: Frame) -> Glyphs:
    """Only what lies on the page: cropped-away text is not there for a reader, nor are glyphs without a place."""
    width, height = frame.size
    middle = (glyphs.boxes[:, :2] + glyphs.boxes[:, 2:]) / 2
    keep = np.isfinite(glyphs.boxes).all(axis=1) & (glyphs.sizes > 0) & (glyphs.chars != "")
    keep &= (middle >= -1).all(axis=1) & (middle[:, 0] <= width + 1) & (middle[:, 1] <= height + 1)
    return glyphs if keep.all() else glyphs.only(keep)


def _strings(codes: NDArray[np.uint32]) -> NDArray[np.str_]:
    """Code points → strings; lone surrogates and codes beyond Unicode become nothing."""
    unique, inverse = np.unique(codes, return_inverse=True)
    valid = [0 if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else int(code) for code in unique]
    spelled = [TRANSLATION.get(code, chr(code)) for code in valid]
    return np.array(spelled or [""], dtype=np.str_)[inverse] if len(codes) else np.zeros(0, dtype="<U1")


def _style(call: dict[str, Any], text_page: int | None, index: int, text_object: int) -> tuple[float, float, float]:
    """Size in points, 1.0 if bold, angle in degrees clockwise, of the object that a glyph belongs to."""
    matrix = (ctypes.c_float * 6)()
    call["matrix"](text_page, index, ctypes.addressof(matrix))
    a, b, c, d = matrix[0], matrix[1], matrix[2], matrix[3]
    scale = math.hypot(c, d) or math.hypot(a, b) or 1.0
    size = abs(call["size"](text_page, index)) * scale
    if not 0 < size < 10_000:
        size = 10.0
    font = call["font"](text_object) if text_object else None
    bold = font is not None and _is_bold(call, font)
    angle = math.degrees(math.atan2(b, a))
    return size, float(bold), -angle if math.isfinite(angle) else 0.0


def _is_bold(call: dict[str, Any], font: int) -> bool:
    buffer = ctypes.create_string_buffer(128)
    call["name"](font, ctypes.addressof(buffer), 127)
    name = buffer.value.decode("latin-1")
    weight = int(call["weight"](font))
    return bool(_BOLD.search(name)) or 600 <= weight <= 1000


@lru_cache(maxsize=1)
def _prototypes() -> dict[str, Any]:
    import pypdfium2.raw as raw

    pointer, number = ctypes.c_void_p, ctypes.c_int
    shapes: dict[str, tuple[str, tuple[Any, ...]]] = {
        "unicode": ("FPDFText_GetUnicode", (ctypes.c_uint, pointer, number)),
        "box": ("FPDFText_GetLooseCharBox", (number, pointer, number, pointer)),
        "origin": ("FPDFText_GetCharOrigin", (number, pointer, number, pointer, pointer)),
        "object": ("FPDFText_GetTextObject", (pointer, pointer, number)),
        "size": ("FPDFText_GetFontSize", (ctypes.c_double, pointer, number)),
        "matrix": ("FPDFText_GetMatrix", (number, pointer, number, pointer)),
        "font": ("FPDFTextObj_GetFont", (pointer, pointer)),
        "name": ("FPDFFont_GetBaseFontName", (ctypes.c_size_t, pointer, pointer, ctypes.c_size_t)),
        "weight": ("FPDFFont_GetWeight", (number, pointer)),
    }
    return {
        key: ctypes.CFUNCTYPE(*shape)(ctypes.cast(getattr(raw, name), ctypes.c_void_p).value or 0)
        for key, (name, shape) in shapes.items()
    }

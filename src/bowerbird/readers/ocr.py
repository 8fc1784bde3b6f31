"""Words in pictures, by RapidOCR (PP-OCR models inside its wheel, onnxruntime); the extra `ocr`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from bowerbird.errors import MissingExtra
from bowerbird.items import Box
from bowerbird.readers.pdf_layout import Paragraph, Type, paragraphs_of
from bowerbird.readers.pdf_lines import Line

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MIN_SCORE = 0.5
"""Lines that the recogniser is less sure of are left out."""
MAX_SIDE = 2_400
"""Larger pictures are shrunk first: time grows with the area, and letters are large enough by then."""


MIN_CHARACTERS = 4
"""A photo with fewer letters and digits has no text to speak of."""


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A recognised line; the box in fractions of the picture."""

    text: str
    box: Box
    score: float


def ocr_available() -> bool:
    """Whether the extra is installed; loads nothing."""
    return find_spec("rapidocr") is not None


def recognise(picture: PILImage) -> list[OcrLine]:
    """Lines of text in an upright picture, in the order the engine finds them: top to bottom.

    The classifier that turns upside-down lines is off: it took straight lines of clean pages for turned ones.
    Raises MissingExtra.
    """
    picture = picture.convert("RGB")
    if max(picture.size) > MAX_SIDE:
        picture.thumbnail((MAX_SIDE, MAX_SIDE))
    result = _engine()(np.asarray(picture)[:, :, ::-1], use_cls=False)
    if result.txts is None or result.boxes is None:
        return []
    scale = np.array(picture.size, float)
    lines = []
    for text, corners, score in zip(result.txts, result.boxes, result.scores, strict=True):
        points = np.clip(np.asarray(corners, float) / scale, 0, 1)
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        if score >= MIN_SCORE and text.strip():
            lines.append(OcrLine(text.strip(), (x0, y0, x1, y1), float(score)))
    return lines


def paragraphs(picture: PILImage, width: float, height: float) -> list[Paragraph]:
    """Recognised lines as paragraphs in reading order, on a page of this size in points."""
    scale = (width, height, width, height)
    lines = []
    for line in recognise(picture):
        x0, y0, x1, y1 = (value * side for value, side in zip(line.box, scale, strict=True))
        lines.append(Line(line.text, (x0, y0, x1, y1), 0.8 * (y1 - y0), False))
    return paragraphs_of(lines, Type.of([lines]))


def ocr_text(picture: PILImage) -> str:
    """All words of a picture in reading order; empty where they are too few to be text."""
    text = "\n".join(paragraph.text for paragraph in paragraphs(picture, *picture.size))
    return text if sum(char.isalnum() for char in text) >= MIN_CHARACTERS else ""


@lru_cache(maxsize=1)
def _engine() -> Any:
    """The engine, loaded once in a process, on one thread: pages are what runs side by side."""
    if not ocr_available():
        raise MissingExtra("ocr", "reading text in pictures")
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"EngineConfig.onnxruntime.intra_op_num_threads": 1, "Global.log_level": "error"})
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    return engine

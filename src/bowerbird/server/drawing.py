"""Pages and pictures drawn large from their source, with the evidence marked. Runs isolated (isolated.py)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bowerbird import readers
from bowerbird.errors import ReadError
from bowerbird.items import Box, Image, copy_id
from bowerbird.readers import pdf_document
from bowerbird.readers.base import ReadOptions

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MARK = (255, 170, 0)
FILL = 0.22
"""Opacity of the marked region; its outline is opaque."""


def draw(path: str, source: str, digest: str, item: str, page: int | None, boxes: Sequence[Box], side: int) -> bytes:
    """A page or picture as PNG, `side` pixels on its longer side at most, with boxes marked.

    item: the id of the page, slide or picture. Raises ReadError if the file holds it no more.
    """
    file = readers.source_file(path, source)
    if file.digest != digest:
        raise ReadError("has changed since it was indexed")
    if file.media_type == "application/pdf" and page is not None:
        with pdf_document.opened(file) as pdf:
            if not 1 <= page <= len(pdf):
                raise ReadError(f"has no page {page}")
            sheet = pdf[page - 1]
            picture = sheet.render(scale=side / max(sheet.get_size())).to_pil()
    else:
        options = ReadOptions(preview_side=side, ocr=False, speech=False)
        read = readers.read(file, options)
        found = next((one.image for one in read if item in (one.id, copy_id(one.id, path))), None)
        if found is None:
            raise ReadError("has no picture of this")
        picture = found.open()
    return to_png(marked(picture, boxes))


def thumbnail_as_png(thumbnail: bytes, boxes: Sequence[Box]) -> bytes:
    """A stored thumbnail, for what cannot be drawn again."""
    return to_png(marked(Image(thumbnail).open(), boxes))


def marked(picture: PILImage, boxes: Sequence[Box]) -> PILImage:
    """Boxes (fractions of width and height) tinted and outlined."""
    from PIL import Image as pil
    from PIL import ImageDraw

    picture = picture.convert("RGB")
    width, height = picture.size
    for x0, y0, x1, y1 in boxes:
        corners = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
        if corners[0] < corners[2] and corners[1] < corners[3]:
            region = picture.crop(corners)
            picture.paste(pil.blend(region, pil.new("RGB", region.size, MARK), FILL), corners)
            ImageDraw.Draw(picture).rectangle(corners, outline=MARK, width=max(2, max(picture.size) // 400))
    return picture


def to_png(picture: PILImage) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return out.getvalue()

"""A slide as a picture drawn from its blocks: no rendering engine, but true places, words and pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image as pil
from PIL import ImageDraw, ImageFont

from bowerbird.errors import ReadError
from bowerbird.items import Box, Image, Table, Text
from bowerbird.readers.blocks import Block

GROUND, INK, LINE = "white", "#222222", "#bbbbbb"


def draw_slide(blocks: Sequence[Block], size: tuple[int, int], side: int) -> pil.Image:
    """Blocks at their boxes on a white slide whose longer side is `side` pixels."""
    scale = side / max(size)
    canvas = pil.new("RGB", (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), GROUND)
    pen = ImageDraw.Draw(canvas)
    for block in blocks:
        if block.box is not None:
            _draw(canvas, pen, block, _pixels(block.box, canvas))
    return canvas


def _pixels(box: Box, canvas: pil.Image) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return round(x0 * canvas.width), round(y0 * canvas.height), round(x1 * canvas.width), round(y1 * canvas.height)


def _draw(canvas: pil.Image, pen: ImageDraw.ImageDraw, block: Block, place: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = place
    if isinstance(block.part, Image):
        try:
            picture = block.part.open()
        except ReadError:
            pen.rectangle(place, outline=LINE)
        else:
            canvas.paste(picture.resize((max(1, x1 - x0), max(1, y1 - y0))), (x0, y0))
    elif isinstance(block.part, Table):
        _draw_table(pen, block.part, place)
    elif isinstance(block.part, Text):
        _draw_text(pen, block.part, place)


def _draw_text(pen: ImageDraw.ImageDraw, text: Text, place: tuple[int, int, int, int]) -> None:
    """Words wrapped into the box, in the largest size that fits."""
    x0, y0, x1, y1 = place
    largest = 48 if text.role == "heading" else 28
    for points in range(largest, 9, -2):
        font = ImageFont.load_default(points)
        lines = [line for paragraph in text.text.split("\n") for line in _wrapped(pen, paragraph, font, x1 - x0)]
        if len(lines) * points * 1.25 <= y1 - y0 or points <= 11:
            pen.multiline_text((x0, y0), "\n".join(lines), INK, font, spacing=points // 4)
            return


def _wrapped(
    pen: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, font) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]


def _draw_table(pen: ImageDraw.ImageDraw, table: Table, place: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = place
    rows = [row for row in (table.header, *table.rows) if row]
    columns = max(map(len, rows), default=1)
    height, width = (y1 - y0) / max(len(rows), 1), (x1 - x0) / columns
    font = ImageFont.load_default(max(9, min(20, round(height * 0.6))))
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            left, top = x0 + column * width, y0 + number * height
            pen.rectangle((left, top, left + width, top + height), outline=LINE)
            pen.text((left + 3, top + 2), cell[: max(1, int(width / 7))], INK, font)

"""Slides: text in reading order, notes, pictures, tables, and a plain drawing of each slide as its picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Box, Image, Item, Part, Table, Text, text_of
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.docx import core
from bowerbird.readers.limits import check_zip
from bowerbird.readers.passages import cut
from bowerbird.readers.pictures import embedded
from bowerbird.readers.slides import draw_slide

MAX_SHAPES = 2000


def read_pptx(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document, a page per slide, and its passages, tables and pictures below it."""
    import pptx

    check_zip(file.path)
    try:
        deck = pptx.Presentation(file.path)
        about = deck.core_properties
        size = (deck.slide_width or 1, deck.slide_height or 1)
        slides = [_blocks(slide, size, options.preview_side) for slide in options.beating(deck.slides)]
        notes = [_notes(slide) for slide in deck.slides]
    except Exception as error:  # python-pptx raises anything on broken packages
        raise ReadError("is no readable slide deck: its parts do not fit together; open and save it again") from error
    title = about.title or (_title(slides[0]) if slides else "") or Path(file.name).name
    root = file.item("document", (), title=title, metadata={**core(about), "pages": len(slides)})
    yield root
    for number, (blocks, said) in enumerate(zip(slides, notes, strict=True), 1):
        words = [block.part for block in blocks if isinstance(block.part, Text | Table)]
        picture = Image.from_pil(draw_slide(blocks, size, options.preview_side), _title(blocks))
        parts: list[Part] = [picture, Text(text_of(words)), *([Text(said, "notes")] if said else [])]
        page = file.item("page", parts, parent=root.id, title=_title(blocks) or title, page=number)
        yield page
        yield from _inside(file, blocks, said, page, options)


def _inside(file: SourceFile, blocks: list[Block], said: str, page: Item, options: ReadOptions) -> Iterator[Item]:
    number = page.locator.page
    text = [Block(block.part, number, block.box) for block in blocks if isinstance(block.part, Text)]
    text += [Block(Text(said, "notes"), number)] if said else []
    for passage in cut(text, options):
        yield file.item("passage", passage.parts, parent=page.id, title=page.title, page=number, box=passage.box)
    for block in blocks:
        if isinstance(block.part, Table):
            yield file.item("table", (block.part,), parent=page.id, title=page.title, page=number, box=block.box)
        elif isinstance(block.part, Image):
            yield file.item("figure", (block.part,), parent=page.id, title=page.title, page=number, box=block.box)


def _blocks(slide: Any, size: tuple[int, int], side: int) -> list[Block]:
    """Shapes from top to bottom and left to right; the title first."""
    shapes = list(_flat(slide.shapes))[:MAX_SHAPES]
    title = slide.shapes.title
    shapes.sort(key=lambda shape: (shape is not title and shape.shape_id != getattr(title, "shape_id", -1),
                                   (shape.top or 0) // max(size[1] // 12, 1), shape.left or 0))  # fmt: skip
    found: list[Block] = []
    for shape in shapes:
        found += _block(shape, size, side, is_title=title is not None and shape.shape_id == title.shape_id)
    return found


def _flat(shapes: Any) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _flat(shape.shapes)
        else:
            yield shape


def _block(shape: Any, size: tuple[int, int], side: int, *, is_title: bool) -> Iterator[Block]:
    box = _box(shape, size)
    if getattr(shape, "has_table", False) and shape.has_table:
        rows = [tuple(" ".join(cell.text.split()) for cell in row.cells) for row in shape.table.rows]
        if rows:
            yield Block(Table(tuple(rows[1:]), rows[0]), box=box)
    elif hasattr(shape, "image"):
        try:
            described = shape._element._nvXxPr.cNvPr.get("descr") or ""
            picture = embedded(shape.image.blob, described, side)
        except (ValueError, KeyError, AttributeError):
            return  # a picture that is linked, not stored
        if picture is not None:
            yield Block(picture, box=box)
    elif getattr(shape, "has_text_frame", False) and shape.text_frame.text.strip():
        text = "\n".join(paragraph.text for paragraph in shape.text_frame.paragraphs if paragraph.text.strip())
        yield Block(Text(text, "heading", 1) if is_title else Text(text), box=box)


def _box(shape: Any, size: tuple[int, int]) -> Box | None:
    if shape.left is None or shape.width is None:
        return None
    edges = (shape.left / size[0], shape.top / size[1],
             (shape.left + shape.width) / size[0], (shape.top + shape.height) / size[1])  # fmt: skip
    x0, y0, x1, y1 = (round(min(max(edge, 0.0), 1.0), 4) for edge in edges)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _notes(slide: Any) -> str:
    return str(slide.notes_slide.notes_text_frame.text).strip() if slide.has_notes_slide else ""


def _title(blocks: list[Block]) -> str:
    parts = (block.part for block in blocks)
    return next((part.text.split("\n")[0] for part in parts if isinstance(part, Text) and part.role == "heading"), "")

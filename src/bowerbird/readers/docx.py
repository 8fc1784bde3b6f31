"""Word documents: paragraphs, tables and pictures in their order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Table, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.limits import check_zip
from bowerbird.readers.pictures import embedded
from bowerbird.readers.text import document

_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}blip"
_EMBED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}embed"
_ABOUT = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}docPr"


def read_docx(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document with its title, author and date."""
    import docx

    check_zip(file.path)
    try:
        opened = docx.Document(file.path)
        blocks = [block for part in opened.iter_inner_content() for block in _blocks(opened, part, options)]
        about = opened.core_properties
    except Exception as error:  # python-docx raises anything on broken packages
        raise ReadError(
            "is no readable Word document: its parts do not fit together; open and save it again"
        ) from error
    yield from document(file, about.title or _heading(blocks) or Path(file.name).name, blocks, options, core(about))


def core(about: Any) -> dict[str, str]:
    """Author and date of an Office file."""
    found = {"author": about.author, "date": about.modified.isoformat() if about.modified else ""}
    return {key: value for key, value in found.items() if value}


def _heading(blocks: list[Block]) -> str:
    parts = (block.part for block in blocks)
    return next((part.text for part in parts if isinstance(part, Text) and part.role == "heading"), "")


def _blocks(opened: Any, part: Any, options: ReadOptions) -> Iterator[Block]:
    from docx.table import Table as WordTable

    if isinstance(part, WordTable):
        rows = [tuple(" ".join(cell.text.split()) for cell in row.cells) for row in part.rows]
        if rows:
            yield Block(Table(tuple(rows[1:]), rows[0]) if len(rows) > 1 else Table(tuple(rows)))
        return
    style = (part.style.name or "") if part.style is not None else ""
    text = part.text.strip()
    if text and (style.startswith("Heading") or style == "Title"):
        level = int(style[-1]) if style[-1:].isdigit() else 1
        yield Block(Text(text, "heading", level))
    elif text:
        yield Block(Text(text, "caption" if style == "Caption" else "body"))
    for blip in part._p.iter(_DRAWING):
        related = opened.part.related_parts.get(blip.get(_EMBED))
        if related is not None and related.content_type.startswith("image/"):
            described = [about.get("descr") or "" for about in part._p.iter(_ABOUT)]
            shown = embedded(related.blob, next(filter(None, described), ""), options.preview_side)
            if shown is not None:
                yield Block(shown)

"""Plain text and source code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Role, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.passages import Passage, cut

MAX_TEXT_BYTES = 200 << 20
LEGACY = (
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256",
    "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr",
)  # fmt: skip
"""Encodings that files before UTF-8 are in; guessing among all that exist misreads short texts."""
_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")
_DEFINITION = re.compile(
    r"^(?:async\s+def|def|class|function|func|fn|pub|impl|struct|enum|interface|type|public|private|static|export)\b",
    re.M,
)


def decode(path: str) -> str:
    """The text of a file in whatever encoding it is; undecodable bytes become U+FFFD, line ends '\\n'."""
    with open(path, "rb") as file:
        raw = file.read(MAX_TEXT_BYTES + 1)
    if len(raw) > MAX_TEXT_BYTES:
        raise ReadError(f"is larger than {MAX_TEXT_BYTES >> 20} MiB of text; split it")
    return decode_bytes(raw)


def decode_bytes(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "utf-16") if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return _clean(raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    from charset_normalizer import from_bytes

    best = from_bytes(raw[: 1 << 20], cp_isolation=list(LEGACY)).best()
    return _clean(raw.decode(best.encoding if best else "utf-8", "replace"))


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")


def read_text(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document and its passages; `chars` are offsets into the decoded text."""
    text = decode(file.path)
    blocks = [Block(Text(match.group()), chars=match.span()) for match in _PARAGRAPH.finditer(text)]
    yield from document(file, Path(file.name).name, blocks, options)


def read_source(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """Source code, cut where top-level definitions start."""
    text = decode(file.path)
    starts = sorted({0, *(match.start() for match in _DEFINITION.finditer(text)), len(text)})
    blocks = [
        Block(Text(match.group(), "code"), chars=match.span())
        for start, end in pairwise(starts)
        for match in _PARAGRAPH.finditer(text, start, end)
    ]
    yield from document(file, Path(file.name).name, blocks, options)


def document(
    file: SourceFile,
    title: str,
    blocks: Sequence[Block],
    options: ReadOptions,
    metadata: dict[str, Any] | None = None,
) -> Iterator[Item]:
    """The usual shape of a text: a root, and passages below it."""
    root = file.item("document", (), title=title, metadata={**(metadata or {}), **_outline(blocks)})
    yield root
    for passage in cut(blocks, options):
        yield passage_item(file, passage, root.id, title)


def passage_item(file: SourceFile, passage: Passage, parent: str, title: str) -> Item:
    """The item of a passage."""
    place = {"page": passage.page, "box": passage.box, "chars": passage.chars}
    metadata = {"heading": passage.heading} if passage.heading else {}
    return file.item("passage", passage.parts, parent=parent, title=title, metadata=metadata, **place)


def _outline(blocks: Sequence[Block]) -> dict[str, Any]:
    role: Role = "heading"
    headings = [block.part for block in blocks if isinstance(block.part, Text) and block.part.role == role]
    return {"outline": [{"title": part.text, "level": part.level} for part in headings[:500]]} if headings else {}

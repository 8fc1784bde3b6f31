"""Markdown: headings, paragraphs, code, tables and pictures in order, with offsets into the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bowerbird.items import Item, Table, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.beside import picture_beside
from bowerbird.readers.blocks import Block
from bowerbird.readers.pictures import embedded
from bowerbird.readers.text import decode, document

_BLOCK = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+)[^\n]*\n.*?(?:^(?P=fence)[^\n]*$|\Z))"
    r"|(?P<heading>^\#{1,6}[ \t]+[^\n]+$)"
    r"|(?P<under>^[^\n]+\n(?:=+|-+)[ \t]*$)"
    r"|(?P<table>^\|?[^\n|]*\|[^\n]*\n\|?[ \t:|-]*-[ \t:|-]*(?:\n[^\n]*\|[^\n]*)*)"
    r"|(?P<image>^!\[[^\]\n]*\]\([^)\n]+\)[ \t]*$)"
    r"|(?P<paragraph>^[^\n]*\S[^\n]*(?:\n(?!\s*\n|\#{1,6}\s|```|~~~|!\[|[=-]+[ \t]*$)[^\n]*\S[^\n]*)*)",
    re.M | re.S,
)
_IMAGE = re.compile(r"!\[([^\[\]\n]{0,1000})\]\(\s{0,9}<?([^)\s>]{1,2000})")
_LINK = re.compile(r"\[([^\[\]\n]{0,1000})\]\([^()\n]{0,2000}\)")
_MARKS = re.compile(r"(\*\*|__|`|~~)")
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.S)


def read_markdown(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document titled by its first heading; `chars` are offsets into the decoded text."""
    text = decode(file.path)
    front = _FRONT.match(text)
    matches = _BLOCK.finditer(text, front.end() if front else 0)
    blocks = [block for match in matches for block in _blocks(match, file, options.preview_side)]
    headings = [block.part.text for block in blocks if isinstance(block.part, Text) and block.part.role == "heading"]
    metadata = _front_matter(front[1]) if front else {}
    title = metadata.get("title") or (headings[0] if headings else Path(file.name).name)
    yield from document(file, title, blocks, options, metadata)


def _front_matter(text: str) -> dict[str, str]:
    """'key: value' lines at the top, as far as they are simple."""
    pairs = (line.split(":", 1) for line in text.split("\n") if re.match(r"\w+:\s*\S", line))
    known = {key.strip().lower(): value.strip().strip("'\"") for key, value in pairs}
    return {key: known[key] for key in ("title", "author", "date", "language") if key in known}


def _blocks(match: re.Match[str], file: SourceFile, side: int) -> Iterator[Block]:
    kind, text, chars = str(match.lastgroup), match.group(), match.span()
    if match["code"]:
        inner = text.split("\n", 1)[1] if "\n" in text else ""
        yield Block(Text(re.sub(r"\n?(```+|~~~+)\s*\Z", "", inner), "code"), chars=chars)
    elif match["heading"]:
        level = len(text) - len(text.lstrip("#"))
        yield Block(Text(_plain(text.strip("# \t")), "heading", level), chars=chars)
    elif match["under"]:
        title, line = text.split("\n")
        yield Block(Text(_plain(title), "heading", 1 if line.startswith("=") else 2), chars=chars)
    elif match["table"]:
        yield Block(_table(text), chars=chars)
    elif kind == "image" or _IMAGE.match(text):
        yield from _picture(text, file, chars, side)
    else:
        yield Block(Text(_plain(text)), chars=chars)


def _picture(text: str, file: SourceFile, chars: tuple[int, int], side: int) -> Iterator[Block]:
    found = _IMAGE.match(text)
    if found:
        part = embedded(picture_beside(file, found[2]), found[1], side)
        if part is not None:
            yield Block(part, chars=chars)


def _table(text: str) -> Table:
    rows = [tuple(_plain(cell.strip()) for cell in line.strip().strip("|").split("|")) for line in text.split("\n")]
    return Table(tuple(rows[2:]), rows[0])


def _plain(text: str) -> str:
    """Words without marks; links and pictures by their text."""
    return _MARKS.sub("", _LINK.sub(r"\1", _IMAGE.sub(r"\1", text).replace("](", "]("))).strip()

"""E-books: the chapters of an EPUB in reading order, with their pictures."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bowerbird.errors import ReadError
from bowerbird.items import Item
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.html import html_blocks, parse
from bowerbird.readers.limits import check_zip
from bowerbird.readers.passages import cut
from bowerbird.readers.text import decode_bytes

_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
MAX_CHAPTER = 20 << 20


def read_epub(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document with title, author, date and language; passages name their chapter in the locator's member."""
    check_zip(file.path)
    try:
        with zipfile.ZipFile(file.path) as book:
            package, folder = _package(book)
            metadata = _metadata(package)
            root = file.item("document", (), title=metadata.pop("title", "") or Path(file.name).name, metadata=metadata)
            yield root
            for chapter in _spine(package, folder):
                yield from _chapter(file, book, chapter, root, options)
    except (zipfile.BadZipFile, KeyError, OSError, NotImplementedError, RuntimeError) as error:
        raise ReadError(f"is no readable EPUB ({error}); get it again") from error


def xml(data: bytes) -> Any:
    """An XML tree without entities or network. Raises ReadError."""
    from lxml import etree

    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError as error:
        raise ReadError(f"holds broken XML ({error})") from error


def _package(book: zipfile.ZipFile) -> tuple[Any, str]:
    container = xml(book.read("META-INF/container.xml"))
    found = container.find(f".//{_CONTAINER}rootfile")
    if found is None:
        raise ReadError("names no package file; the EPUB is damaged")
    name = found.get("full-path", "")
    return xml(book.read(name)), posixpath.dirname(name)


def _metadata(package: Any) -> dict[str, str]:
    names = {"title": "title", "creator": "author", "date": "date", "language": "language"}
    found = {ours: (package.findtext(f".//{_DC}{theirs}") or "").strip() for theirs, ours in names.items()}
    return {key: value[:2] if key == "language" else value for key, value in found.items() if value}


def _spine(package: Any, folder: str) -> list[str]:
    """Names of the chapters in order."""
    manifest = {entry.get("id"): entry.get("href", "") for entry in package.iter(f"{_OPF}item")}
    wanted = [manifest.get(entry.get("idref"), "") for entry in package.iter(f"{_OPF}itemref")]
    return [posixpath.normpath(posixpath.join(folder, unquote(name))) for name in wanted if name]


def _chapter(file: SourceFile, book: zipfile.ZipFile, name: str, root: Item, options: ReadOptions) -> Iterator[Item]:
    if name not in book.namelist() or book.getinfo(name).file_size > MAX_CHAPTER:
        return
    here = posixpath.dirname(name)

    def picture(address: str) -> bytes | None:
        target = posixpath.normpath(posixpath.join(here, unquote(address)))
        return book.read(target) if target in book.namelist() else None

    blocks = html_blocks(parse(decode_bytes(book.read(name))), picture, options.preview_side)
    inside = file.inside(file.path, name, file.digest, file.media_type)
    for passage in cut(blocks, options):
        metadata = {"heading": passage.heading} if passage.heading else {}
        yield inside.item("passage", passage.parts, parent=root.id, title=root.title, metadata=metadata)

"""Files → items. `read` finds the reader for a file and runs it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import entry_points

from bowerbird.errors import UnsupportedFile
from bowerbird.items import Item
from bowerbird.readers.base import Reader, ReadOptions, SourceFile
from bowerbird.readers.detect import detect
from bowerbird.readers.limits import Budget

__all__ = ["ReadOptions", "Reader", "SourceFile", "detect", "read", "source_file"]

_OFFICE = "application/vnd.openxmlformats-officedocument"
_READERS = {
    "application/pdf": "bowerbird.readers.pdf:read_pdf",
    "image/svg+xml": "bowerbird.readers.svg:read_svg",
    "image/*": "bowerbird.readers.images:read_image",
    "audio/*": "bowerbird.readers.audio:read_audio",
    "video/*": "bowerbird.readers.video:read_video",
    "text/plain": "bowerbird.readers.text:read_text",
    "text/markdown": "bowerbird.readers.markdown:read_markdown",
    "text/x-source": "bowerbird.readers.text:read_source",
    "text/html": "bowerbird.readers.html:read_html",
    "text/csv": "bowerbird.readers.sheets:read_delimited",
    "text/tab-separated-values": "bowerbird.readers.sheets:read_delimited",
    "application/vnd.apache.parquet": "bowerbird.readers.sheets:read_parquet",
    f"{_OFFICE}.spreadsheetml.sheet": "bowerbird.readers.sheets:read_workbook",
    f"{_OFFICE}.wordprocessingml.document": "bowerbird.readers.docx:read_docx",
    f"{_OFFICE}.presentationml.presentation": "bowerbird.readers.pptx:read_pptx",
    "application/epub+zip": "bowerbird.readers.epub:read_epub",
    "application/json": "bowerbird.readers.json:read_json",
    "application/jsonl": "bowerbird.readers.json:read_json_lines",
    "message/rfc822": "bowerbird.readers.mail:read_message",
    "application/mbox": "bowerbird.readers.mail:read_mailbox",
    "application/zip": "bowerbird.readers.archives:read_zip",
    "application/x-tar": "bowerbird.readers.archives:read_tar",
    "application/gzip": "bowerbird.readers.archives:read_compressed",
    "application/x-bzip2": "bowerbird.readers.archives:read_compressed",
    "application/x-xz": "bowerbird.readers.archives:read_compressed",
}
"""Media type (or its family) → 'module:function', imported when first needed."""


def read(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """The items of a file: its root first, then everything in it in reading order. Raises ReadError."""
    return _reader(file.media_type)(file, options)


def source_file(path: str, source: str) -> SourceFile:
    """A file to read: what it is and the BLAKE2b-128 digest of its content. Raises OSError, UnsupportedFile."""
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        budget = Budget.of(file.tell())
    return SourceFile(path, source, digest.hexdigest(), detect(path), budget=budget)


@cache
def _reader(media_type: str) -> Reader:
    """The reader of a media type; plugins (entry point group 'bowerbird.readers', named by media type) come first."""
    for entry in entry_points(group="bowerbird.readers"):
        if entry.name == media_type:
            plugin: Reader = entry.load()
            return plugin
    place = _READERS.get(media_type) or _READERS.get(media_type.split("/")[0] + "/*")
    if place is None:
        raise UnsupportedFile(f"there is no reader for {media_type}; a plugin may add one (see CONTRIBUTING.md)")
    module, function = place.split(":")
    reader: Reader = getattr(import_module(module), function)
    return reader

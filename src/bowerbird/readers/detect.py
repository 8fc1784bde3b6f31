"""What a file is, by its first bytes; its name decides only between kinds of plain text."""

from __future__ import annotations

import zipfile
from pathlib import Path

from bowerbird.errors import UnsupportedFile

HEAD = 4096

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_BRANDS = {b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic", b"msf1": "image/heic",
           b"avif": "image/avif", b"avis": "image/avif", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
           b"qt  ": "video/quicktime"}  # fmt: skip
_OFFICE = {"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
           "ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
           "xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}  # fmt: skip
_TEXT_NAMES = {
    ".md": "text/markdown", ".markdown": "text/markdown", ".html": "text/html", ".htm": "text/html",
    ".xhtml": "text/html", ".csv": "text/csv", ".tsv": "text/tab-separated-values", ".json": "application/json",
    ".jsonl": "application/jsonl", ".ndjson": "application/jsonl", ".eml": "message/rfc822",
    ".mbox": "application/mbox", ".svg": "image/svg+xml",
}  # fmt: skip
_CODE_NAMES = frozenset(
    ".py .pyi .js .mjs .ts .tsx .jsx .java .kt .c .h .cc .cpp .hpp .cs .go .rs .rb .php .swift .scala .lua .pl .r "
    ".jl .hs .ml .ex .erl .sh .bash .zsh .ps1 .sql .css .scss .toml .yaml .yml .ini .cfg .make .cmake .gradle "
    ".proto .graphql .vue .svelte .dart .zig .nim .m .mm .f90 .asm .s .tex .vim .el .clj .dockerfile".split()
)


def detect(path: str) -> str:
    """The media type of a file. Raises UnsupportedFile for what no reader takes; OSError if it cannot be read."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise UnsupportedFile("is empty: there is nothing to read")
    found = _binary(path, head) or _text(path, head)
    if found == "application/x-ole-storage":
        raise UnsupportedFile("is an old Office file (doc, ppt, xls); save it as docx, pptx or xlsx")
    if not found:
        raise UnsupportedFile(
            f"is of no kind that can be read (it starts with {head[:8].hex(' ')}); convert it, or leave it out"
        )
    return found


def _binary(path: str, head: bytes) -> str:
    for offset, magic, media_type in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return _ogg(head) if media_type == "audio/ogg" else media_type
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"PK\x03\x04":
        return _zip(path)
    # FF FE is no sound frame but the byte order mark of UTF-16
    if head[0] == 0xFF and head[1:2] and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 and head[1] != 0xFE:
        return "audio/aac" if head[1] & 0xF6 == 0xF0 else "audio/mpeg"
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    return ""


def _ogg(head: bytes) -> str:
    return "video/ogg" if b"theora" in head[:200] else "audio/ogg"


def _zip(path: str) -> str:
    """A zip, or one of the formats that are zips inside."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if names and names[0] == "mimetype" and b"epub" in archive.open("mimetype").read(64):
                return "application/epub+zip"
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return "application/zip"
    if "[Content_Types].xml" in names:
        for folder, media_type in _OFFICE.items():
            if any(name.startswith(folder) for name in names):
                return media_type
    return "application/zip"


def _text(path: str, head: bytes) -> str:
    """A kind of plain text, or nothing if the bytes are no text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head[: len(head) // 2 * 2].decode("utf-16", "ignore").encode()
    if b"\x00" in head:
        return ""
    if sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head) > len(head) // 10:
        return ""
    suffix = Path(path).suffix.lower()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    if start.startswith((b"<svg", b"<?xml")) and b"<svg" in start:
        return "image/svg+xml"
    if suffix in _TEXT_NAMES:
        return _TEXT_NAMES[suffix]
    if head.startswith(b"From ") and b"\nfrom:" in head.lower():
        return "application/mbox"
    if start.startswith((b"return-path:", b"received:", b"delivered-to:", b"mime-version:", b"message-id:")):
        return "message/rfc822"
    if suffix in _CODE_NAMES or head.startswith(b"#!"):
        return "text/x-source"
    return "text/plain"

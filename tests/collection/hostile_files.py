"""A folder of files that are made to break parsers, with some good ones between them. All from a fixed seed."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import wave
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pptx
from PIL import Image
from pptx.util import Inches

from tests.readers import pdf_writer
from tests.readers.pdf_writer import Page

GOOD = {
    "good-first.txt": "nightjar",
    "good-middle.pdf": "kingfisher",
    "z-good-last.txt": "hoopoe",
    "broken-picture.pptx": "puffin",
    "broken-cover.mp3": "bittern",
}
"""Files that must be read whatever stands beside them, and a word that is in each alone."""

MUST_FAIL = {
    "bomb-1-bit.png": "the limit is 100,000,000",
    "bomb-100-megapixels.png": "the limit is 100,000,000",
    "empty.pdf": "is empty",
    "zeros.bin": "of no kind that can be read",
    "old.doc": "old Office file",
    "deep.json": "nested too deeply",
    "deep.eml": "nested too deeply",
    "cycle.docx": "do not fit together",
    "noise.pdf": "",
    "headless.png": "",
    "loop-a": "cannot be read",
    "dangling.txt": "cannot be read",
    "device.txt": "not a regular file",
    "pipe.txt": "not a regular file",
}
"""What must be refused, and what the reason says."""

NAMES = (b"two\nlines.txt", b"not-utf8-\xff\xfe.txt", b"-rf.txt", b"\x01\x1b[31m.txt", b"n" * 251 + b".txt")


def make(folder: Path) -> None:
    """Write the corpus."""
    for name, content in _files():
        (folder / name).write_bytes(content)
    with (folder / "zeros.bin").open("wb") as sparse:
        sparse.truncate(200 << 20)
    (folder / "loop-a").symlink_to(folder / "loop-b")
    (folder / "loop-b").symlink_to(folder / "loop-a")
    (folder / "dangling.txt").symlink_to(folder / "nowhere")
    (folder / "device.txt").symlink_to("/dev/zero")
    (folder / "home").symlink_to(folder)
    os.mkfifo(folder / "pipe.txt")
    make_names(folder)


def make_names(folder: Path) -> None:
    """Write the files whose names are strange."""
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(f"A file with the name {name!r}.")


LONG = {
    "one-line.txt": b"x" * 2_000_000,
    "no-spaces.txt": "字".encode() * 300_000,
    "zalgo.txt": ("a" + "\u0301" * 100_000).encode(),
    "brackets.md": b"[" * 300_000 + b"](" * 100_000,
    "stars.md": b"*_" * 300_000,
    "pipes.md": b"|-" * 200_000 + b"\n" * 100_000,
    "wide.csv": b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b"1," * 100_000,
    "quotes.csv": b'a,b\n"' + b'""' * 100_000,
    "tags.html": b"<a href='" * 100_000 + b"<table><tr><td>" * 20_000,
}
"""Text that makes careless patterns take quadratic time; too long to be encoded in a test."""


def _files() -> Iterator[tuple[str, bytes]]:
    rng = np.random.default_rng(7)
    pdf, other_pdf = (
        pdf_writer.write([Page().column(50, 80, [f"A {bird} waits above the river.", "It dives for fish."])])
        for bird in ("kingfisher", "heron")
    )
    yield "good-first.txt", b"A nightjar sings at dusk."
    yield "good-middle.pdf", pdf
    yield "z-good-last.txt", b"A hoopoe walks over the lawn."
    samples = {"pdf": other_pdf, "docx": _zip({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>" * 100})}
    samples |= {kind: _picture(rng, kind) for kind in ("png", "jpeg", "gif", "webp", "tiff", "bmp")}
    samples["wav"] = _sound(rng)
    for kind, content in samples.items():
        for part in (0.1, 0.5, 0.9, 0.999):
            yield f"cut-{part}.{kind}", content[: int(part * len(content))]
        for number in range(5):
            yield f"fuzz-{number}.{kind}", _fuzz(rng, content)
    yield "noise.pdf", b"%PDF-1.7\n" + rng.bytes(50_000)
    yield "headless.png", b"\x89PNG\r\n\x1a\n" + rng.bytes(2000)
    yield "empty.pdf", b""
    yield "old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
    yield "broken-picture.pptx", slide("The puffin digs its own burrow.", samples["png"][:40])
    yield "broken-cover.mp3", song("The bittern booms", b"\xff\xd8\xff\xe0" + rng.bytes(200))
    yield from _bombs()
    yield from _documents()
    yield from _texts(rng)


def _bombs() -> Iterator[tuple[str, bytes]]:
    yield "bomb-1-bit.png", _png(50_000, 50_000, bits=1, rows=100)
    yield "bomb-100-megapixels.png", _png(10_001, 10_001, bits=8, rows=10_001)
    yield (
        "bomb-text.png",
        _png(8, 8, bits=8, rows=8, more=_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 << 20), 1))),
    )
    yield (
        "bomb-declared.bmp",
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 60, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6),
    )
    yield (
        "bomb-declared.gif",
        b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + (b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x44\x01\x00") * 500,
    )
    zeros = bytes(200 << 20)
    yield "bomb.gz", gzip.compress(zeros, 1)
    flat = _zip({"zeros.txt": zeros})
    yield "bomb.zip", flat
    nested = _zip({"zeros.txt": bytes(1 << 20)})
    for depth in range(12):
        nested = _zip({f"{depth}-{copy}.zip": nested for copy in range(3)})
    yield "bomb-nested.zip", nested
    yield "bomb-many.zip", _zip({f"{number}.txt": b"x" for number in range(20_000)})
    yield (
        "traversal.zip",
        _zip(
            {"../../escaped.txt": b"out", "/escaped.txt": b"out", "..\\escaped.txt": b"out", "C:\\escaped.txt": b"out"}
        ),
    )
    link = zipfile.ZipInfo("link.txt")
    link.external_attr = 0o120777 << 16
    yield "symlink.zip", _zip({link: b"/etc/passwd"})
    sheet = {"xl/workbook.xml": b"<workbook/>", "xl/worksheets/sheet1.xml": b"<row/>" * (20 << 20)}
    yield "bomb-sheet.xlsx", _zip({"[Content_Types].xml": b"<Types/>", **sheet})


def _documents() -> Iterator[tuple[str, bytes]]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    yield (
        "laughs.svg",
        f'<?xml version="1.0"?>{doctype}<svg xmlns="http://www.w3.org/2000/svg"><text>&l11;&file;</text></svg>'.encode(),
    )
    yield (
        "huge.svg",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="1e9" height="1e9"><rect width="9" height="9"/></svg>',
    )
    yield "deep.svg", b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g>" * 100_000
    yield "deep.html", b"<html><body>" + b"<div>" * 200_000 + b"deep"
    yield "deep.json", b"[" * 200_000
    yield "surrogates.json", b'{"text": "\\ud800 lone", "\\udfff": ["\\udc00", 1e999, NaN]}'
    yield "long-number.json", b"[" + b"9" * 1_000_000 + b"]"
    yield (
        "deep.eml",
        b"MIME-Version: 1.0\n"
        + b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(3000)),
    )
    cycle = b'<Relationships><Relationship Id="a" Type="x/officeDocument" Target="word/document.xml"/></Relationships>'
    inner = b'<Relationships><Relationship Id="b" Type="x/y" Target="../word/document.xml"/></Relationships>'
    types = (
        b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        b'<Default Extension="xml" ContentType="application/xml"/></Types>'
    )
    yield "cycle.docx", _zip({
        "[Content_Types].xml": types, "_rels/.rels": cycle, "word/document.xml": b"<document/>",
        "word/_rels/document.xml.rels": inner,
    })  # fmt: skip
    yield "laughs.docx", _zip({"[Content_Types].xml": types, "_rels/.rels": cycle,
                               "word/document.xml": f"{doctype}<document>&l11;</document>".encode()})  # fmt: skip
    page = b"3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 9e9 9e9] >> endobj\n"
    yield (
        "cyclic.pdf",
        b"%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n"
        + (
            b"2 0 obj << /Type /Pages /Kids [2 0 R 3 0 R] /Count 2000000000 >> endobj\n"
            + page
            + b"trailer << /Root 1 0 R >>"
        ),
    )
    endless = _sound(np.random.default_rng(1))
    yield "endless.wav", endless[:4] + b"\xff\xff\xff\xff" + endless[8:40] + b"\xff\xff\xff\xff" + endless[44:]
    yield "strange-rate.wav", endless[:24] + struct.pack("<I", 2**32 - 1) + endless[28:]
    yield "playlist.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\nhttp://127.0.0.1:9/x.ts\n"
    yield "concat.mp3", b"ffconcat version 1.0\nfile /etc/passwd\n"
    yield "hollow.mp4", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4sQ", 1, b"moov", 2**62)


def _texts(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    yield "latin.txt", "Größe, façade, naïveté".encode("latin-1")
    yield "invalid.txt", b"caf\xc3 \xff\xfe\xfd overlong \xc0\xaf surrogate \xed\xa0\x80 end"
    yield "odd.txt", b"\xff\xfeA"
    yield "utf16.txt", "curlew".encode("utf-16")
    yield "control.txt", bytes(range(1, 32)) * 3
    yield "numbers.jsonl", b"\n".join(json.dumps({"n": n}).encode() for n in range(30)) + b"\n{broken"
    yield "mark.py", b"\xef\xbb\xbf#!/usr/bin/env python\n" + rng.bytes(100).hex().encode()


def _fuzz(rng: np.random.Generator, content: bytes) -> bytes:
    changed = np.frombuffer(content, np.uint8).copy()
    at = rng.integers(8, len(changed), max(3, len(changed) // 200))
    changed[at] = rng.integers(0, 256, len(at))
    return changed.tobytes()


def _picture(rng: np.random.Generator, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(out, kind)
    return out.getvalue()


def _sound(rng: np.random.Generator) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(rng.integers(-9000, 9000, 32_000).astype("<i2").tobytes())
    return out.getvalue()


def slide(words: str, picture: bytes) -> bytes:
    """A deck of one slide, whose picture is replaced by other bytes after the deck was made."""
    deck, out = pptx.Presentation(), io.BytesIO()
    page = deck.slides.add_slide(deck.slide_layouts[5])
    page.shapes.title.text = words
    shape = page.shapes.add_picture(io.BytesIO(_png(8, 8, bits=8, rows=8)), 0, 0, Inches(1), Inches(1))
    page.part.related_part(shape._element.blip_rId).blob = picture
    deck.save(out)
    return out.getvalue()


def song(title: str, cover: bytes) -> bytes:
    """Two seconds of noise as MP3, with an ID3 tag that holds the title and a cover."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as file:
        stream = file.add_stream("mp3", 16_000, layout="mono")
        noise = np.random.default_rng(3).uniform(-0.3, 0.3, (1, 32_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, "flt", "mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    frames = _tag(b"TIT2", b"\x03" + title.encode()) + _tag(b"APIC", b"\0image/jpeg\0\x03\0" + cover)
    size = bytes(len(frames) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frames + out.getvalue()


def _tag(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">IH", len(content), 0) + content


def _zip(members: dict[str, bytes] | dict[zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def _png(width: int, height: int, bits: int, rows: int, more: bytes = b"") -> bytes:
    """Grey; only the first rows are there."""
    line = bytes(1 + (width * bits + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(line * rows, 1))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + data + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

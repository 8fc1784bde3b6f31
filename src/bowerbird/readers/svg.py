"""SVG drawings: rasterised by resvg with nothing loaded from outside, and the words inside them."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.images import image_item
from bowerbird.readers.picture_words import Words, sidecar_words, xmp_words

MAX_BYTES = 30_000_000
MAX_ELEMENTS = 200_000
MAX_USES = 2_000
"""`use` elements; nested ones multiply what is drawn."""

_DATA_PICTURE = re.compile(r"data:image/(png|jpe?g|gif|webp)[;,]", re.IGNORECASE)
_LENGTH = re.compile(r"\s*([0-9.]+)\s*(px|pt|mm|cm|in|pc)?\s*$")
_UNITS = {"": 1.0, "px": 1.0, "pt": 96 / 72, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0, "pc": 16.0}
_WORDS = ("title", "desc", "text")


def read_svg(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """One image item: the drawing on white, its title, description and lettering.

    Raises ReadError if it is no SVG, too large, or cannot be drawn.
    """
    root = _parsed(file)
    words = Words()
    if file.member is None:
        sidecar_words(file.path, words)
    _say(root, words)
    _cut_outside(root)
    width, height = _size(root)
    picture = _drawn(file, root, width, height, options.preview_side)
    facts = words.metadata | {"width": round(width), "height": round(height)}
    frame = picture.open()
    # Lettering is in the source: nothing to recognise.
    yield image_item(file, [Image.from_pil(frame), *words.parts()], frame, replace(options, ocr=False), words, facts)


def _parsed(file: SourceFile) -> Any:
    from lxml import etree

    with open(file.path, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1)
        except (OSError, EOFError) as error:
            raise ReadError(f"broken SVGZ: {file.name} ({error}); save it again") from error
    if len(data) > MAX_BYTES:
        raise ReadError(f"SVG too large: {file.name} is over {MAX_BYTES:,} bytes; simplify it or save it as PNG")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ReadError(f"broken SVG: {file.name} ({error}); save it again") from error
    elements = sum(1 for _ in root.iter())
    uses = sum(1 for _ in root.iter("{*}use"))
    if elements > MAX_ELEMENTS or uses > MAX_USES:
        raise ReadError(f"SVG too complex: {file.name} has {elements:,} elements; save it as PNG")
    return root


def _say(root: Any, words: Words) -> None:
    from lxml import etree

    for element in root.iter(*(f"{{*}}{name}" for name in _WORDS)):
        name = etree.QName(element).localname
        if "svg" not in (etree.QName(element).namespace or "svg"):
            continue
        text = " ".join("".join(element.itertext()).split())
        words.say(text, "heading" if name == "title" else "caption" if name == "desc" else "alt")
    for metadata in root.iter("{*}metadata"):
        xmp_words(etree.tostring(metadata, with_tail=False), words)


def _cut_outside(root: Any) -> None:
    """Take out every reference but those inside the drawing and pictures stored in it; no scripts, no foreign HTML."""
    for element in list(root.iter()):
        if not isinstance(element.tag, str):
            continue
        for key, value in list(element.attrib.items()):
            if key.rsplit("}", 1)[-1] in ("href", "base") and not _inside(value):
                del element.attrib[key]
        if element.tag.rsplit("}", 1)[-1] in ("script", "foreignObject") and element.getparent() is not None:
            element.getparent().remove(element)


def _inside(reference: str) -> bool:
    return reference.startswith("#") or _DATA_PICTURE.match(reference.strip()) is not None


def _size(root: Any) -> tuple[float, float]:
    """Width and height in pixels, from the attributes or the view box."""
    box = [float(value) for value in re.findall(r"-?\d+(?:\.\d+)?", root.get("viewBox", ""))]
    width, height = _length(root.get("width", "")), _length(root.get("height", ""))
    if len(box) == 4 and box[2] > 0 and box[3] > 0:
        width = width or (height * box[2] / box[3] if height else box[2])
        height = height or width * box[3] / box[2]
    return width or 100.0, height or 100.0


def _length(text: str) -> float:
    match = _LENGTH.match(text)
    try:
        return float(match[1]) * _UNITS[match[2] or ""] if match else 0.0
    except ValueError:
        return 0.0


def _drawn(file: SourceFile, root: Any, width: float, height: float, side: int) -> Image:
    import resvg_py
    from lxml import etree

    root.set("width", f"{width:g}")  # resvg takes neither all units nor a missing view box
    root.set("height", f"{height:g}")
    if not root.get("viewBox"):
        root.set("viewBox", f"0 0 {width:g} {height:g}")
    try:
        png = resvg_py.svg_to_bytes(
            svg_string=etree.tostring(root, encoding="unicode", with_tail=False),
            background="white",
            width=side if width >= height else None,
            height=None if width >= height else side,
        )
    except Exception as error:
        raise ReadError(f"SVG cannot be drawn: {file.name} ({error}); save it as PNG") from error
    return Image(bytes(png))

"""Picture files → one image item, and one more for each further frame or page that looks different."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item, Part, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.ocr import ocr_available, ocr_text
from bowerbird.readers.picture_words import Words, embedded_words, sidecar_words
from bowerbird.readers.pictures import frames, opened

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

OCR_SIDE = 1_600
"""Pictures are recognised at most this large, in pixels of the longer side."""
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def read_image(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """The picture with all words that belong to it; frames and pages follow as its children, numbered from 1.

    Raises ReadError if the picture is damaged or too large; MissingExtra for HEIC without its extra.
    """
    words = Words()
    if file.member is None:
        sidecar_words(file.path, words)
    with opened(file.path, file.name) as picture:
        embedded_words(picture, words)
        facts = words.metadata | _size(picture)
        root: Item | None = None
        side = max(options.preview_side, OCR_SIDE if _recognising(options) else 0)
        for number, frame in frames(picture, side):
            parts = [Image.from_pil(frame, side=options.preview_side), *(words.parts() if root is None else ())]
            if root is None:
                root = image_item(file, parts, frame, options, words, facts)
                yield root
            else:
                parts += _recognised(frame, options)
                yield file.item("image", parts, parent=root.id, title=root.title, page=number)
        if root is None:
            raise ReadError(f"picture without frames: {file.name}; open and save it again, or remove it")


def image_item(
    file: SourceFile, parts: list[Any], frame: PILImage, options: ReadOptions, words: Words, facts: dict[str, Any]
) -> Item:
    """The root item of a picture file."""
    if words.keywords:
        facts = facts | {"keywords": list(words.keywords)}
    title = words.title or PurePosixPath(file.name).stem
    return file.item("image", [*parts, *_recognised(frame, options)], title=title, metadata=facts)


def _size(picture: PILImage) -> dict[str, int]:
    """Width and height as a person sees them."""
    width, height = picture.size
    if picture.getexif().get(0x0112) in _TURNED:
        width, height = height, width
    return {"width": width, "height": height}


def _recognising(options: ReadOptions) -> bool:
    return options.ocr and ocr_available()


def _recognised(frame: PILImage, options: ReadOptions) -> list[Part]:
    """The words in the picture, where there are enough to be text rather than texture."""
    text = ocr_text(frame) if _recognising(options) else ""
    return [Text(text, "ocr")] if text else []

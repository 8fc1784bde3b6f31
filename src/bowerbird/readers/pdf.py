"""PDF → a document, its pages, and on each page passages, tables and figures, by pdfium; one page in memory at a time.

pdfium is not thread-safe: read in processes, not in threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bowerbird.errors import ReadError
from bowerbird.items import Box, Image, Item, Part, Role, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.ocr import ocr_available, paragraphs
from bowerbird.readers.passages import cut
from bowerbird.readers.pdf_document import Survey, links_of, metadata_of, opened, survey_of, title_of
from bowerbird.readers.pdf_glyphs import Frame
from bowerbird.readers.pdf_layout import Type
from bowerbird.readers.pdf_page import Content, Piece, content_of, pieces_of

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from pypdfium2 import PdfDocument, PdfPage

NEIGHBOURS = 2
"""Running heads are looked for on so many pages before and after: left and right pages differ."""
OCR_SIDE = 1_900
"""Pages without text are rendered so large, on their longer side, for recognition: 160 dpi of a letter sheet."""
FIGURE_ZOOM = 3.0
"""Figures are rendered at most so many pixels to the point."""


def read_pdf(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """The document item, then each page followed by its passages, tables and figures in reading order.

    Raises ReadError if the file needs a password, is broken, or has no page that can be read.
    """
    with opened(file) as pdf:
        survey = survey_of(pdf)
        if len(survey.broken) == len(pdf):
            raise ReadError(f"broken PDF: no page of {file.name} can be read; export or download it again")
        metadata = metadata_of(pdf, survey)
        recognising = options.ocr and ocr_available()
        if survey.without_text and not recognising:
            metadata["needs_ocr"] = list(survey.without_text)
        title = title_of(pdf, survey, file)
        document = file.item("document", (), title=title, metadata=metadata)
        yield document
        reader = _PageReader(file, options, pdf, survey.type, document)
        for content, neighbours in _windows(_contents(pdf, survey)):
            yield from reader.items(content, neighbours, recognising and content.number in survey.without_text)


def _contents(pdf: PdfDocument, survey: Survey) -> Iterator[Content]:
    for number in range(1, len(pdf) + 1):
        if number not in survey.broken:
            page = pdf[number - 1]
            try:
                yield content_of(page, number)
            finally:
                page.close()


def _windows(contents: Iterator[Content]) -> Iterator[tuple[Content, list[Content]]]:
    """Each page with those up to NEIGHBOURS before and after it."""
    near: deque[Content] = deque(maxlen=2 * NEIGHBOURS + 1)
    ahead = 0  # pages in `near` that were not given yet
    for content in contents:
        near.append(content)
        ahead += 1
        if ahead > NEIGHBOURS:
            yield _split(near, len(near) - ahead)
            ahead -= 1
    while ahead:
        yield _split(near, len(near) - ahead)
        ahead -= 1


def _split(near: Sequence[Content], at: int) -> tuple[Content, list[Content]]:
    others = [content for k, content in enumerate(near) if k != at and abs(k - at) <= NEIGHBOURS]
    return near[at], others


class _PageReader:
    """Makes the items of one page after the other; remembers under which headings a page begins."""

    def __init__(self, file: SourceFile, options: ReadOptions, pdf: PdfDocument, type_: Type, document: Item) -> None:
        self.file = file
        self.options = options
        self.pdf = pdf
        self.type = type_
        self.document = document
        self.above: list[tuple[int, str]] = []
        """Level and text of the headings in force, outermost first."""

    def items(self, content: Content, neighbours: Sequence[Content], recognising: bool) -> Iterator[Item]:
        page = self.pdf[content.number - 1]
        try:
            role: Role = "ocr" if recognising else "body"
            pieces = _recognised(page, content.frame) if recognising else pieces_of(content, self.type, neighbours)
            whole = self._page(page, content, pieces, role)
            yield whole
            yield from self._passages(pieces, content, whole, role)
            for piece in pieces:
                if piece.table is not None:
                    yield self._table(piece, content, whole)
                elif piece.kind == "figure":
                    yield self._figure(piece, page, content, whole)
        finally:
            page.close()

    def _page(self, page: PdfPage, content: Content, pieces: Sequence[Piece], role: Role) -> Item:
        width, height = content.frame.size
        metadata: dict[str, Any] = {"size": [round(width, 2), round(height, 2)]}
        if content.frame.rotation:
            metadata["rotation"] = content.frame.rotation
        if label := self.pdf.get_page_label(content.number - 1):
            metadata["label"] = label
        if links := links_of(self.pdf, page):
            metadata["links"] = links
        picture = Image.from_pil(_render(page, content.frame, self.options.preview_side))
        text = "\n".join(words for piece in pieces if (words := _words(piece)))
        parts: tuple[Part, ...] = (picture, Text(text, role)) if text else (picture,)
        return self._child("page", parts, self.document, content.number, None, metadata)

    def _passages(self, pieces: Sequence[Piece], content: Content, whole: Item, role: Role) -> Iterator[Item]:
        blocks = [
            Block(
                Text(piece.text, role if piece.role == "body" else piece.role, piece.level),
                page=content.number,
                box=_fractions(piece.box, content.frame),
            )
            for piece in pieces
            if piece.kind == "text" and piece.text
        ]
        headings = [(piece.level, piece.text) for piece in pieces if piece.role == "heading"]
        for passage in cut(blocks, self.options):
            path = self._path(passage.heading, headings)
            metadata = {"heading": path} if path else {}
            yield self._child("passage", passage.parts, whole, content.number, passage.box, metadata)
        for level, text in headings:
            self.above = [*(heading for heading in self.above if heading[0] < level), (level, text)]

    def _path(self, path: str, headings: Sequence[tuple[int, str]]) -> str:
        """A passage's headings on its page, below those of earlier pages that still hold."""
        first = next((level for level, text in headings if path.startswith(text)), None)
        held = [text for level, text in self.above if first is None or level < first]
        return " > ".join([*held, path] if path else held)

    def _table(self, piece: Piece, content: Content, whole: Item) -> Item:
        assert piece.table is not None
        table = piece.table.table(piece.caption)
        return self._child("table", (table,), whole, content.number, _fractions(piece.box, content.frame), {})

    def _figure(self, piece: Piece, page: PdfPage, content: Content, whole: Item) -> Item:
        picture = Image.from_pil(_crop(page, content.frame, piece.box, self.options.preview_side))
        parts: list[Part] = [picture]
        if piece.caption:
            parts.append(Text(piece.caption, "caption"))
        if piece.text:
            parts.append(Text(piece.text))
        box = _fractions(piece.box, content.frame)
        return self._child("figure", parts, whole, content.number, box, {})

    def _child(
        self, kind: Any, parts: Sequence[Part], parent: Item, page: int, box: Box | None, metadata: dict[str, Any]
    ) -> Item:
        title = self.document.title
        return self.file.item(kind, parts, parent=parent.id, title=title, metadata=metadata, page=page, box=box)


def _words(piece: Piece) -> str:
    if piece.table is not None:
        return piece.table.table().to_text()
    return piece.text


def _fractions(box: Box, frame: Frame) -> Box:
    """Points as seen → fractions of the page, rounded to what a person can see."""
    width, height = frame.size
    x0, y0, x1, y1 = (
        round(min(max(value / side, 0.0), 1.0), 4)
        for value, side in zip(box, (width, height, width, height), strict=True)
    )
    return x0, y0, x1, y1


def _render(page: PdfPage, frame: Frame, side: int) -> PILImage:
    """The whole page, its longer side exactly `side` pixels whatever its size in points."""
    picture: PILImage = page.render(scale=side / max(frame.size)).to_pil()
    return picture.convert("RGB")


def _crop(page: PdfPage, frame: Frame, box: Box, side: int) -> PILImage:
    """A part of the page, as sharp as `side` and FIGURE_ZOOM allow."""
    width, height = frame.size
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    scale = min(side / max(x1 - x0, y1 - y0), max(FIGURE_ZOOM, side / max(width, height)))
    picture: PILImage = page.render(scale=scale, crop=(x0, height - y1, width - x1, y0)).to_pil()
    return picture.convert("RGB")


def _recognised(page: PdfPage, frame: Frame) -> list[Piece]:
    """The words of a scanned page in reading order."""
    found = paragraphs(_render(page, frame, OCR_SIDE), *frame.size)
    return [Piece("text", paragraph.box, paragraph.text) for paragraph in found]

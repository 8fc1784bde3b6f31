"""A PDF file as a whole: opening it, what it says about itself, and the type that its pages are set in."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from bowerbird.errors import BowerbirdError, ReadError
from bowerbird.readers.base import SourceFile
from bowerbird.readers.pdf_glyphs import frame_of, glyphs_of
from bowerbird.readers.pdf_layout import Type, paragraphs_of, squeezed
from bowerbird.readers.pdf_lines import Line, lines_of
from bowerbird.readers.pdf_page import MARGIN
from bowerbird.readers.pdf_shapes import shapes_of

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

SAMPLE_PAGES = 12
"""Pages, spread over the document, whose letters tell the sizes of running text and headings."""
MAX_OUTLINE = 5_000
MAX_STAMP = 200
"""Letters and digits that courts and scanners print into the margins of a scanned page."""
MAX_LINKS = 200
"""Link addresses kept for one page."""
MAX_URL = 2_000

_PASSWORD = 4
_DATE = re.compile(r"D?:?(\d{4})(\d\d)?(\d\d)?(?:(\d\d)(\d\d)(\d\d)?)?")
_NO_TITLE = re.compile(
    r"untitled|unbenannt|microsoft word|microsoft powerpoint|powerpoint presentation|slide 1|"
    r"\S+\.(docx?|pptx?|xlsx?|pdf|tex|dvi|indd|qxd|ps|eps|odt|pub|rtf|html?)$|[\d\W_]+$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a quick look at every page tells before the first is read closely."""

    type: Type
    title: str
    """The largest heading on the first page; empty if there is none."""
    links: int
    without_text: tuple[int, ...]
    """Pages, from 1, whose text layer is empty, or holds only stamps in the margins of a scan."""
    broken: tuple[int, ...]
    """Pages that pdfium cannot load."""


@contextmanager
def opened(file: SourceFile) -> Iterator[PdfDocument]:
    """The document, closed afterwards.

    Raises ReadError if it needs a password, is broken (also while it is used) or has no pages.
    """
    import pypdfium2 as pdfium

    try:
        pdf = pdfium.PdfDocument(file.path)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise ReadError(f"PDF needs a password: {file.name}; save a copy without one and add that") from error
        raise ReadError(f"broken PDF: {file.name} ({error}); export or download it again") from error
    except OSError as error:
        raise ReadError(f"cannot open PDF: {file.name} ({error}); check that it exists and may be read") from error
    try:
        if len(pdf) == 0:
            raise ReadError(f"PDF without pages: {file.name}; export or download it again")
        yield pdf
    except BowerbirdError:
        raise
    except Exception as error:
        raise ReadError(f"broken PDF: {file.name} ({error}); export or download it again") from error
    finally:
        pdf.close()


def survey_of(pdf: PdfDocument) -> Survey:
    """About 1 ms a page."""
    import pypdfium2 as pdfium

    sampled = set(range(0, len(pdf), max(1, len(pdf) // SAMPLE_PAGES)))
    sample: list[list[Line]] = []
    first: list[Line] = []
    links, without_text, broken = 0, [], []
    for index in range(len(pdf)):
        try:
            page = pdf[index]
        except pdfium.PdfiumError:
            broken.append(index + 1)
            continue
        try:
            links += _count_links(page)
            if _lacks_text(page):
                without_text.append(index + 1)
            elif index in sampled:
                groups = list(lines_of(glyphs_of(page, frame_of(page))))
                sample.append([line for _, lines in groups for line in lines])
                if index == 0 and groups:
                    first = groups[0][1]
        finally:
            page.close()
    type_ = replace(Type.of(sample), titles=_titles(pdf))
    return Survey(type_, _largest_heading(first, type_), links, tuple(without_text), tuple(broken))


def _titles(pdf: PdfDocument) -> dict[str, int]:
    """Outline titles long enough to be told from other words."""
    titles: dict[str, int] = {}
    for entry in outline_of(pdf):
        if len(key := squeezed(entry["title"])) >= 4:
            titles.setdefault(key, min(entry["level"], 6))
    return titles


def _lacks_text(page: PdfPage) -> bool:
    text_page = page.get_textpage()
    try:
        count = sum(char.isalnum() for char in text_page.get_text_range())
    finally:
        text_page.close()
    return count == 0 or (count <= MAX_STAMP and _is_stamped_scan(page))


def _is_stamped_scan(page: PdfPage) -> bool:
    """Whether a picture takes most of the page, and all text stands in the margins."""
    frame = frame_of(page)
    width, height = frame.size
    sides = np.diff(shapes_of(page, frame).pictures.reshape(-1, 2, 2), axis=1)
    covered = sides.prod(axis=2).max(initial=0.0) > 0.5 * width * height
    middle = glyphs_of(page, frame).boxes[:, [1, 3]].mean(axis=1) / height
    return bool(covered and ((middle < MARGIN) | (middle > 1 - MARGIN)).all())


def _largest_heading(lines: list[Line], type_: Type) -> str:
    headings = [part for part in paragraphs_of(lines, type_) if part.role == "heading" and len(part.text) >= 4]
    largest = max(headings, key=lambda part: max(line.size for line in part.lines), default=None)
    return largest.text if largest is not None and largest.lines[0].size > 1.12 * type_.body else ""


def title_of(pdf: PdfDocument, survey: Survey, file: SourceFile) -> str:
    """The title the file states, if it is one; else the largest words of the first page; else the file's name."""
    stated = " ".join(_clean(pdf.get_metadata_value("Title")).split())
    if len(stated) >= 4 and not _NO_TITLE.match(stated):
        return stated
    return survey.title or PurePosixPath(file.name).stem


def metadata_of(pdf: PdfDocument, survey: Survey) -> dict[str, Any]:
    """JSON-ready facts: author, date, pages, links, outline, and pages that could not be read."""
    known: dict[str, Any] = {"pages": len(pdf), "link_count": survey.links}
    for key, name in (("author", "Author"), ("subject", "Subject"), ("keywords", "Keywords"), ("producer", "Producer")):
        if value := _clean(pdf.get_metadata_value(name)):
            known[key] = value
    if date := iso_date(pdf.get_metadata_value("CreationDate")):
        known["date"] = date
    if outline := outline_of(pdf):
        known["outline"] = outline
    if survey.broken:
        known["broken_pages"] = list(survey.broken)
    return known


def outline_of(pdf: PdfDocument) -> list[dict[str, Any]]:
    """Bookmarks in order as {title, level, page}; page is absent where the target is outside."""
    entries: list[dict[str, Any]] = []
    for mark in pdf.get_toc():
        if len(entries) == MAX_OUTLINE:
            break
        title = " ".join(_clean(mark.get_title()).split())
        target = mark.get_dest()
        index = target.get_index() if target is not None else None
        if title:
            entry = {"title": title, "level": mark.level + 1}
            entries.append(entry | ({"page": index + 1} if index is not None else {}))
    return entries


def iso_date(text: str) -> str:
    """D:20240131123000+01'00' → 2024-01-31T12:30:00; empty if it is no date."""
    match = _DATE.match(text.strip())
    if match is None:
        return ""
    year, month, day, hour, minute, second = match.groups()
    if not 1 <= int(month or 1) <= 12 or not 1 <= int(day or 1) <= 31:
        return ""
    date = "-".join(part for part in (year, month, day) if part)
    return f"{date}T{hour}:{minute}:{second or '00'}" if hour and day else date


def _clean(text: str) -> str:
    return "".join(char for char in text if char.isprintable() or char in "\n\t").strip()


def _links(page: PdfPage) -> Iterator[Any]:
    import pypdfium2.raw as raw

    position, link = ctypes.c_int(0), raw.FPDF_LINK()
    while raw.FPDFLink_Enumerate(page.raw, position, link):
        yield link


def _count_links(page: PdfPage) -> int:
    return sum(1 for _ in _links(page))


def links_of(pdf: PdfDocument, page: PdfPage) -> list[str]:
    """Web addresses that the page links to, each once."""
    import pypdfium2.raw as raw

    addresses: dict[str, None] = {}
    for link in _links(page):
        action = raw.FPDFLink_GetAction(link)
        if not action or raw.FPDFAction_GetType(action) != raw.PDFACTION_URI:
            continue
        buffer = ctypes.create_string_buffer(MAX_URL)
        length = raw.FPDFAction_GetURIPath(pdf.raw, action, buffer, MAX_URL)
        if 1 < length <= MAX_URL and len(addresses) < MAX_LINKS:
            addresses[buffer.value.decode("utf-8", "replace")] = None
    return list(addresses)

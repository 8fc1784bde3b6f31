from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image as pil
from PIL import ImageDraw

from bowerbird.items import Image, Item, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.images import read_image
from bowerbird.readers.ocr import ocr_available, ocr_text, recognise
from bowerbird.readers.pdf import read_pdf
from tests.readers.pdf_writer import Page, write

pytestmark = pytest.mark.skipif(not ocr_available(), reason="needs the extra ocr")

LINES = ["The satin bowerbird builds", "an avenue of sticks and", "paints it with berries"]


def sheet(lines: list[str] = LINES, size: tuple[int, int] = (700, 400)) -> pil.Image:
    picture = pil.new("RGB", size, "white")
    for k, line in enumerate(lines):
        ImageDraw.Draw(picture).text((60, 80 + 60 * k), line, fill="black", font_size=36)
    return picture


def letters(text: str) -> str:
    return "".join(text.split()).lower()


def test_lines_and_their_places() -> None:
    lines = recognise(sheet())
    assert [letters(line.text) for line in lines] == [letters(line) for line in LINES]
    assert [line.box[1] for line in lines] == pytest.approx([(80 + 60 * k) / 400 for k in range(3)], abs=0.03)
    assert all(line.box[0] == pytest.approx(60 / 700, abs=0.02) for line in lines)


def test_a_picture_without_words_has_none() -> None:
    assert ocr_text(pil.radial_gradient("L").convert("RGB")) == ""


def test_a_scanned_page_has_passages_with_boxes_and_a_page_with_text_is_not_recognised(tmp_path: Path) -> None:
    out = io.BytesIO()
    sheet().save(out, "JPEG", quality=95)
    scan = Page(width=700, height=400).picture(out.getvalue(), (700, 400), (0, 0, 700, 400))
    typed = Page(width=700, height=400).text(60, 350, "Typed", 20)
    typed.picture(out.getvalue(), (700, 400), (0, 0, 700, 400))
    path = tmp_path / "scan.pdf"
    path.write_bytes(write([scan, typed]))
    items = list(read_pdf(SourceFile(str(path), "scan.pdf", "digest", "application/pdf"), ReadOptions()))
    pages = [item for item in items if item.kind == "page"]
    assert "needs_ocr" not in items[0].metadata
    assert text_parts(pages[0]) == [("ocr", letters("".join(LINES)))]
    assert text_parts(pages[1]) == [("body", "typed")]
    passages = [item for item in items if item.kind == "passage" and item.locator.page == 1]
    assert letters("".join(passage.text for passage in passages)) == letters("".join(LINES))
    box = passages[0].locator.box
    assert box is not None
    assert box[:2] == pytest.approx((60 / 700, 85 / 400), abs=0.04)


def text_parts(item: Item) -> list[tuple[str, str]]:
    assert isinstance(item.parts[0], Image)
    return [(part.role, letters(part.text)) for part in item.parts if isinstance(part, Text)]


def test_words_in_a_photo_are_found_if_asked_for(tmp_path: Path) -> None:
    sheet().save(tmp_path / "sign.png")
    file = SourceFile(str(tmp_path / "sign.png"), "sign.png", "digest", "image/png")
    (item,) = read_image(file, ReadOptions())
    assert text_parts(item) == [("ocr", letters("".join(LINES)))]
    (item,) = read_image(file, ReadOptions(ocr=False))
    assert text_parts(item) == []

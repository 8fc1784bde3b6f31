from __future__ import annotations

import io
import random
import re
from collections import Counter
from pathlib import Path

import pypdfium2 as pdfium
import pytest
from PIL import Image as pil

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item, Table
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.pdf import read_pdf
from bowerbird.readers.pdf_document import survey_of
from bowerbird.readers.pdf_page import content_of, pieces_of
from tests.readers.pdf_writer import Page, write
from tests.shared import shared

OPTIONS = ReadOptions(ocr=False, preview_side=400)
LEFT = [f"Left column line {k} of plain prose text" for k in range(12)]
RIGHT = [f"Right column line {k} of plain prose text" for k in range(12)]


def read(data: bytes, tmp_path: Path, options: ReadOptions = OPTIONS) -> list[Item]:
    path = tmp_path / "paper.pdf"
    path.write_bytes(data)
    return list(read_pdf(SourceFile(str(path), "docs/paper.pdf", "digest", "application/pdf"), options))


def of(items: list[Item], kind: str) -> list[Item]:
    return [item for item in items if item.kind == kind]


def in_order(text: str, *words: str) -> bool:
    places = [text.find(word) for word in words]
    return -1 not in places and places == sorted(places)


def jpeg(colour: str, size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    pil.new("RGB", size, colour).save(out, "JPEG")
    return out.getvalue()


# --- the tree of items ------------------------------------------------------------------------------------------------


def test_a_document_its_pages_and_their_parts(tmp_path: Path) -> None:
    pages = [Page().text(50, 100, f"Words of page {k}.") for k in (1, 2)]
    items = read(write(pages), tmp_path)
    document, first = items[0], items[1]
    assert document.kind == "document"
    assert document.parent is None
    assert document.metadata["pages"] == 2
    assert [page.locator.page for page in of(items, "page")] == [1, 2]
    assert all(page.parent == document.id for page in of(items, "page"))
    assert isinstance(first.parts[0], Image)
    assert max(first.parts[0].open().size) == 400
    assert first.metadata["size"] == [600, 800]
    passages = of(items, "passage")
    assert [passage.text for passage in passages] == ["Words of page 1.", "Words of page 2."]
    assert passages[0].parent == first.id


def test_reading_twice_gives_the_same_items(tmp_path: Path) -> None:
    data = write([Page().column(50, 100, LEFT).column(310, 100, RIGHT)])
    assert [item.id for item in read(data, tmp_path)] == [item.id for item in read(data, tmp_path)]


def test_title_date_author_outline_and_links(tmp_path: Path) -> None:
    page = Page(links=["https://example.org/a", "https://example.org/b"]).text(50, 100, "Some words")
    info = {"Title": "On Bowers", "Author": "A. Bird", "CreationDate": "D:20230405060708+02'00'"}
    items = read(write([page, Page()], info=info, outline=[("One", 0), ("Two", 1)]), tmp_path)
    document = items[0]
    assert document.title == "On Bowers"
    assert document.metadata["author"] == "A. Bird"
    assert document.metadata["date"] == "2023-04-05T06:07:08"
    assert document.metadata["link_count"] == 2
    assert document.metadata["outline"] == [
        {"title": "One", "level": 1, "page": 1},
        {"title": "Two", "level": 1, "page": 2},
    ]
    assert of(items, "page")[0].metadata["links"] == ["https://example.org/a", "https://example.org/b"]


@pytest.mark.parametrize("stated", ["Microsoft Word - draft7.doc", "untitled", "x", ""])
def test_a_title_that_is_none_gives_way_to_the_largest_words(stated: str, tmp_path: Path) -> None:
    page = Page().text(50, 80, "The Life of Bowerbirds", 24).column(50, 120, LEFT)
    assert read(write([page], info={"Title": stated}), tmp_path)[0].title == "The Life of Bowerbirds"


# --- words and their order --------------------------------------------------------------------------------------------


def test_two_columns_below_a_title_are_read_one_after_the_other(tmp_path: Path) -> None:
    page = Page().text(120, 60, "A title across both columns", 18)
    for k in range(12):  # the file's order is row by row
        page.text(50, 100 + 12 * k, LEFT[k]).text(310, 100 + 12 * k, RIGHT[k])
    page.text(50, 300, "A footnote across the whole width of the page, after both columns.")
    text = of(read(write([page]), tmp_path), "page")[0].text
    assert in_order(text, "A title", *LEFT, *RIGHT, "A footnote")


def test_columns_that_start_right_below_full_width_text_stay_apart(tmp_path: Path) -> None:
    page = Page().column(50, 76, ["An abstract as wide as the page, " * 3, "with a second line as wide as it, " * 3])
    for k in range(12):
        page.text(50, 100 + 12 * k, LEFT[k]).text(310, 100 + 12 * k, RIGHT[k])
    text = of(read(write([page]), tmp_path), "page")[0].text
    assert in_order(text, "An abstract", "second line", LEFT[0], LEFT[11], RIGHT[0], RIGHT[11])


def test_words_broken_at_line_ends_are_mended(tmp_path: Path) -> None:
    lines = [
        "The bower is a struc-",
        "ture of sticks with state-of-the-",
        "art decoration, and Mon-",
        "Fri it is open.",
    ]
    text = of(read(write([Page().column(50, 100, lines)]), tmp_path), "passage")[0].text
    assert text == "The bower is a structure of sticks with state-of-the-art decoration, and Mon-Fri it is open."


def test_ligatures_are_spelled_out(tmp_path: Path) -> None:
    page = Page().draw("BT /regular 10 Tf 50 700 Td (e\\001cient and \\002at o\\001ce) Tj ET")
    assert of(read(write([page]), tmp_path), "page")[0].text == "eficient and flat ofice"


def test_headings_have_levels_by_size_and_weight(tmp_path: Path) -> None:
    page = Page().text(50, 60, "Chapter title", 20).text(50, 100, "Section title", 14).column(50, 120, LEFT)
    page.text(50, 290, "A bold remark", 10, "bold").column(50, 310, RIGHT)
    items = read(write([page]), tmp_path)
    headings = [passage.metadata.get("heading", "") for passage in of(items, "passage")]
    assert any("Section title" in heading for heading in headings)
    pdf = pdfium.PdfDocument(write([page]))
    pieces = pieces_of(content_of(pdf[0], 1), survey_of(pdf).type, [])
    assert [(piece.text, piece.level) for piece in pieces if piece.role == "heading"] == [
        ("Chapter title", 1),
        ("Section title", 2),
        ("A bold remark", 3),
    ]


def test_headings_hold_on_the_pages_that_follow(tmp_path: Path) -> None:
    first = Page().text(50, 60, "Chapter", 20).text(50, 100, "Section", 14).column(50, 120, LEFT)
    third = Page().text(50, 100, "Another section", 14).column(50, 120, LEFT)
    items = read(write([first, Page().column(50, 60, RIGHT), third]), tmp_path)
    last = {item.locator.page: item.metadata["heading"] for item in of(items, "passage")}
    assert last == {1: "Chapter > Section", 2: "Chapter > Section", 3: "Chapter > Another section"}


def test_running_heads_and_page_numbers_stay_out_of_passages(tmp_path: Path) -> None:
    pages = [
        Page()
        .text(50, 30, "Journal of Birds, vol. 7")
        .text(50, 100, f"Story {'ABCDE'[k]} begins.")
        .text(300, 780, f"{k}")
        for k in range(5)
    ]
    items = read(write(pages), tmp_path)
    assert all("Journal of Birds" in page.text for page in of(items, "page"))
    assert [passage.text for passage in of(items, "passage")] == [f"Story {letter} begins." for letter in "ABCDE"]


# --- places -----------------------------------------------------------------------------------------------------------


def test_boxes_are_fractions_from_the_top_left(tmp_path: Path) -> None:
    page = Page().text(60, 200, "Words", 20)
    box = of(read(write([page]), tmp_path), "passage")[0].locator.box
    assert box == pytest.approx((60 / 600, (200 - 16) / 800, (60 + 57) / 600, (200 + 4.4) / 800), abs=0.01)


@pytest.mark.parametrize(
    ("rotate", "matrix", "place"),
    [
        (90, "0 1 -1 0 200 60", (60, 200)),  # as seen the page is 800 wide and 600 high
        (180, "-1 0 0 -1 540 200", (60, 200)),
        (270, "0 -1 1 0 400 740", (60, 200)),
    ],
)
def test_boxes_on_rotated_pages_are_as_seen(rotate: int, matrix: str, place: tuple[int, int], tmp_path: Path) -> None:
    page = Page(rotate=rotate).draw(f"BT /regular 20 Tf {matrix} Tm (Words) Tj ET")
    items = read(write([page]), tmp_path)
    width, height = (600, 800) if rotate == 180 else (800, 600)
    whole = of(items, "page")[0]
    assert whole.metadata["size"] == [width, height]
    assert whole.metadata["rotation"] == rotate
    (passage,) = of(items, "passage")
    assert passage.text == "Words"
    x, y = place
    assert passage.locator.box == pytest.approx(
        (x / width, (y - 16) / height, (x + 57) / width, (y + 4.4) / height), abs=0.01
    )
    assert ink(whole, passage) > 0.1


def ink(whole: Item, passage: Item) -> float:
    """The share of dark pixels of the rendered page inside the passage's box."""
    picture = whole.parts[0]
    assert isinstance(picture, Image)
    assert passage.locator.box is not None
    grey = picture.open().convert("L")
    x0, y0, x1, y1 = passage.locator.box
    part = grey.crop((round(x0 * grey.width), round(y0 * grey.height), round(x1 * grey.width), round(y1 * grey.height)))
    return sum(part.histogram()[:160]) / (part.width * part.height)


def test_cropped_pages_show_and_say_only_what_is_left(tmp_path: Path) -> None:
    page = Page(crop=(100, 300, 500, 700)).text(150, 200, "Inside", 20).text(150, 700, "Outside", 20)
    items = read(write([page]), tmp_path)
    assert of(items, "page")[0].text == "Inside"
    assert of(items, "page")[0].metadata["size"] == [400, 400]
    (passage,) = of(items, "passage")
    assert passage.locator.box is not None
    assert passage.locator.box[:2] == pytest.approx((50 / 400, (100 - 16) / 400), abs=0.01)
    assert ink(of(items, "page")[0], passage) > 0.1


def test_sentences_about_figures_are_no_captions(tmp_path: Path) -> None:
    page = Page().text(50, 100, "Figure 7 shows how bowers differ.").text(50, 400, "Figure 7: Bowers.")
    pdf = pdfium.PdfDocument(write([page]))
    pieces = pieces_of(content_of(pdf[0], 1), survey_of(pdf).type, [])
    assert [(piece.role, piece.text) for piece in pieces] == [
        ("body", "Figure 7 shows how bowers differ."),
        ("caption", "Figure 7: Bowers."),
    ]


def test_outline_titles_are_headings_whatever_their_type(tmp_path: Path) -> None:
    page = Page().text(50, 80, "2   On Bowers").column(50, 120, LEFT)
    pdf = pdfium.PdfDocument(write([page], outline=[("2. On bowers", 0)]))
    pieces = pieces_of(content_of(pdf[0], 1), survey_of(pdf).type, [])
    assert [(piece.text, piece.level) for piece in pieces if piece.role == "heading"] == [("2 On Bowers", 1)]


def test_text_along_the_margin_is_kept_but_read_last(tmp_path: Path) -> None:
    page = Page().draw("BT /regular 12 Tf 0 1 -1 0 30 300 Tm (arXiv stamp) Tj ET").column(50, 100, LEFT)
    assert in_order(of(read(write([page]), tmp_path), "page")[0].text, LEFT[0], LEFT[11], "arXiv stamp")


def test_a_page_as_large_as_a_field_is_rendered_small(tmp_path: Path) -> None:
    page = of(read(write([Page(width=14_400, height=200).text(50, 100, "wide")]), tmp_path), "page")[0]
    assert isinstance(page.parts[0], Image)
    assert page.parts[0].open().size == (400, 6)


# --- tables and figures -----------------------------------------------------------------------------------------------

CELLS = [("Bird", "Sticks", "Shells"), ("Satin", "310", "24"), ("Great", "480", "101"), ("Golden", "1,200", "7")]


def test_a_ruled_table_gives_its_cells(tmp_path: Path) -> None:
    page = Page().column(50, 60, LEFT[:3]).text(100, 115, "Table 1: What they build with")
    for r in range(5):
        page.line(100, 120 + 20 * r, 400, 120 + 20 * r)
    for c in range(4):
        page.line(100 + 100 * c, 120, 100 + 100 * c, 200)
    for r, row in enumerate(CELLS):
        for c, text in enumerate(row):
            page.text(105 + 100 * c, 134 + 20 * r, text)
    items = read(write([page.column(50, 240, RIGHT)]), tmp_path)
    (table,) = of(items, "table")
    assert table.parts == (Table(tuple(CELLS[1:]), CELLS[0], "Table 1: What they build with"),)
    assert table.locator.box == pytest.approx((100 / 600, 120 / 800, 400 / 600, 200 / 800), abs=0.01)
    whole = of(items, "page")[0]
    assert in_order(whole.text, LEFT[0], "Table 1", "Bird | Sticks | Shells", "Golden | 1,200 | 7", RIGHT[0])
    assert "Satin" not in " ".join(passage.text for passage in of(items, "passage"))


def test_a_bold_first_row_is_the_header(tmp_path: Path) -> None:
    page = Page()
    for r in range(4):
        page.line(100, 120 + 20 * r, 400, 120 + 20 * r)
    for c in range(3):
        page.line(100 + 150 * c, 120, 100 + 150 * c, 180)
    for r, row in enumerate([("Bird", "Home"), ("Satin", "Wood"), ("Great", "Scrub")]):
        for c, text in enumerate(row):
            page.text(105 + 150 * c, 134 + 20 * r, text, font="regular" if r else "bold")
    (table,) = of(read(write([page]), tmp_path), "table")
    assert table.parts[0] == Table((("Satin", "Wood"), ("Great", "Scrub")), ("Bird", "Home"))


def test_merged_cells_have_their_text_once(tmp_path: Path) -> None:
    page = Page()
    for y in (120, 140, 160, 180):
        page.line(100, y, 400, y)
    for x in (100, 400):
        page.line(x, 120, x, 180)
    page.line(250, 140, 250, 180)
    page.text(180, 134, "Both columns")
    for r, row in enumerate([("a", "b"), ("c", "d")]):
        page.text(105, 154 + 20 * r, row[0]).text(255, 154 + 20 * r, row[1])
    (table,) = of(read(write([page]), tmp_path), "table")
    assert table.parts[0] == Table((("Both columns", ""), ("a", "b"), ("c", "d")))


def test_a_table_between_horizontal_rules(tmp_path: Path) -> None:
    page = Page().line(100, 120, 400, 120).line(100, 140, 400, 140).line(100, 200, 400, 200)
    for r, row in enumerate(CELLS):
        for c, text in enumerate(row):
            page.text(105 + 100 * c, 134 + 18 * r, text)
    (table,) = of(read(write([page]), tmp_path), "table")
    assert table.parts[0] == Table(tuple(CELLS[1:]), CELLS[0])


def test_aligned_numbers_are_a_table_and_currency_goes_with_its_number(tmp_path: Path) -> None:
    page = Page().column(50, 60, LEFT)
    rows = [
        ("Revenue", "6,779", "5,504"),
        ("Costs", "(4,591)", "(3,752)"),
        ("Margin", "32%", "31%"),
        ("Net", "122", "266"),
    ]
    for r, row in enumerate(rows):
        page.text(50, 240 + 14 * r, row[0]).text(300, 240 + 14 * r, row[1]).text(400, 240 + 14 * r, row[2])
        page.text(280, 240 + 14 * r, "$").text(380, 240 + 14 * r, "$")
    (table,) = of(read(write([page]), tmp_path), "table")
    assert isinstance(table.parts[0], Table)
    assert table.parts[0].rows == tuple((name, f"${a}", f"${b}") for name, a, b in rows)


def test_two_columns_of_prose_between_rules_are_no_table(tmp_path: Path) -> None:
    page = Page().line(50, 80, 560, 80).line(50, 260, 560, 260).column(50, 100, LEFT).column(310, 100, RIGHT)
    assert of(read(write([page]), tmp_path), "table") == []


def test_a_figure_is_its_picture_and_its_caption(tmp_path: Path) -> None:
    page = Page().column(50, 60, LEFT).text(150, 520, "Figure 2: A bower in red")
    page.picture(jpeg("red"), (60, 40), (150, 300, 450, 400)).picture(jpeg("red"), (60, 40), (150, 400, 450, 500))
    items = read(write([page]), tmp_path)
    (figure,) = of(items, "figure")  # two tiles, one picture
    picture, _ = figure.parts
    assert isinstance(picture, Image)
    red, green, blue = picture.open().resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    assert red > 240
    assert max(green, blue) < 20
    assert picture.open().width / picture.open().height == pytest.approx(300 / 200, rel=0.02)
    assert figure.text == "Figure 2: A bower in red"
    assert figure.locator.box == pytest.approx((150 / 600, 300 / 800, 450 / 600, 500 / 800), abs=0.01)


def test_a_drawing_owns_the_words_inside_it(tmp_path: Path) -> None:
    page = Page().column(50, 60, LEFT).text(150, 520, "Figure 3: Curves")
    for k in range(30):
        page.draw(f"{100 + 10 * k} 300 m {110 + 10 * k} 350 {120 + 9 * k} 380 {130 + 8 * k} {400 + 2 * k} c S")
    page.text(200, 420, "axis label")
    items = read(write([page]), tmp_path)
    (figure,) = of(items, "figure")
    assert figure.text == "Figure 3: Curves\naxis label"
    assert "axis label" not in " ".join(passage.text for passage in of(items, "passage"))
    assert "axis label" in of(items, "page")[0].text


# --- hostile and unusual files ----------------------------------------------------------------------------------------


def test_a_password_is_asked_for_by_name(tmp_path: Path) -> None:
    locked = "/Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4 /O <{0}> /U <{0}> >> /ID [<00> <00>]"
    with pytest.raises(ReadError, match=r"needs a password: docs/paper\.pdf; save a copy"):
        read(write([Page().text(50, 100, "secret")], trailer=locked.format("ab" * 32)), tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.7\n", b"not a pdf at all", write([])], ids=["empty", "head", "text", "none"]
)
def test_no_document_is_a_read_error(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"docs/paper\.pdf"):
        read(data, tmp_path)


def test_truncated_and_flipped_files_give_items_or_a_read_error(tmp_path: Path) -> None:
    page = Page().column(50, 60, LEFT).picture(jpeg("red"), (60, 40), (150, 300, 450, 400)).line(10, 10, 90, 10)
    whole = write([page, page], outline=[("One", 0)])
    chance = random.Random(7)
    outcomes: Counter[str] = Counter()
    for round_ in range(60):
        data = bytearray(whole)
        if round_ % 2:
            data = data[: chance.randrange(len(data))]
        for _ in range(chance.randrange(1, 30)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            outcomes["read"] += bool(read(bytes(data), tmp_path, ReadOptions(ocr=False, preview_side=64)))
        except ReadError:
            outcomes["refused"] += 1
    assert sum(outcomes.values()) == 60
    assert min(outcomes["read"], outcomes["refused"]) > 0


def test_pages_without_text_are_named_where_nothing_can_read_them(tmp_path: Path) -> None:
    scan = Page().picture(jpeg("white"), (60, 40), (0, 0, 600, 800))
    items = read(write([Page().text(50, 100, "Words here"), scan]), tmp_path)
    assert items[0].metadata["needs_ocr"] == [2]
    assert [part for part in of(items, "page")[1].parts if not isinstance(part, Image)] == []
    assert of(items, "figure") == []


def test_a_scan_with_a_stamp_in_its_margin_is_still_a_scan(tmp_path: Path) -> None:
    scan, photo = (Page().picture(jpeg("white"), (60, 40), (0, 0, 600, 800)) for _ in range(2))
    scan.text(50, 20, "Case 2:18 Document 1 Page 1 of 1")
    photo.text(50, 400, "A title in the middle of a picture")
    assert read(write([scan, photo]), tmp_path)[0].metadata["needs_ocr"] == [1]


def test_many_pages_stream(tmp_path: Path) -> None:
    data = write([Page().text(50, 100, f"This is page number {k}.") for k in range(1, 601)])
    (tmp_path / "paper.pdf").write_bytes(data)
    file = SourceFile(str(tmp_path / "paper.pdf"), "paper.pdf", "digest", "application/pdf")
    pages = [item.text for item in read_pdf(file, ReadOptions(ocr=False, preview_side=32)) if item.kind == "page"]
    assert pages == [f"This is page number {k}." for k in range(1, 601)]


# --- real documents ---------------------------------------------------------------------------------------------------


def shared_page(name: str, number: int, tmp_path: Path) -> list[Item]:
    """One page of a shared PDF as a document of its own."""
    with pdfium.PdfDocument(shared(f"documents/mmdocir-subset/pdfs/{name}")) as source:
        single = pdfium.PdfDocument.new()
        single.import_pages(source, [number - 1])
        out = io.BytesIO()
        single.save(out)
    return read(out.getvalue(), tmp_path)


def test_a_paper_in_two_columns(tmp_path: Path) -> None:
    items = shared_page("2023.acl-long.386.pdf", 1, tmp_path)
    assert items[0].title == "Fact-Checking Complex Claims with Program-Guided Reasoning"
    assert in_order(
        of(items, "page")[0].text,
        "Fact-Checking Complex Claims",
        "Liangming Pan",
        "Abstract",
        "Fact-checking real-world claims often requires collecting",
        "1 Introduction",
        "The proliferation of disinformation",
        "Instead, a human fact-checker needs to decompose",
        "Besides multi-step reasoning",
    )


def test_an_income_statement(tmp_path: Path) -> None:
    (table,) = of(shared_page("NETFLIX_2015_10K.pdf", 40, tmp_path), "table")
    assert isinstance(table.parts[0], Table)
    rows = {
        row[0]: [re.sub(r"\W", "", cell) for cell in row[1:] if re.search(r"\d", cell)] for row in table.parts[0].rows
    }
    assert rows["Cost of revenues"] == ["4591476", "3752760", "3117203"]
    assert rows["Net income"] == ["122641", "266799", "112403"]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("2312.04350v3.pdf", 4),
        ("tacl_a_00660.pdf", 6),
        ("NETFLIX_2015_10K.pdf", 60),
        ("PG_2020.03.09_US-Germany_FINAL.pdf", 9),
        ("STEPBACK.pdf", 6),
        ("ISEP_student_handbook_2020.pdf", 9),
        ("watch_d.pdf", 16),
    ],
)
def test_no_words_are_lost(name: str, number: int, tmp_path: Path) -> None:
    page = of(shared_page(name, number, tmp_path), "page")[0]
    with pdfium.PdfDocument(shared(f"documents/mmdocir-subset/pdfs/{name}")) as source:
        text = source[number - 1].get_textpage().get_text_range()
    letters = Counter(char for char in text.replace("ﬁ", "fi").replace("ﬂ", "fl") if char.isalnum())
    missing = letters - Counter(char for char in page.text if char.isalnum())
    assert missing.total() <= 0.01 * letters.total()

"""Readers of markup, office files, tables, mail and archives, on files written by the real libraries."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as pil
from pptx.util import Inches

from bowerbird.errors import ReadError, UnsupportedFile
from bowerbird.items import Image, Item, Table, Text
from bowerbird.readers import ReadOptions, detect, read, source_file
from tests.collection.hostile_files import slide, song


def items(path: Path) -> list[Item]:
    return list(read(source_file(str(path), path.name), ReadOptions()))


def kinds(found: list[Item]) -> list[str]:
    return [item.kind for item in found]


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    pil.new("RGB", (40, 30), colour).save(out, "PNG")
    return out.getvalue()


def test_plain_text_offsets_are_exact(tmp_path: Path) -> None:
    text = "First paragraph.\n\n  Second one,\nover two lines.\n\n\nThird: ünïcödé."
    (tmp_path / "a.txt").write_text(text, "utf8")
    found = items(tmp_path / "a.txt")
    assert kinds(found) == ["document", "passage"]
    start, end = found[1].locator.chars or (0, 0)
    assert text[start:end].split() == found[1].text.split()
    assert found[1].parent == found[0].id
    assert [item.id for item in items(tmp_path / "a.txt")] == [item.id for item in found]


def test_text_in_other_encodings(tmp_path: Path) -> None:
    (tmp_path / "utf16.txt").write_bytes("Grüße aus Köln".encode("utf-16"))
    (tmp_path / "latin.txt").write_bytes(
        "Die Größe der Brücke überrascht auch ältere Bürger täglich.".encode("latin-1")
    )
    assert items(tmp_path / "utf16.txt")[1].text == "Grüße aus Köln"
    assert "Größe der Brücke" in items(tmp_path / "latin.txt")[1].text


def test_markdown_keeps_order_and_headings(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(png())
    (tmp_path / "a.md").write_text(
        "# Birds\n\nBowerbirds **build** bowers.\n\n![a red dot](dot.png)\n\n"
        "| kind | colour |\n|---|---|\n| satin | blue |\n\n"
        "## Food\n\nThey eat [fruit](x.html).\n\n```python\nx = 1\n```\n"
    )
    root, first, second = items(tmp_path / "a.md")
    assert root.title == "Birds"
    assert [type(part) for part in first.parts] == [Text, Text, Image, Table]
    assert first.parts[3] == Table((("satin", "blue"),), ("kind", "colour"))
    assert first.text.startswith("Birds\nBowerbirds build bowers.\na red dot")
    assert second.metadata["heading"] == "Birds > Food"
    assert "They eat fruit." in second.text
    assert "x = 1" in second.text


def test_html_main_content_in_order(tmp_path: Path) -> None:
    (tmp_path / "pic.png").write_bytes(png())
    (tmp_path / "a.html").write_text(
        "<!doctype html><html lang=de><head><title>Über Vögel</title><meta name=author content='A. Maler'></head><body>"
        "<nav><a href=/>Home</a></nav><script>alert(1)</script><h1>Lauben</h1><p>Vor dem <b>Bild</b>.</p>"
        "<img src=pic.png alt='eine Laube'><img src='https://example.org/x.png' alt='fern'><img src='../../etc/passwd'>"
        "<p>Nach dem Bild.<table><tr><th>Art</th><th>Farbe</th></tr><tr><td>Seide</td><td>blau</td></tr></table>"
        "<footer>Impressum</footer></body></html>"
    )
    root, passage = items(tmp_path / "a.html")
    assert (root.title, root.metadata["author"], root.metadata["language"]) == ("Über Vögel", "A. Maler", "de")
    assert passage.text == "Lauben\nVor dem Bild.\neine Laube\nfern\nNach dem Bild.\nArt | Farbe\nSeide | blau"
    assert passage.image is not None
    assert passage.image.open().size == (40, 30)


def test_delimited_tables(tmp_path: Path) -> None:
    lines = ["city;people"] + [f"town {number};{number}00" for number in range(100)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = items(tmp_path / "a.csv")
    tables = [item.parts[0] for item in found if item.kind == "table"]
    assert all(isinstance(table, Table) and table.header == ("city", "people") for table in tables)
    assert sum(len(table.rows) for table in tables if isinstance(table, Table)) == 100
    spans = [item.locator.rows for item in found[1:]]
    assert spans[0] is not None
    assert spans[0][0] == 1
    assert spans[-1] is not None
    assert spans[-1][1] == 100


def test_workbooks_and_parquet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Sales"
    for row in (["month", "sum"], ["May", 3.0], ["June", 4.5]):
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    _, table = items(tmp_path / "a.xlsx")
    assert table.title == "a.xlsx: Sales"
    assert table.parts == (Table((("May", "3"), ("June", "4.5")), ("month", "sum")),)
    with zipfile.ZipFile(tmp_path / "a.xlsx") as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'ref="A1:B3"', b'ref="A1:XFD1048576"'))
    assert items(tmp_path / "b.xlsx")[1].parts == table.parts
    pq.write_table(pa.table({"name": ["x", "y"], "value": [1, 2]}), tmp_path / "a.parquet")
    assert items(tmp_path / "a.parquet")[1].parts == (Table((("x", "1"), ("y", "2")), ("name", "value")),)


def test_a_sheet_of_too_many_cells_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in range(1, 401):
        sheet.cell(row, 16_384, "far out")
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(ReadError, match="more than 5,000,000 cells in its sheet 'Sheet'; save that as CSV"):
        items(tmp_path / "a.xlsx")


def test_word_documents(tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.author = "Ada"
    document.add_heading("Engines", 1)
    document.add_paragraph("Before the picture.")
    document.add_picture(io.BytesIO(png()), width=docx.shared.Inches(1))
    table = document.add_table(2, 2)
    for row, column, text in ((0, 0, "a"), (0, 1, "b"), (1, 0, "1"), (1, 1, "2")):
        table.cell(row, column).text = text
    document.save(str(tmp_path / "a.docx"))
    root, passage = items(tmp_path / "a.docx")
    assert (root.title, root.metadata["author"]) == ("Engines", "Ada")
    assert [type(part) for part in passage.parts] == [Text, Text, Image, Table]


def test_slides(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Bowers"
    box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(5), Inches(1))
    box.text_frame.text = "Males decorate them with blue things."
    slide.shapes.add_picture(io.BytesIO(png("blue")), Inches(6), Inches(4), Inches(2), Inches(2))
    slide.notes_slide.notes_text_frame.text = "Mention the plastic caps."
    deck.save(str(tmp_path / "a.pptx"))
    found = items(tmp_path / "a.pptx")
    assert kinds(found) == ["document", "page", "passage", "figure"]
    page, passage, figure = found[1:]
    assert (page.title, page.locator.page) == ("Bowers", 1)
    assert page.image is not None
    assert max(page.image.open().size) == 1024
    assert "blue things" in passage.text
    assert "plastic caps" in passage.text
    assert figure.parent == page.id
    assert figure.locator.box == pytest.approx((0.6, 0.533, 0.8, 0.8), abs=0.01)


def test_json_records(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"title": "one", "tags": ["a", "b"]}\n{broken\n{"title": "two", "n": {"m": 3}}\n'
    )
    root, one, two = items(tmp_path / "a.jsonl")
    assert root.metadata == {"records": 2, "malformed_lines": [2]}
    assert (one.title, one.text) == ("one", "title: one\ntags: a, b")
    assert (two.locator.rows, two.text) == ((2, 2), "title: two\nn.m: 3")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(ReadError, match="nested too deeply"):
        items(tmp_path / "deep.json")
    (tmp_path / "broken.json").write_text('{"a": 1,}')
    with pytest.raises(ReadError, match="no valid JSON"):
        items(tmp_path / "broken.json")


def test_epub(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.epub", "w") as book:
        book.writestr("mimetype", "application/epub+zip")
        container = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        book.writestr("META-INF/container.xml", container + '<rootfile full-path="x/p.opf"/></rootfiles></container>')
        book.writestr(
            "x/p.opf",
            '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            "<dc:title>A Book</dc:title><dc:creator>Someone</dc:creator></metadata><manifest>"
            '<item id="b" href="two.xhtml"/><item id="a" href="one.xhtml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        book.writestr(
            "x/one.xhtml", "<html><body><h1>One</h1><p>First words.</p><img src='p.png' alt='dot'/></body></html>"
        )
        book.writestr("x/two.xhtml", "<html><body><p>Last words.</p></body></html>")
        book.writestr("x/p.png", png())
    root, one, two = items(tmp_path / "a.epub")
    assert (root.title, root.metadata["author"]) == ("A Book", "Someone")
    assert (one.locator.member, two.locator.member) == ("x/one.xhtml", "x/two.xhtml")
    assert one.image is not None
    assert two.text == "Last words."


def test_mail_with_attachment(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["Date"] = "Numbers", "a@example.org", "Tue, 01 Oct 2024 10:00:00 +0000"
    message.set_content("Please see the table.")
    message.add_attachment(b"x,y\n1,2\n", maintype="text", subtype="csv", filename="data.csv")
    (tmp_path / "a.eml").write_bytes(bytes(message))
    found = items(tmp_path / "a.eml")
    assert kinds(found) == ["document", "passage", "document", "table"]
    assert found[0].metadata["date"] == "2024-10-01T10:00:00+00:00"
    assert found[3].locator.member == "data.csv"
    assert found[2].parent == found[0].id


def test_what_lies_too_deep_is_told_once_where_reading_stops(tmp_path: Path) -> None:
    content = b"words of the innermost"
    for level in range(50):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inner.zip" if level else "inner.txt", content)
        content = packed.getvalue()
    (tmp_path / "deep.zip").write_bytes(content)
    message = EmailMessage()
    message.set_content("words of the innermost")
    for _ in range(50):
        outer = EmailMessage()
        outer.set_content("see the attached message")
        outer.add_attachment(message)
        message = outer
    (tmp_path / "deep.eml").write_bytes(bytes(message))
    for name in ("deep.zip", "deep.eml"):
        (skipped,) = (item.metadata["skipped"] for item in items(tmp_path / name) if "skipped" in item.metadata)
        assert skipped == "lies deeper than 3 archives or messages; unpack it and add what it holds"


def test_archives_by_member(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.txt", "words inside the inner archive")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.txt", "words of one")
        archive.writestr("../../escape.txt", "stays inside")
        archive.writestr("broken.pdf", "%PDF-1.7 nothing else")
        archive.writestr("inner.zip", inner.getvalue())
    found = items(tmp_path / "a.zip")
    texts = {item.locator.member: item.text for item in found if item.kind == "passage"}
    assert texts == {
        "one.txt": "words of one",
        "../../escape.txt": "stays inside",
        "inner.zip!/deep.txt": "words inside the inner archive",
    }
    assert [item.locator.member for item in found if "skipped" in item.metadata] == ["broken.pdf"]
    assert not (tmp_path.parent / "escape.txt").exists()
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a.zip", "kept.zip")
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert {item.locator.member for item in items(tmp_path / "a.tar.gz")} >= {None, "kept.zip!/one.txt"}


def test_members_say_why_they_cannot_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("good", "damaged", "secret"):
            archive.writestr(f"{name}.txt", f"words of the {name} one")
    content = (tmp_path / "a.zip").read_bytes().replace(b"words of the damaged", b"words of one damaged")
    at = content.rindex(b"PK\x01\x02")  # the last entry of the directory; its flags are 8 bytes on
    content = content[: at + 8] + b"\x01" + content[at + 9 :]
    (tmp_path / "a.zip").write_bytes(content)
    found = items(tmp_path / "a.zip")
    assert [item.text for item in found if item.kind == "passage"] == ["words of the good one"]
    skipped = {item.locator.member: item.metadata["skipped"] for item in found if "skipped" in item.metadata}
    assert "Bad CRC-32" in skipped["damaged.txt"]
    assert "is encrypted" in skipped["secret.txt"]


def test_bombs_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", b"\0" * (60 << 20))
    with pytest.raises(ReadError, match="bomb"):
        items(tmp_path / "bomb.zip")


def test_archives_inside_an_archive_share_one_budget(tmp_path: Path) -> None:
    """Each inner archive is below every limit; together they would unpack to 200 MB."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", bytes(10 << 20))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("words.txt", "words before the zeros")
        for number in range(20):
            archive.writestr(f"{number}.zip", inner.getvalue())
    file = source_file(str(tmp_path / "a.zip"), "a.zip")
    assert file.budget.left == 50 << 20
    skipped = [item.metadata["skipped"] for item in read(file, ReadOptions()) if "skipped" in item.metadata]
    assert ["of no kind" in why for why in skipped] == [True] * 4 + [False] * 2  # told inside, and once more outside
    assert "looks like a zip bomb" in skipped[-1]


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    cases = {
        "empty.txt": b"",
        "old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
        "x.bin": bytes(range(256)) * 20,
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnsupportedFile):
            detect(str(tmp_path / name))


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(png())
    (tmp_path / "page.dat").write_text("<!DOCTYPE html><p>hello</p>")
    (tmp_path / "data.txt").write_text(json.dumps({"a": 1}))
    assert detect(str(tmp_path / "photo.txt")) == "image/png"
    assert detect(str(tmp_path / "page.dat")) == "text/html"
    assert detect(str(tmp_path / "data.txt")) == "text/plain"


def test_pictures_that_cannot_be_decoded_leave_their_description(tmp_path: Path) -> None:
    """Truncated pictures, and formats that only other programs can draw, are not carried along as they are."""
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    for name, content in (("good", png()), ("cut", png()[:40]), ("program", page)):
        (tmp_path / f"{name}.png").write_bytes(content)
    names = ("good", "cut", "program")
    (tmp_path / "a.html").write_text("".join(f'<p>text</p><img src="{name}.png" alt="{name}">' for name in names))
    (tmp_path / "a.md").write_text("\n\n".join(f"![{name}]({name}.png)" for name in names))
    for path in (tmp_path / "a.html", tmp_path / "a.md"):
        parts = [part for item in items(path) for part in item.parts if part != Text("text")]
        assert [type(part) for part in parts] == [Image, Text, Text]
        assert parts[1:] == [Text("cut", "alt"), Text("program", "alt")]
        assert parts[0].source.startswith(b"\xff\xd8")  # encoded anew
    with pytest.raises(ReadError):
        Image(page).open()


def test_a_broken_picture_in_slides_or_a_recording_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.pptx").write_bytes(slide("Puffins", png()[:40]))
    assert kinds(items(tmp_path / "a.pptx")) == ["document", "page", "passage"]
    (tmp_path / "b.mp3").write_bytes(song("Bittern", b"\xff\xd8\xff\xe0 no picture"))
    assert kinds(items(tmp_path / "b.mp3"))[:1] == ["document"]
    assert "figure" not in kinds(items(tmp_path / "b.mp3"))

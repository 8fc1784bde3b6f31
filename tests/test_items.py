"""Parts, items and queries."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image as pil

import bowerbird as bb
from bowerbird.errors import ReadError
from bowerbird.items import item_id


def png(size: tuple[int, int], mode: str = "RGB", color: object = "red") -> bytes:
    out = io.BytesIO()
    pil.new(mode, size, color).save(out, "PNG")  # type: ignore[arg-type]
    return out.getvalue()


def test_ids_depend_on_content_and_place_only() -> None:
    here = bb.Locator("a.pdf", page=3, box=(0.1, 0.2, 0.3, 0.4))
    assert item_id("digest", "passage", here) == item_id("digest", "passage", here)
    assert len(item_id("digest", "passage", here)) == 24
    others = [
        item_id("other", "passage", here),
        item_id("digest", "figure", here),
        item_id("digest", "passage", bb.Locator("a.pdf", page=4, box=here.box)),
        item_id("digest", "passage", bb.Locator("b.pdf", page=3, box=here.box)),
        item_id("digest", "passage", here, ordinal=1),
    ]
    assert len({item_id("digest", "passage", here), *others}) == 6


def test_ids_take_file_names_that_are_not_unicode() -> None:
    assert item_id("digest", "document", bb.Locator("broken-\udcff.txt"))


def test_place_leaves_out_what_is_unknown() -> None:
    assert bb.Locator("a.mp4", start=1.5, end=2.0).place() == {"start": 1.5, "end": 2.0}


def test_text_of_an_interleaved_item_keeps_the_order() -> None:
    table = bb.Table((("1", "2"),), header=("a", "b"), caption="Sums")
    parts = (bb.Text("before"), bb.Image(png((2, 2)), alt="a red square"), bb.Text("after"), table)
    item = bb.Item("x", "passage", parts, bb.Locator("a.html"))
    assert item.text == "before\na red square\nafter\nSums\na | b\n1 | 2"
    assert item.modality == "text"


def test_transparent_pictures_lie_on_white() -> None:
    picture = bb.Image(png((4, 4), "RGBA", (255, 0, 0, 0))).open()
    assert picture.mode == "RGB"
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = pil.Exif()
    exif[0x0112] = 6
    pil.new("RGB", (20, 10)).save(tmp_path / "turned.jpg", exif=exif)
    assert bb.Image(str(tmp_path / "turned.jpg")).open().size == (10, 20)


def test_unreadable_pictures_say_which_and_why(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="not a readable picture: 5 bytes"):
        bb.Image(b"hello").open()
    with pytest.raises(ReadError, match=r"absent\.jpg"):
        bb.Image(str(tmp_path / "absent.jpg")).open()


def test_huge_pictures_are_refused_before_they_are_decoded() -> None:
    out = io.BytesIO()
    pil.new("1", (20_000, 6_000)).save(out, "PNG")
    with pytest.raises(ReadError, match="20000 x 6000"):
        bb.Image(out.getvalue()).open()


def test_queries_are_made_of_anything() -> None:
    picture = bb.Image(png((2, 2)))
    assert bb.Query.of("words").parts == (bb.Text("words"),)
    assert bb.Query.of([picture, "in blue"]).parts == (picture, bb.Text("in blue"))
    assert bb.Query.of(picture, where="page = 3").where == "page = 3"
    query = bb.Query.of("again")
    assert bb.Query.of(query) is query

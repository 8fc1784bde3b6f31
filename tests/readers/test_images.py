from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image as pil
from PIL import ImageDraw
from PIL.TiffImagePlugin import IFDRational

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.images import read_image
from bowerbird.readers.svg import read_svg

OPTIONS = ReadOptions(ocr=False, preview_side=256)


def read(path: Path, options: ReadOptions = OPTIONS) -> list[Item]:
    reader = read_svg if path.suffix == ".svg" else read_image
    return list(reader(SourceFile(str(path), f"photos/{path.name}", "digest", "image/any"), options))


def halves(size: tuple[int, int] = (400, 200)) -> pil.Image:
    """Left half red, right half blue."""
    picture = pil.new("RGB", size, "red")
    picture.paste("blue", (size[0] // 2, 0, *size))
    return picture


def colours(item: Item) -> list[str]:
    """What is seen in the middle of the left, right, top and bottom edge of the preview."""
    assert isinstance(item.parts[0], Image)
    picture = item.parts[0].open()
    width, height = picture.size
    places = [(3, height // 2), (width - 4, height // 2), (width // 2, 3), (width // 2, height - 4)]
    names = []
    for place in places:
        red, green, blue = picture.getpixel(place)  # type: ignore[misc]
        names.append("red" if red > 200 > max(green, blue) else "blue" if blue > 200 > max(red, green) else "white")
    return names


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff", "bmp", "avif"])
def test_formats(suffix: str, tmp_path: Path) -> None:
    halves().save(tmp_path / f"flag.{suffix}", quality=95)
    (item,) = read(tmp_path / f"flag.{suffix}")
    assert (item.kind, item.parent, item.title) == ("image", None, "flag")
    assert (item.metadata["width"], item.metadata["height"]) == (400, 200)
    assert colours(item)[:2] == ["red", "blue"]
    assert isinstance(item.parts[0], Image)
    assert item.parts[0].open().size == (256, 128)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    heif.register_heif_opener()
    halves().save(tmp_path / "phone.heic", quality=95)
    (item,) = read(tmp_path / "phone.heic")
    assert colours(item)[:2] == ["red", "blue"]


def test_orientation_is_applied_once(tmp_path: Path) -> None:
    exif = pil.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter
    halves().save(tmp_path / "turned.jpg", exif=exif, quality=95)
    (item,) = read(tmp_path / "turned.jpg")
    assert (item.metadata["width"], item.metadata["height"]) == (200, 400)
    assert colours(item)[2:] == ["red", "blue"]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    picture = pil.new("RGBA", (60, 60), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 255), (0, 0, 30, 60))
    picture.save(tmp_path / "half.png")
    assert colours(read(tmp_path / "half.png")[0])[:2] == ["red", "white"]


def test_sixteen_bit_grey_is_not_black(tmp_path: Path) -> None:
    picture = pil.new("I;16", (64, 64), 0)
    picture.paste(3000, (32, 0, 64, 64))
    picture.save(tmp_path / "scan.png")
    assert colours(read(tmp_path / "scan.png")[0])[1] == "white"


def test_what_the_camera_and_the_photographer_wrote(tmp_path: Path) -> None:
    exif = pil.Exif()
    exif[0x010E], exif[0x010F], exif[0x0110] = "A satin bowerbird at its bower", "Nikon", "D70"
    exif.get_ifd(0x8769)[0x9003] = "2021:06:05 10:20:30"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + "Männchen".encode("utf-16-le")
    exif[0x9C9E] = "bird;blue\0".encode("utf-16-le")
    exif.get_ifd(0x8825).update({1: "S", 2: _degrees(33, 30, 0), 3: "E", 4: _degrees(151, 15, 36)})
    halves().save(tmp_path / "bird.jpg", exif=exif)
    (item,) = read(tmp_path / "bird.jpg")
    assert item.metadata["date"] == "2021-06-05T10:20:30"
    assert item.metadata["camera"] == "Nikon D70"
    assert item.metadata["gps"] == {"lat": -33.5, "lon": 151.26}
    assert item.metadata["keywords"] == ["bird", "blue"]
    assert item.text == "A satin bowerbird at its bower\nMännchen\nbird, blue"


def _degrees(*values: int) -> tuple[IFDRational, ...]:
    return tuple(IFDRational(value, 1) for value in values)


def test_what_cameras_always_write_is_no_caption(tmp_path: Path) -> None:
    exif = pil.Exif()
    exif[0x010E] = "OLYMPUS DIGITAL CAMERA         "
    halves().save(tmp_path / "p1.jpg", exif=exif)
    assert read(tmp_path / "p1.jpg")[0].text == ""


XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">The blue bower</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Shells and straws</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>bower</rdf:li><rdf:li>straw</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_xmp_inside_and_beside(tmp_path: Path) -> None:
    halves().save(tmp_path / "inside.jpg", xmp=XMP.encode())
    halves().save(tmp_path / "beside.png")
    (tmp_path / "beside.xmp").write_text(XMP)
    for name in ("inside.jpg", "beside.png"):
        (item,) = read(tmp_path / name)
        assert item.title == "The blue bower"
        assert item.text == "The blue bower\nShells and straws\nbower, straw"


@pytest.mark.parametrize(
    ("name", "content", "role"),
    [
        ("a.txt", "A red and blue flag", "caption"),
        ("a.png.txt", "A red and blue flag", "caption"),
        ("a.caption", "A red and blue flag", "caption"),
        ("a.json", json.dumps({"caption": "A red and blue flag"}), "caption"),
        ("a.json", json.dumps({"alt": ["A red and blue flag"], "other": 3}), "alt"),
    ],
)
def test_captions_beside_the_picture(name: str, content: str, role: str, tmp_path: Path) -> None:
    halves().save(tmp_path / "a.png")
    (tmp_path / name).write_text(content)
    (item,) = read(tmp_path / "a.png")
    assert [(part.text, part.role) for part in item.parts[1:]] == [("A red and blue flag", role)]  # type: ignore[union-attr]


def test_neighbours_that_are_no_captions_are_left_alone(tmp_path: Path) -> None:
    halves().save(tmp_path / "a.png")
    (tmp_path / "secret").write_text("outside the folder")
    os.symlink(tmp_path / "secret", tmp_path / "a.txt")
    (tmp_path / "a.json").write_text("[" * 100_000)
    (tmp_path / "a.caption").write_text("long " * 100_000)
    (tmp_path / "a.xmp").write_text('<!DOCTYPE x [<!ENTITY e SYSTEM "secret">]><x>&e;</x>')
    assert read(tmp_path / "a.png")[0].text == ""


def test_frames_that_differ_become_items(tmp_path: Path) -> None:
    frames = [pil.new("RGB", (40, 40), colour) for colour in ("red", "red", "blue", "white", "white")]
    frames[0].save(tmp_path / "blink.gif", save_all=True, append_images=frames[1:])
    items = read(tmp_path / "blink.gif")
    assert [colours(item)[0] for item in items] == ["red", "blue", "white"]
    root, second, third = items
    assert root.locator.page is None
    assert second.parent == third.parent == root.id
    places = [item.locator.page for item in items[1:]]
    assert places == sorted(set(places))


def test_pages_of_a_scan(tmp_path: Path) -> None:
    pages = [pil.new("RGB", (40, 40), colour) for colour in ("white", "red", "blue")]
    pages[0].save(tmp_path / "scan.tiff", save_all=True, append_images=pages[1:])
    items = read(tmp_path / "scan.tiff")
    assert [(item.locator.page, colours(item)[0]) for item in items] == [(None, "white"), (2, "red"), (3, "blue")]


# --- hostile and unusual files ----------------------------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_too_many_pixels_are_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(60_000, 60_000))
    with pytest.raises(ReadError, match=r"picture too large: photos/bomb\.png has 60000 x 60000 pixels"):
        read(tmp_path / "bomb.png")


def test_a_jpeg_beyond_the_limit_is_decoded_small(tmp_path: Path) -> None:
    pil.new("L", (12_000, 9_000), 200).save(tmp_path / "big.jpg", quality=20)
    (item,) = read(tmp_path / "big.jpg")
    assert (item.metadata["width"], item.metadata["height"]) == (12_000, 9_000)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tiff", "webp", "avif"])
def test_truncated_pictures_are_read_errors(suffix: str, tmp_path: Path) -> None:
    noise = pil.effect_noise((200, 200), 80).convert("RGB")
    noise.save(tmp_path / f"whole.{suffix}")
    data = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"half.{suffix}").write_bytes(data[: len(data) // 2])
    with pytest.raises(ReadError, match=rf"not a readable picture: photos/half\.{suffix}"):
        read(tmp_path / f"half.{suffix}")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"words"])
def test_what_is_no_picture_is_a_read_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(data)
    with pytest.raises(ReadError, match=r"photos/x\.jpg"):
        read(tmp_path / "x.jpg")


# --- SVG --------------------------------------------------------------------------------------------------------------

SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 200 100">
<title>A flag</title><desc>Red beside blue</desc>
<rect width="100" height="100" fill="red"/><rect x="100" width="100" height="100" fill="blue"/>
<text x="90" y="50"><tspan>Hello</tspan> <tspan>bird</tspan></text>{more}</svg>"""


def test_svg_is_drawn_and_read(tmp_path: Path) -> None:
    (tmp_path / "flag.svg").write_text(SVG.format(more=""))
    (item,) = read(tmp_path / "flag.svg")
    assert item.title == "A flag"
    assert item.text == "A flag\nRed beside blue\nHello bird"
    assert colours(item)[:2] == ["red", "blue"]
    assert isinstance(item.parts[0], Image)
    assert item.parts[0].open().size == (256, 128)
    assert (item.metadata["width"], item.metadata["height"]) == (200, 100)


@pytest.mark.parametrize("prefix", ["", "file://"])
@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
def test_svg_loads_nothing_from_outside(prefix: str, attribute: str, tmp_path: Path) -> None:
    pil.new("RGB", (10, 10), "white").save(tmp_path / "white.png")
    outside = f'<image {attribute}="{prefix}{tmp_path}/white.png" width="200" height="100"/>'
    (tmp_path / "flag.svg").write_text(SVG.format(more=outside))
    assert colours(read(tmp_path / "flag.svg")[0])[:2] == ["red", "blue"]


def test_svg_shows_pictures_it_holds_itself(tmp_path: Path) -> None:
    out = io.BytesIO()
    pil.new("RGB", (10, 10), "white").save(out, "PNG")
    import base64

    data = base64.b64encode(out.getvalue()).decode()
    inside = f'<image href="data:image/png;base64,{data}" width="200" height="100" preserveAspectRatio="none"/>'
    (tmp_path / "flag.svg").write_text(SVG.format(more=inside))
    assert colours(read(tmp_path / "flag.svg")[0])[:2] == ["white", "white"]


def test_svg_entities_are_not_expanded_without_end(tmp_path: Path) -> None:
    entities = '<!ENTITY a "lol">' + "".join(
        f'<!ENTITY {n} "{f"&{m};" * 10}">' for m, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (tmp_path / "lol.svg").write_text(f"<!DOCTYPE svg [{entities}]>" + SVG.format(more="<text>&i;</text>"))
    try:
        assert len(read(tmp_path / "lol.svg")[0].text) < 1_000
    except ReadError as error:
        assert "lol.svg" in str(error)  # noqa: PT017


@pytest.mark.parametrize("data", ["", "<svg", "<html/>", '<svg xmlns="http://www.w3.org/2000/svg" width="1e9"'])
def test_broken_svg_is_a_read_error(data: str, tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text(data)
    with pytest.raises(ReadError, match=r"photos/x\.svg"):
        read(tmp_path / "x.svg")


def test_svg_of_any_shape_is_rendered_small(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9999999" height="100"><rect/></svg>'
    )
    (item,) = read(tmp_path / "x.svg")
    assert isinstance(item.parts[0], Image)
    assert max(item.parts[0].open().size) <= 256


def test_a_caption_drawn_into_a_picture_is_not_needed(tmp_path: Path) -> None:
    """Without the option, no recognition is tried."""
    picture = halves()
    ImageDraw.Draw(picture).text((10, 10), "HELLO", fill="white", font_size=60)
    picture.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0].text == ""

"""A small PDF writer for tests: text, lines, pictures and links where the test says, points from the top left."""

from __future__ import annotations

from dataclasses import dataclass, field

FONTS = {"regular": "Helvetica", "bold": "Helvetica-Bold"}
LIGATURES = "/Encoding << /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /fi /fl] >>"


@dataclass
class Page:
    width: float = 600
    height: float = 800
    rotate: int = 0
    crop: tuple[float, float, float, float] | None = None
    """left, bottom, right, top in the file's coordinates."""
    drawn: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    pictures: list[tuple[bytes, int, int]] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, size: float = 10, font: str = "regular") -> Page:
        """One line with its baseline `y` points below the top."""
        escaped = words.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("cp1252").decode("latin-1")
        self.drawn.append(f"BT /{font} {size} Tf {x} {self.height - y} Td ({escaped}) Tj ET")
        return self

    def column(self, x: float, y: float, lines: list[str], size: float = 10, leading: float = 12) -> Page:
        for k, line in enumerate(lines):
            self.text(x, y + k * leading, line, size)
        return self

    def line(self, x0: float, y0: float, x1: float, y1: float) -> Page:
        self.drawn.append(f"0.5 w {x0} {self.height - y0} m {x1} {self.height - y1} l S")
        return self

    def draw(self, operators: str) -> Page:
        self.drawn.append(operators)
        return self

    def picture(self, jpeg: bytes, pixels: tuple[int, int], box: tuple[float, float, float, float]) -> Page:
        x0, y0, x1, y1 = box
        self.drawn.append(f"q {x1 - x0} 0 0 {y1 - y0} {x0} {self.height - y1} cm /P{len(self.pictures)} Do Q")
        self.pictures.append((jpeg, *pixels))
        return self


def write(
    pages: list[Page], *, info: dict[str, str] | None = None, outline: list[tuple[str, int]] = (), trailer=""
) -> bytes:  # type: ignore[no-untyped-def,assignment]
    """The file's bytes. `outline` holds (title, page from 0)."""
    objects: list[bytes] = []

    def add(body: str | bytes) -> int:
        objects.append(body.encode("latin-1") if isinstance(body, str) else body)
        return len(objects)

    def stream(dictionary: str, data: bytes) -> int:
        return add(f"<< {dictionary} /Length {len(data)} >>\nstream\n".encode() + data + b"\nendstream")

    add("")  # catalog
    add("")  # page tree
    fonts = " ".join(
        f"/{key} {add(f'<< /Type /Font /Subtype /Type1 /BaseFont /{name} {LIGATURES} >>')} 0 R"
        for key, name in FONTS.items()
    )
    kids = []
    for page in pages:
        content = stream("", "\n".join(page.drawn).encode("latin-1"))
        pictures = " ".join(
            f"/P{k} {stream(f'/Type /XObject /Subtype /Image /Width {w} /Height {h} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode', jpeg)} 0 R"  # noqa: E501
            for k, (jpeg, w, h) in enumerate(page.pictures)
        )
        links = " ".join(
            f"<< /Type /Annot /Subtype /Link /Rect [0 0 50 50] /A << /S /URI /URI ({url}) >> >>" for url in page.links
        )
        crop = f"/CropBox [{' '.join(map(str, page.crop))}]" if page.crop else ""
        kids.append(
            add(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {page.width} {page.height}] {crop} /Rotate {page.rotate} "
                f"/Resources << /Font << {fonts} >> /XObject << {pictures} >> >> /Contents {content} 0 R "
                f"/Annots [{links}] >>"
            )
        )
    catalog = "<< /Type /Catalog /Pages 2 0 R"
    if outline:
        root = len(objects) + 1
        add(f"<< /First {root + 1} 0 R /Last {root + len(outline)} 0 R /Count {len(outline)} >>")
        for k, (title, at) in enumerate(outline):
            following = f"/Next {root + k + 2} 0 R" if k + 1 < len(outline) else ""
            add(f"<< /Title ({title}) /Parent {root} 0 R /Dest [{kids[at]} 0 R /Fit] {following} >>")
        catalog += f" /Outlines {root} 0 R"
    objects[0] = (catalog + " >>").encode()
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(f'{k} 0 R' for k in kids)}] >>".encode()
    about = add("<< " + " ".join(f"/{key} ({value})" for key, value in (info or {}).items()) + " >>")
    out, offsets = b"%PDF-1.7\n", []
    chunks, at = [out], len(out)
    for number, body in enumerate(objects, 1):
        offsets.append(at)
        chunk = f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
        chunks.append(chunk)
        at += len(chunk)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    chunks.append(
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size {len(objects) + 1} /Root 1 0 R "
        f"/Info {about} 0 R {trailer} >>\nstartxref\n{at}\n%%EOF".encode()
    )
    return b"".join(chunks)

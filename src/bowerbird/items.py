"""What is searched and what is asked: parts, items with exact locators, and queries.

Plain immutable data. Media are opened lazily, so an item is cheap to pass between processes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bowerbird.errors import ReadError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

Box: TypeAlias = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of the page or picture; the origin is top left."""

Role = Literal["body", "heading", "caption", "alt", "ocr", "transcript", "subtitle", "notes", "code", "link"]
"""What a piece of text is in its document."""

Modality = Literal["page", "image", "text", "table", "audio", "video"]
"""What a hit looks like to a person; derived from an item's kind."""

Kind = Literal[
    "document",  # a whole file; parent of everything in it, not a hit by itself
    "page",  # a page of a PDF or book, or a slide
    "passage",  # some 200 tokens of running text
    "table",
    "figure",  # a picture inside a document
    "image",  # a picture file, or one frame or page of it
    "segment",  # a stretch of sound
    "shot",  # a stretch of video
]

MODALITY_OF: Mapping[str, Modality] = {
    "document": "text",
    "page": "page",
    "passage": "text",
    "table": "table",
    "figure": "image",
    "image": "image",
    "segment": "audio",
    "shot": "video",
}

MAX_PIXELS = 100_000_000
"""Pictures with more pixels than this are refused before they are decoded."""
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "PPM", "JPEG2000")
"""What Pillow may decode, besides HEIF; never formats that start other programs (EPS) or load plug-ins."""


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text. `level` counts heading depth from 1 and is 0 for everything else."""

    text: str
    role: Role = "body"
    level: int = 0

    def __post_init__(self) -> None:
        if not self.text.isascii():
            object.__setattr__(self, "text", well_formed(self.text))


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: a path, or encoded bytes in one of PICTURE_FORMATS or, with its extra, HEIF."""

    source: str | bytes
    alt: str = ""

    def open(self) -> PILImage:
        """Decode to RGB, upright by its EXIF orientation, transparency laid on white.

        Raises ReadError if the bytes are no picture or it has more than MAX_PIXELS pixels.
        """
        from PIL import Image as pil
        from PIL import ImageOps

        pil.MAX_IMAGE_PIXELS = None  # our own limit below names the picture
        name = self.source if isinstance(self.source, str) else f"{len(self.source)} bytes"
        try:
            file = self.source if isinstance(self.source, str) else io.BytesIO(self.source)
            formats = (*PICTURE_FORMATS, "HEIF") if "HEIF" in pil.OPEN else PICTURE_FORMATS
            with pil.open(file, formats=formats) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise ReadError(
                        f"picture too large: {name} has {picture.width} x {picture.height} pixels, "
                        f"the limit is {MAX_PIXELS:,}; scale it down"
                    )
                upright = ImageOps.exif_transpose(picture)
                if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                    rgba = upright.convert("RGBA")
                    white = pil.new("RGBA", rgba.size, "white")
                    return pil.alpha_composite(white, rgba).convert("RGB")
                return upright.convert("RGB")
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"not a readable picture: {name} ({error})") from error

    @classmethod
    def from_pil(cls, picture: PILImage, alt: str = "", *, side: int | None = None) -> Image:
        """Encode a decoded picture as JPEG, shrunk to at most `side` pixels on its longer side."""
        picture = picture.convert("RGB")
        if side is not None and max(picture.size) > side:
            picture.thumbnail((side, side))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=85)
        return cls(out.getvalue(), alt)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of cell texts. `header` may be empty; rows may be ragged."""

    rows: tuple[tuple[str, ...], ...]
    header: tuple[str, ...] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        if not all(cell.isascii() for row in (self.header, *self.rows) for cell in row):
            rows = tuple(tuple(map(well_formed, row)) for row in (self.header, *self.rows))
            object.__setattr__(self, "header", rows[0])
            object.__setattr__(self, "rows", rows[1:])

    def to_text(self) -> str:
        """Caption, header and rows as lines of cells joined by ' | '."""
        lines = [self.caption] if self.caption else []
        if self.header:
            lines.append(" | ".join(self.header))
        lines += [" | ".join(row) for row in self.rows]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Audio:
    """A stretch of a sound file: a path or encoded bytes, and seconds (None = to the end)."""

    source: str | bytes
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A stretch of a video file: a path or encoded bytes, and seconds (None = to the end)."""

    source: str | bytes
    start: float = 0.0
    end: float | None = None


Part: TypeAlias = Text | Image | Table | Audio | Video
Parts: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Locator:
    """Where an item is: the file, and the place inside it. Unknown places are None."""

    source: str
    """The path as it was added; for a member of an archive, the archive's path."""
    member: str | None = None
    """Path inside the archive or attachment; nested archives are joined by '!/'."""
    page: int | None = None
    """Page, slide or frame, counted from 1."""
    box: Box | None = None
    chars: tuple[int, int] | None = None
    """Start and end offset in the file's decoded text."""
    rows: tuple[int, int] | None = None
    """First (from 1) and last row of a table's body, both inclusive."""
    start: float | None = None
    end: float | None = None
    """Seconds from the beginning of the recording."""

    def place(self) -> dict[str, Any]:
        """The known places only, without the source, as JSON-ready values."""
        known: dict[str, Any] = {}
        for name in ("member", "page", "start", "end"):
            if getattr(self, name) is not None:
                known[name] = getattr(self, name)
        for name in ("box", "chars", "rows"):
            if getattr(self, name) is not None:
                known[name] = list(getattr(self, name))
        return known


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be found: ordered parts, where it is, what it belongs to."""

    id: str
    kind: Kind
    parts: Parts
    locator: Locator
    parent: str | None = None
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values only. Keys with a meaning everywhere: author, date (ISO 8601), language, heading, url."""

    @property
    def modality(self) -> Modality:
        return MODALITY_OF[self.kind]

    @property
    def text(self) -> str:
        """All words of the item in order: text, tables as lines, alt texts of pictures."""
        return text_of(self.parts)

    @property
    def image(self) -> Image | None:
        """The first picture, if any."""
        return next((part for part in self.parts if isinstance(part, Image)), None)


def well_formed(text: str) -> str:
    """Text that every encoding of Unicode can hold: surrogates without their partner are replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def text_of(parts: Iterable[Part]) -> str:
    """All words of the parts in order, one line break between parts."""
    words: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            words.append(part.text)
        elif isinstance(part, Table):
            words.append(part.to_text())
        elif isinstance(part, Image) and part.alt:
            words.append(part.alt)
    return "\n".join(word for word in words if word)


def item_id(digest: str, kind: str, locator: Locator, ordinal: int = 0) -> str:
    """A stable id from the file's content digest and the place inside it: 24 hex digits.

    Reading the same file again gives the same ids; a changed file gives new ones.
    """
    place = repr((digest, locator.source, kind, sorted(locator.place().items()), ordinal))
    return blake2b(place.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def copy_id(name: str, path: str) -> str:
    """The id, instead of `name`, of an item whose file has the relative name of another that is stored.

    Two folders may each hold the same LICENSE: where the file lies tells the two apart.
    """
    return blake2b(f"{name} {path}".encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: ordered parts of any modality, and what may be answered."""

    parts: Parts
    instruction: str = ""
    modalities: frozenset[Modality] | None = None
    """Only hits of these modalities; None means any."""
    where: str = ""
    """A filter expression such as "source ~ 'report*' and page < 10"."""

    @property
    def text(self) -> str:
        return text_of(self.parts)

    @classmethod
    def of(cls, content: QueryLike, **options: Any) -> Query:
        """Make a query of a string, a part, a path-free mix of both, or a query."""
        if isinstance(content, Query):
            return content
        if isinstance(content, str | Text | Image | Table | Audio | Video):
            content = [content]
        parts = tuple(Text(part) if isinstance(part, str) else part for part in content)
        return cls(parts, **options)


QueryLike: TypeAlias = str | Part | Iterable["str | Part"] | Query


def source_name(path: str | Path) -> str:
    """A path as it is shown and stored: forward slashes, no trailing slash."""
    return Path(path).as_posix()

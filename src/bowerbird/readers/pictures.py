"""Decoding picture files of any origin: known formats only, limits before pixels, upright, on white."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import BowerbirdError, MissingExtra, ReadError
from bowerbird.items import MAX_PIXELS, PICTURE_FORMATS, Image, Text

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

_REDUCIBLE = ("JPEG", "MPO")
"""Formats that decode straight to 1/2, 1/4 or 1/8 of their size, 1/64 of their pixels."""
MAX_FRAMES = 2_000
"""Frames of an animation, or pages of a scan, that are looked at."""
MAX_KEPT = 64
"""Frames and pages that become items."""
MAX_FRAME_PIXELS = 1_000_000_000
"""Pixels decoded for all frames together."""
CHANGE = 0.06
"""Mean difference of small grey copies, 0 to 1, from which two frames count as different pictures."""


@contextmanager
def opened(source: str | bytes, name: str) -> Iterator[PILImage]:
    """The picture of a path or of encoded bytes, not decoded yet.

    Raises ReadError if it is no picture, too large or damaged (also while it is used), MissingExtra for HEIC.
    """
    from PIL import Image as pil

    pil.MAX_IMAGE_PIXELS = None  # our own limit names the file
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd tags that do no harm
            file = io.BytesIO(source) if isinstance(source, bytes) else source
            with pil.open(file, formats=(*PICTURE_FORMATS, *_heif(source))) as picture:
                _check_size(picture, name)
                yield picture
    except BowerbirdError:
        raise
    except Exception as error:
        raise ReadError(f"not a readable picture: {name} ({error}); open and save it again, or remove it") from error


def embedded(data: bytes | None, alt: str, side: int) -> Image | Text | None:
    """A picture inside a document, decoded and encoded anew, so that nobody has to decode what a stranger wrote again.

    Its description where it is missing or cannot be decoded; None without one.
    """
    try:
        with opened(data or b"", alt) as picture:
            return Image.from_pil(upright(picture, side), alt)
    except BowerbirdError:
        return Text(alt, "alt") if alt else None


def _check_size(picture: PILImage, name: str) -> None:
    width, height = picture.size
    reduced = 64 if picture.format in _REDUCIBLE else 1
    if width * height > MAX_PIXELS * reduced:
        raise ReadError(
            f"picture too large: {name} has {width} x {height} pixels, the limit is {MAX_PIXELS:,}; scale it down"
        )


def _heif(source: str | bytes) -> tuple[str, ...]:
    """Registers HEIC where the file is one."""
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        head = file.read(32)
    if head[4:8] != b"ftyp" or not any(
        brand in head for brand in (b"heic", b"heix", b"hevc", b"heif", b"mif1", b"msf1")
    ):
        return ()
    if b"avif" in head or b"avis" in head:
        return ()
    if find_spec("pillow_heif") is None:
        raise MissingExtra("heif", "reading HEIC pictures")
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return ("HEIF",)


def upright(picture: PILImage, side: int) -> PILImage:
    """Decoded to RGB, turned by its EXIF orientation, transparency laid on white, at most `side` pixels long."""
    from PIL import Image as pil
    from PIL import ImageOps

    if picture.format in _REDUCIBLE:
        width, height = picture.size
        smallest = (width // 8, height // 8)
        picture.draft("RGB", smallest if width * height > MAX_PIXELS else (2 * side, 2 * side))  # several times faster
    picture.load()
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        picture = _stretched(picture)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        rgba.thumbnail((side, side))
        white = pil.new("RGBA", rgba.size, "white")
        shown = pil.alpha_composite(white, rgba).convert("RGB")
        shown.info, shown.getexif()[0x0112] = {}, picture.getexif().get(0x0112, 1)
    else:
        shown = picture.convert("RGB")
        shown.thumbnail((side, side))
    return ImageOps.exif_transpose(shown)


def _stretched(picture: PILImage) -> PILImage:
    """16-bit and floating grey to 8 bits over the range that is used."""
    from PIL import Image as pil

    values = np.nan_to_num(np.asarray(picture).astype(np.float64))
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low or 1.0) * 255
    return pil.fromarray(scaled.astype(np.uint8), "L")


def frames(picture: PILImage, side: int) -> Iterator[tuple[int, PILImage]]:
    """(number from 1, picture) of the first frame and of each later one that differs from the last one given."""
    last: NDArray[np.float64] | None = None
    kept, budget = 0, MAX_FRAME_PIXELS
    for index in range(MAX_FRAMES):
        try:
            picture.seek(index)
        except EOFError:
            return
        budget -= picture.width * picture.height
        if index and (budget < 0 or picture.width * picture.height > MAX_PIXELS):
            return
        frame = upright(picture, side)
        small = np.asarray(frame.convert("L").resize((32, 32)), np.float64) / 255
        if last is None or float(np.abs(small - last).mean()) > CHANGE:
            yield index + 1, frame
            last, kept = small, kept + 1
            if kept == MAX_KEPT:
                return

"""Thumbnails in terminals that show pictures: kitty's and iTerm2's protocols, and DEC's sixels."""

from __future__ import annotations

import io
import os
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image as pil

HEIGHT = 120
CHUNK = 4096
SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
"""Beginnings of TERM by which terminals with sixels name themselves; others say so by BOWERBIRD_PICTURES=sixel."""


def picture_escape(picture: bytes) -> str:
    """The escape sequence that shows an encoded picture in this terminal; empty where it cannot."""
    return WRITERS[protocol()](picture) if sys.stdout.isatty() and protocol() in WRITERS else ""


def protocol() -> str:
    """What this terminal speaks: 'kitty', 'iterm', 'sixel' or 'none'; BOWERBIRD_PICTURES overrides the guess."""
    said, program, term = (os.environ.get(name, "") for name in ("BOWERBIRD_PICTURES", "TERM_PROGRAM", "TERM"))
    if said:
        return said
    if os.environ.get("KITTY_WINDOW_ID") or program in ("WezTerm", "ghostty"):
        return "kitty"
    if program == "iTerm.app":
        return "iterm"
    return "sixel" if term.startswith(SIXEL_TERMS) or "sixel" in term else "none"


def kitty(picture: bytes) -> str:
    """Kitty's graphics protocol: PNG in base64 pieces."""
    data = b64encode(small_png(picture)).decode()
    pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    out = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        control = f"f=100,a=T,m={more}" if number == 0 else f"m={more}"
        out.append(f"\033_G{control};{piece}\033\\")
    return "".join(out)


def iterm(picture: bytes) -> str:
    """iTerm2's inline images."""
    png = small_png(picture)
    return f"\033]1337;File=inline=1;size={len(png)};height={HEIGHT}px:{b64encode(png).decode()}\a"


def sixel(picture: bytes) -> str:
    """DEC sixels with 256 colours: bands of six rows, in which every colour draws the pixels that are its own."""
    flat = small(picture).convert("RGB").quantize(256)
    pixels, palette = np.asarray(flat), np.array(flat.getpalette("RGB")).reshape(-1, 3)
    height, width = pixels.shape
    out = [f'\033Pq"1;1;{width};{height}']
    out += [f"#{n};2;{';'.join(str(share) for share in palette[n] * 100 // 255)}" for n in np.unique(pixels).tolist()]
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        weights = (1 << np.arange(len(band)))[:, None]
        for colour in np.unique(band).tolist():
            drawn = ((band == colour) * weights).sum(axis=0) + 63
            out.append(f"#{colour}{''.join(map(chr, drawn.tolist()))}$")
        out.append("-")
    return "".join(out) + "\033\\"


def small_png(picture: bytes) -> bytes:
    """An encoded picture as a PNG of HEIGHT pixels."""
    out = io.BytesIO()
    small(picture).save(out, "PNG")
    return out.getvalue()


def small(picture: bytes) -> pil.Image:
    from bowerbird.items import Image

    opened = Image(picture).open()
    opened.thumbnail((4 * HEIGHT, HEIGHT))
    return opened


WRITERS: Mapping[str, Callable[[bytes], str]] = {"kitty": kitty, "iterm": iterm, "sixel": sixel}

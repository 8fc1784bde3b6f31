"""Thumbnails in terminals that show pictures: kitty's and iTerm2's protocols."""

from __future__ import annotations

import io
import os
import sys
from base64 import b64encode

HEIGHT = 120
CHUNK = 4096


def picture_escape(picture: bytes) -> str:
    """The escape sequence that shows an encoded picture in this terminal; empty where it cannot."""
    if not sys.stdout.isatty():
        return ""
    if os.environ.get("KITTY_WINDOW_ID") or os.environ.get("TERM_PROGRAM") in ("WezTerm", "ghostty"):
        return kitty(small_png(picture))
    if os.environ.get("TERM_PROGRAM") == "iTerm.app":
        png = small_png(picture)
        return f"\033]1337;File=inline=1;size={len(png)};height={HEIGHT}px:{b64encode(png).decode()}\a"
    return ""


def kitty(png: bytes) -> str:
    """Kitty's graphics protocol: PNG in base64 pieces."""
    data = b64encode(png).decode()
    pieces = [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]
    out = []
    for number, piece in enumerate(pieces):
        more = int(number < len(pieces) - 1)
        control = f"f=100,a=T,m={more}" if number == 0 else f"m={more}"
        out.append(f"\033_G{control};{piece}\033\\")
    return "".join(out)


def small_png(picture: bytes) -> bytes:
    """An encoded picture as a PNG of HEIGHT pixels."""
    from bowerbird.items import Image

    opened = Image(picture).open()
    opened.thumbnail((4 * HEIGHT, HEIGHT))
    out = io.BytesIO()
    opened.save(out, "PNG")
    return out.getvalue()

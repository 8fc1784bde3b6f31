"""Pictures in a terminal: each protocol's bytes hold the picture that went in."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image as pil

from bowerbird.show import pictures


@pytest.fixture(scope="module")
def drawing() -> bytes:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:20], pixels[20:45, :30], pixels[45:] = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    out = io.BytesIO()
    pil.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def rgb(picture: bytes) -> np.ndarray:
    return np.asarray(pil.open(io.BytesIO(picture)).convert("RGB"))


def read_sixels(text: str) -> np.ndarray:
    """What a terminal would draw."""
    header = re.match(r'\x1bPq"1;1;(\d+);(\d+)', text)
    assert header
    width, height = map(int, header.groups())
    canvas, palette = np.full((height, width, 3), -1), {}
    colour, column, top = 0, 0, 0
    for found in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|([?-~])|(\$)|(-)", text[header.end() : -2]):
        number, *share, chosen, pixels, back, down = found.groups()
        if number:
            palette[int(number)] = [round(int(part) * 2.55) for part in share]
        elif chosen:
            colour = int(chosen)
        elif back or down:
            column, top = 0, top + 6 * bool(down)
        else:
            for row in range(6):
                if (ord(pixels) - 63) >> row & 1:
                    assert canvas[top + row, column, 0] == -1, "a pixel was drawn twice"
                    canvas[top + row, column] = palette[colour]
            column += 1
    return canvas


def test_sixels_draw_the_picture(drawing: bytes) -> None:
    text = pictures.sixel(drawing)
    assert text.endswith("\033\\")
    assert np.abs(read_sixels(text) - rgb(drawing)).max() <= 3


def test_kitty_and_iterm_carry_the_picture(drawing: bytes) -> None:
    kitty = "".join(re.findall(r"\x1b_G[^;]*;([^\x1b]*)\x1b", pictures.kitty(drawing)))
    iterm = pictures.iterm(drawing).partition(":")[2].rstrip("\a")
    for data in (kitty, iterm):
        assert (rgb(b64decode(data)) == rgb(drawing)).all()


@pytest.mark.parametrize(
    ("name", "value", "spoken"),
    [
        ("TERM", "xterm-256color", "none"),
        ("TERM", "foot", "sixel"),
        ("TERM_PROGRAM", "iTerm.app", "iterm"),
        ("KITTY_WINDOW_ID", "1", "kitty"),
        ("BOWERBIRD_PICTURES", "sixel", "sixel"),
    ],
)
def test_terminals_are_recognised(monkeypatch: pytest.MonkeyPatch, name: str, value: str, spoken: str) -> None:
    for other in ("BOWERBIRD_PICTURES", "KITTY_WINDOW_ID", "TERM_PROGRAM", "TERM"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    assert pictures.protocol() == spoken


def test_nothing_on_a_pipe(monkeypatch: pytest.MonkeyPatch, drawing: bytes) -> None:
    monkeypatch.setenv("BOWERBIRD_PICTURES", "kitty")
    assert pictures.picture_escape(drawing) == ""

"""The default image encoder, as shipped: words find pictures, pictures find pictures, and both together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pil

import bowerbird as bb
from bowerbird.encoders.lite import Lite, drawn, load, views

PHOTOS = Path(__file__).parents[2] / "examples" / "photos"


@pytest.fixture(scope="module")
def photos() -> list[Path]:
    return sorted(PHOTOS.glob("*.jpg"))


@pytest.fixture(scope="module")
def vectors(photos: list[Path]) -> np.ndarray:
    dense = load().encode_items([(bb.Image(str(path)),) for path in photos]).dense
    assert dense is not None
    return np.asarray(dense.vectors)


def ask(*parts: bb.Image | bb.Text) -> np.ndarray:
    dense = load().encode_queries([parts]).dense
    assert dense is not None
    return np.asarray(dense.vectors[0])


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("a cup of coffee", 2),
        ("an astronaut in a space suit", 3),
        ("Hund", 16),
        ("eine Tasse Kaffee", 2),
        ("un chat", 1),
    ],
)
def test_words_find_photos(words: str, number: int, photos: list[Path], vectors: np.ndarray) -> None:
    best = [photos[row].stem for row in np.argsort(-(vectors @ ask(bb.Text(words))))[:3]]
    assert f"photo-{number:02}" in best


def test_a_picture_finds_itself_and_its_like(photos: list[Path], vectors: np.ndarray) -> None:
    scores = vectors @ ask(bb.Image(str(photos[0])))
    assert np.argmax(scores) == 0


def test_a_picture_and_words_are_composed(photos: list[Path], vectors: np.ndarray) -> None:
    dogs = [path.stem for path in photos].index("photo-16")
    alone, composed = ask(bb.Image(str(photos[0]))), ask(bb.Image(str(photos[0])), bb.Text("a dog"))

    def rank(query: np.ndarray) -> int:
        return int(np.sum(vectors @ query > vectors[dogs] @ query))

    assert rank(composed) <= 1
    assert rank(composed) <= rank(alone)


def test_rows_without_a_picture_are_zero() -> None:
    dense = load().encode_items([(bb.Text("words"),), (bb.Image(str(PHOTOS / "photo-01.jpg")),)]).dense
    assert dense is not None
    assert dense.dim == load().dim == 640
    assert not dense.vectors[0].any()
    assert dense.vectors[1].any()


def test_drawings_are_told_from_photos() -> None:
    drawing = pil.new("RGB", (200, 200), "white")
    drawing.paste("red", (50, 50, 120, 150))
    photo = pil.open(PHOTOS / "photo-01.jpg")
    assert drawn([drawing, photo]) == pytest.approx([1, 0], abs=0.05)
    assert [view.shape for view in views(photo)] == [(3, 260, 260)] * 2


def test_it_says_what_it_is() -> None:
    assert str(load().id).startswith("lite@")
    assert Lite.inputs == {"text", "image"}
    with pytest.raises(ValueError, match="takes no argument"):
        load("x")

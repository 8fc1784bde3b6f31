"""Vectors that are kept on disk: made once, equal to what the encoder gives, apart for every encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bowerbird.evaluate import vectors
from bowerbird.items import Image, Text

BIRD = Path(__file__).parents[2] / "examples/photos/photo-01.jpg"


class Lengths:
    """Counts what it is asked: a text's length and its first letter."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.asked += texts
        return np.array([[len(text), ord(text[0])] for text in texts], np.float64)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOWERBIRD_CACHE", str(tmp_path))


def test_only_what_is_new_is_made_and_all_comes_back_in_order() -> None:
    make = Lengths()
    first = vectors.text_vectors("lengths", ["crane", "owl", "owl"], make)
    second = vectors.text_vectors("lengths", ["owl", "wren", "crane"], make)
    assert make.asked == ["crane", "owl", "wren"]
    assert first.vectors.tolist() == [[5, ord("c")], [3, ord("o")], [3, ord("o")]]
    assert second.vectors[:, 0].tolist() == [3, 4, 5]
    assert second.vectors.dtype == np.float32


def test_another_encoder_has_vectors_of_its_own() -> None:
    vectors.text_vectors("lengths", ["owl"], Lengths())
    other = Lengths()
    vectors.text_vectors("other lengths", ["owl"], other)
    assert other.asked == ["owl"]


def test_a_run_that_fails_keeps_what_it_had_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "PORTION", 1)
    make = Lengths()
    with pytest.raises(IndexError):
        vectors.text_vectors("lengths", ["owl", ""], make)
    vectors.text_vectors("lengths", ["owl"], make)
    assert make.asked == ["owl", ""]


def test_a_picture_is_known_by_its_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(BIRD.read_bytes())
    calls = []
    for image in (Image(str(BIRD)), Image(str(copy)), Image(BIRD.read_bytes())):
        vectors.kept("sizes", [(image,)], lambda some: calls.append(some) or np.zeros((1, 3)))
    vectors.kept("sizes", [(Text("a bird"),)], lambda some: calls.append(some) or np.zeros((1, 3)))
    assert len(calls) == 2

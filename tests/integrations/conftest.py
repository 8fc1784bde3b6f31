"""A small library of words and pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

import bowerbird
from bowerbird.collection.workers import Settings
from bowerbird.library import Library
from tests.readers.pdf_writer import Page, write

PHOTOS = Path(__file__).resolve().parents[2] / "examples" / "photos"
VALVES = "The four valves of the heart open and close with every beat."


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("integrations")
    first = Page().text(50, 60, "Anatomy of the heart", 20, "bold").text(50, 100, VALVES)
    second = Page().text(50, 60, "Circulation", 20, "bold").text(50, 100, "Blood returns to the heart through veins.")
    (folder / "heart.pdf").write_bytes(write([first, second]))
    (folder / "salmon.txt").write_text("Salmon swim upstream to spawn in the rivers where they were born.")
    library = bowerbird.open(folder / "library")
    photos = [PHOTOS / f"photo-{number:02}.jpg" for number in (1, 3, 13)]
    library.collection.add(
        [folder / "heart.pdf", folder / "salmon.txt", *photos], settings=Settings(ocr=False, speech=False)
    )
    return library

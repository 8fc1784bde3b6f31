"""A small library of every kind of file, made once; tests that change it take a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import bowerbird
from bowerbird.collection.workers import Settings
from tests.readers.pdf_writer import Page, write
from tests.server.serving import ROOT, Server, serving

EXAMPLES = ("photos/photo-01.jpg", "photos/photo-03.jpg", "mail/notes.zip", "sounds/bell.oga")
VALVES = "The four valves of the heart open and close with every beat."


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "secret-place"
    folder.mkdir()
    for name in EXAMPLES:
        shutil.copy(ROOT / "examples" / name, folder)
    (folder / "salmon.txt").write_text("Salmon swim upstream to spawn in the rivers where they were born.")
    (folder / "rain.csv").write_text("city,rain in mm\nSeattle,950\nLisbon,690\n")
    first = Page().text(50, 60, "Anatomy of the heart", 20, "bold").text(50, 100, VALVES)
    second = Page().text(50, 60, "Circulation", 20, "bold").text(50, 100, "Blood returns to the heart through veins.")
    (folder / "heart.pdf").write_bytes(write([first, second]))
    return folder


@pytest.fixture(scope="session")
def library(files: Path) -> Path:
    """Added by absolute paths, as a person adds ~/Documents. Do not change it."""
    folder = files.parent / "library"
    opened = bowerbird.open(folder)
    opened.collection.add([files], settings=Settings(ocr=False, speech=False))
    return folder


@pytest.fixture
def copy(library: Path, tmp_path: Path) -> Path:
    """A library that a test may change."""
    return Path(shutil.copytree(library, tmp_path / "library"))


@pytest.fixture(scope="session")
def server(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`bowerbird serve` on a copy of the library; tests add to it, and leave what was there."""
    folder = shutil.copytree(library, tmp_path_factory.mktemp("server") / "library")
    with serving(Path(folder)) as running:
        yield running


def no_path_of_the_disk(text: str) -> bool:
    """Whether nothing in a reply says where files lie."""
    return "secret-place" not in text and f"{os.sep}tmp{os.sep}" not in text

"""Texts of the engine benchmark: descriptions of Debian packages, from the package lists of apt.

apt-get -o Acquire::Languages=en -o Acquire::GzipIndexes=false update
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LISTS = Path("/var/lib/apt/lists")
SEED = 7
SHORTEST = 80
"""Characters of a long description."""
OPENING = 140
"""Characters; descriptions that begin alike are near duplicates, such as those of a library and its headers."""
HELD_OUT = 600
"""Packages kept out of the documents, for queries without a known answer."""


@dataclass(frozen=True)
class Description:
    name: str
    short: str
    long: str

    @property
    def question(self) -> str:
        return f"{self.name.replace('-', ' ')}: {self.short}"


@dataclass(frozen=True)
class Texts:
    """Descriptions that are searched, and others to ask about."""

    documents: list[Description]
    others: list[Description]


def texts() -> Texts:
    """All packages in a fixed shuffled order; of those that begin alike one is a document, the others are not."""
    found = _descriptions()
    by_opening: dict[str, Description] = {}
    alike = []
    for entry in found:
        if len(entry.long) < SHORTEST:
            continue
        opening = re.sub(r"[^a-z]", "", entry.long.lower()[:OPENING])
        if by_opening.setdefault(opening, entry) is not entry:
            alike.append(entry)
    kept = list(by_opening.values())
    return Texts(kept[:-HELD_OUT], kept[-HELD_OUT:] + alike)


def _descriptions() -> list[Description]:
    sources = sorted(LISTS.glob("*_main_i18n_Translation-en"))
    if not sources:
        raise SystemExit(f"no package descriptions in {LISTS}; get them with the command in {__file__}")
    found = sorted({entry for source in sources for entry in _entries(source)}, key=lambda entry: entry.name)
    random.Random(SEED).shuffle(found)
    return found


def _entries(source: Path) -> Iterator[Description]:
    for block in source.read_text("utf8").split("\n\n"):
        lines = block.splitlines()
        name = next((line[9:] for line in lines if line.startswith("Package: ")), "")
        short = next((line[16:] for line in lines if line.startswith("Description-en: ")), "")
        long = " ".join("" if line == " ." else line.strip() for line in lines if line.startswith(" "))
        if name and short and long:
            yield Description(name, short, re.sub(r"\s+", " ", long))

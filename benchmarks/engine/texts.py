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


@dataclass(frozen=True)
class Description:
    name: str
    short: str
    long: str


def descriptions() -> list[Description]:
    """All packages with a long description, in a fixed shuffled order, one of those that begin alike."""
    sources = sorted(LISTS.glob("*_main_i18n_Translation-en"))
    if not sources:
        raise SystemExit(f"no package descriptions in {LISTS}; get them with the command in {__name__}")
    found = sorted({entry for source in sources for entry in _entries(source)}, key=lambda entry: entry.name)
    random.Random(SEED).shuffle(found)
    by_opening: dict[str, Description] = {}
    for entry in found:
        if len(entry.long) >= 80:
            by_opening.setdefault(re.sub(r"[^a-z]", "", entry.long.lower()[:140]), entry)
    return list(by_opening.values())


def _entries(source: Path) -> Iterator[Description]:
    for block in source.read_text("utf8").split("\n\n"):
        lines = block.splitlines()
        name = next((line[9:] for line in lines if line.startswith("Package: ")), "")
        short = next((line[16:] for line in lines if line.startswith("Description-en: ")), "")
        long = " ".join("" if line == " ." else line.strip() for line in lines if line.startswith(" "))
        if name and short and long:
            yield Description(name, short, re.sub(r"\s+", " ", long))

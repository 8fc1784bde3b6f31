"""Composed queries mined from captions: two that differ in one place are an edit of one thing into another.

A picture with the first caption and "cat instead of dog" ask for a picture with the second; the survey of composed
retrieval calls such triplets pseudo-triplets (arXiv 2502.18495, section 3).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product

from bowerbird.index.function_words import function_words


@dataclass(frozen=True)
class Change:
    """A picture whose caption, with `old` replaced by `new`, is a caption of others; pictures by number."""

    reference: int
    target: int
    targets: frozenset[int]
    old: str
    new: str
    used: frozenset[tuple[int, int]]
    """Picture and number of each caption that says so."""

    @property
    def text(self) -> str:
        return f"{self.new} instead of {self.old}"


def changes(
    captions: Sequence[Sequence[str]], longest: int = 2, shared: int = 4, variants: int | None = None
) -> list[Change]:
    """English captions of different pictures, equal but for 1 to `longest` words in one place; one per two pictures.

    shared: so many words at least are the same. variants: places that more texts than these can fill are left out.
    Both sides must say something (a word that is no function word) and share no stem of four letters.
    """
    said: dict[tuple[str, ...], dict[str, set[tuple[int, int]]]] = defaultdict(lambda: defaultdict(set))
    for picture, texts in enumerate(captions):
        for number, text in enumerate(texts):
            words = re.findall(r"[a-z0-9’']+", text.lower())
            for start, length in product(range(len(words)), range(1, longest + 1)):
                rest = (*words[:start], "*", *words[start + length :])
                if start + length <= len(words) and len(rest) > shared:
                    said[rest][" ".join(words[start : start + length])].add((picture, number))
    found: dict[tuple[int, int], Change] = {}
    for _, sides in sorted(said.items()):
        if variants is not None and len(sides) > variants:
            continue
        for old, new in permutations(sorted(sides), 2):
            if not _differ(old, new):
                continue
            answers = frozenset(picture for picture, _ in sides[new])
            for picture in sorted({picture for picture, _ in sides[old]} - answers):
                used = frozenset({*sides[new], *(one for one in sides[old] if one[0] == picture)})
                found.setdefault((picture, min(answers)), Change(picture, min(answers), answers, old, new, used))
    return list(found.values())


def _differ(old: str, new: str) -> bool:
    sides = [{word[:4] for word in side.split() if word not in function_words("en")} for side in (old, new)]
    return bool(sides[0] and sides[1] and not sides[0] & sides[1])

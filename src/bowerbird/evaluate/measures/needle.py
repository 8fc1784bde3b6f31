"""Needles in a haystack of pictures: is it there, in which picture, in which cell (MMNeedle, arXiv 2406.11230)?

An answer names a needle as "picture, row, column", counted from 1, and one that is absent as "-1"; several needles
are separated by semicolons. A reference is written the same way.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.measures.answers import Reference, Reply

Cell: TypeAlias = tuple[int, int, int]
"""Picture, row, column, from 1."""


def parse_needles(text: str) -> list[Cell | None] | None:
    """The cells that an answer names, None for a needle that it calls absent; None if it is not in the form asked for.

    Blanks, line breaks and full stops are passed over, so "1,2,3" counts like "1, 2, 3" (the released script refuses
    it).
    """
    cells: list[Cell | None] = []
    for needle in text.replace(".", "").strip().rstrip(";").split(";"):
        fields = needle.split(",")
        try:
            numbers = [int(field) for field in fields]
        except ValueError:
            return None
        if numbers and set(numbers) == {-1}:
            cells.append(None)
        elif len(numbers) == 3:
            cells.append((numbers[0], numbers[1], numbers[2]))
        else:
            return None
    return cells


def existence_accuracy(reply: Reply, reference: Reference) -> float:
    """1 if the answer says rightly whether there are needles at all; over as many absent as present ones.

    As in the paper, any answer but "-1" claims that they are there, even one that cannot be read.
    """
    said = parse_needles(reply.text)
    absent = said is not None and not any(said)
    return float(absent != any(_gold(reference)))


def index_accuracy(reply: Reply, reference: Reference) -> float:
    """1 if every needle's picture is right; NaN for absent needles, which the mean passes over."""
    said, true = parse_needles(reply.text), _gold(reference)
    if not any(true):
        return np.nan
    return float(said is not None and [cell and cell[0] for cell in said] == [cell and cell[0] for cell in true])


def exact_accuracy(reply: Reply, reference: Reference) -> float:
    """1 if picture, row and column of every needle are right; NaN for absent needles, which the mean passes over."""
    true = _gold(reference)
    return float(parse_needles(reply.text) == true) if any(true) else np.nan


def needle_share(reply: Reply, reference: Reference) -> float:
    """Share of needles with the right cell; NaN for absent needles. With one needle this is `exact_accuracy`."""
    said, true = parse_needles(reply.text) or [], _gold(reference)
    if not any(true):
        return np.nan
    return sum(a is not None and a == b for a, b in zip(said, true, strict=False)) / len(true)


def _gold(reference: Reference) -> list[Cell | None]:
    cells = parse_needles(reference.texts[0])
    if cells is None:
        raise EvaluationError(f"reference {reference.texts[0]!r} is neither 'picture, row, column' nor '-1'")
    return cells

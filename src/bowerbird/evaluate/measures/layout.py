"""Pages and regions of documents (MMDocIR, arXiv 2501.08828, section 4).

A region is found as far as its area is covered, not by identity and not by IoU: a box larger than the gold one
costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Floats, Judged
from bowerbird.evaluate.measures.moments import gold_places
from bowerbird.items import Box, Locator

Page: TypeAlias = tuple[str, int]


def page_recall(found: Sequence[Page], gold: Iterable[Page], cutoff: int) -> float:
    """Gold pages among the first k different pages, over all gold pages; regions of one page count as it once."""
    wanted = set(gold)
    first = list(dict.fromkeys(found))[:cutoff]
    return len(wanted.intersection(first)) / len(wanted) if wanted else 0.0


def layout_recall(found: Sequence[tuple[Page, Box]], gold: Sequence[tuple[Page, Box]], clip: bool = False) -> float:
    """Gold area that the found boxes cover, over all gold area.

    Boxes of the same page only. Without `clip`, as in the released code, area that two boxes cover counts twice, so
    the value may exceed 1; with it every point counts once. 0 if the gold boxes have no area.
    """
    total = sum(_area(box) for _, box in gold)
    if total <= 0:
        return 0.0
    if not clip:
        shared = sum(_area(_meet(box, other)) for page, other in gold for at, box in found if at == page)
        return shared / total
    return sum(_covered(other, [box for at, box in found if at == page]) for page, other in gold) / total


def _area(box: Box) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _meet(a: Box, b: Box) -> Box:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def _covered(gold: Box, boxes: Sequence[Box]) -> float:
    """Area of the gold box that the union of boxes covers: cells between all edges, each in or out as a whole."""
    parts = [part for part in (_meet(gold, box) for box in boxes) if part[2] > part[0] and part[3] > part[1]]
    if not parts:
        return 0.0
    edges = np.array(parts)
    xs, ys = np.unique(edges[:, [0, 2]]), np.unique(edges[:, [1, 3]])
    inside = np.zeros((len(xs) - 1, len(ys) - 1), bool)
    for x0, y0, x1, y1 in parts:
        across, down = slice(*np.searchsorted(xs, [x0, x1])), slice(*np.searchsorted(ys, [y0, y1]))
        inside[across, down] = True
    return float((np.outer(np.diff(xs), np.diff(ys)) * inside).sum())


def run_page_recall(judged: Judged, cutoff: int) -> Floats:
    """`page_recall` of every query; hits may be pages or regions on pages: q."""
    _, catalogue = judged.asked()
    return np.array(
        [
            page_recall(
                [_page(catalogue.of(hit)[1]) for hit in hits], [_page(p) for p in gold_places(judged, name)], cutoff
            )
            for name, hits in zip(judged.query_ids, judged.hits(), strict=True)
        ]
    )


def run_layout_recall(judged: Judged, cutoff: int, clip: bool = False) -> Floats:
    """`layout_recall` of the first k hits of every query, in fractions of the page: q."""
    _, catalogue = judged.asked()
    return np.array(
        [
            layout_recall(
                [_region(catalogue.of(hit)[1]) for hit in hits], [_region(p) for p in gold_places(judged, name)], clip
            )
            for name, hits in zip(judged.query_ids, judged.hits(cutoff), strict=True)
        ]
    )


def _page(place: Locator) -> Page:
    if place.page is None:
        raise EvaluationError(f"{place.source} is found without a page; page and layout recall need one")
    return place.source, place.page


def _region(place: Locator) -> tuple[Page, Box]:
    """A page without a box is the whole page."""
    return _page(place), place.box or (0.0, 0.0, 1.0, 1.0)

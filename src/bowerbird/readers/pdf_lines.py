"""Glyphs → lines of text: broken where the pen jumps, joined where only the file's order kept pieces apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box
from bowerbird.readers.pdf_glyphs import Glyphs

MAX_FRAGMENTS = 2_000
"""Pages of more fragments (maps, plots) keep the file's own lines: joining is quadratic."""

BREAK_GAP = 1.0
"""A jump of more than so many font sizes between two glyphs starts another fragment."""
JOIN_GAP = 0.4
"""Neighbours on one baseline closer than this are one line, whatever their order in the file."""
BRIDGE_GAP = 2.0
"""Up to this they are too, if text above and below runs across the gap: justified text, not a gutter."""
NUMERAL_GAP = 3.5
"""A bullet or number stands so far at most from the text it counts."""

_NUMERAL = re.compile(
    r"[•·▪◦●○■□►➢➤✓✔*+o§–—-]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|\(?[ivxIVX]{1,5}[.)]|"
    r"\d{1,2}(?:\.\d{1,2})*\.?|[A-Z](?:\.\d{1,2})*"
)
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text. The box is in points of the frame in which the text runs left to right, downwards."""

    text: str
    box: Box
    size: float
    bold: bool

    @property
    def middle(self) -> float:
        return (self.box[1] + self.box[3]) / 2


def upright(boxes: NDArray[np.float64], direction: int) -> NDArray[np.float64]:
    """Boxes turned so that text of this direction (quarter turns clockwise) runs to the right; the inverse of `turned`.

    The turned frame has the same unit and no fixed origin: coordinates may be negative.
    """
    x0, y0, x1, y1 = boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]
    columns = ((x0, y0, x1, y1), (y0, -x1, y1, -x0), (-x1, -y1, -x0, -y0), (-y1, x0, -y0, x1))[direction]
    return np.stack(columns, axis=1)


def turned(box: Box, direction: int) -> Box:
    """A box of the upright frame back on the page."""
    x0, y0, x1, y1 = box
    return ((x0, y0, x1, y1), (-y1, x0, -y0, x1), (-x1, -y1, -x0, -y0), (y0, -x1, y1, -x0))[direction]


def lines_of(glyphs: Glyphs) -> Iterator[tuple[int, list[Line]]]:
    """(direction, lines) for each writing direction on the page, the one with most glyphs first."""
    counts = np.bincount(glyphs.direction, minlength=4)
    for direction in sorted(range(4), key=lambda turn: -int(counts[turn])):
        if counts[direction]:
            yield direction, _join(_fragments(glyphs, direction))


def _fragments(glyphs: Glyphs, direction: int) -> list[Line]:
    """Stretches of glyphs of one direction that follow each other in the file and on the page."""
    index = np.flatnonzero(glyphs.direction == direction)
    boxes, sizes = upright(glyphs.boxes[index], direction), glyphs.sizes[index]
    before, after = boxes[:-1], boxes[1:]
    height = np.minimum(before[:, 3] - before[:, 1], after[:, 3] - after[:, 1])
    level = np.minimum(before[:, 3], after[:, 3]) - np.maximum(before[:, 1], after[:, 1]) > 0.4 * height
    gap = np.maximum(after[:, 0] - before[:, 2], before[:, 0] - after[:, 2])
    jump = ~level | (gap > BREAK_GAP * np.maximum(sizes[:-1], sizes[1:])) | (np.diff(index) > 1)
    starts = np.concatenate([[0], np.flatnonzero(jump) + 1])
    ends = np.append(starts[1:], len(index))
    low = np.minimum.reduceat(boxes[:, :2], starts, axis=0)
    high = np.maximum.reduceat(boxes[:, 2:], starts, axis=0)
    size = np.add.reduceat(sizes, starts) / (ends - starts)
    bold = np.add.reduceat(glyphs.bold[index].astype(float), starts) / (ends - starts) > 0.85
    chars, spaced = glyphs.chars[index].tolist(), glyphs.spaced[index].tolist()
    fragments = []
    for k, (i, j) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        text = chars[i] + "".join(
            " " + char if space else char for char, space in zip(chars[i + 1 : j], spaced[i + 1 : j], strict=True)
        )
        box = (float(low[k, 0]), float(low[k, 1]), float(high[k, 0]), float(high[k, 1]))
        fragments.append(Line(text, box, float(size[k]), bool(bold[k])))
    return fragments


def _join(fragments: list[Line]) -> list[Line]:
    """Neighbours on one baseline that belong together become one line."""
    if not 1 < len(fragments) <= MAX_FRAGMENTS:
        return fragments
    box = np.array([fragment.box for fragment in fragments])
    size = np.array([fragment.size for fragment in fragments])
    height = box[:, 3] - box[:, 1]
    overlap = np.minimum(box[:, None, 3], box[None, :, 3]) - np.maximum(box[:, None, 1], box[None, :, 1])
    level = overlap > 0.6 * np.minimum(height[:, None], height[None, :])
    gap = (box[None, :, 0] - box[:, None, 2]) / np.maximum(size[:, None], size[None, :])
    right = level & (gap > -0.5) & (box[None, :, 0] > box[:, None, 0])
    np.fill_diagonal(right, False)
    distance = np.where(right, gap, np.inf)
    nearest, reach = distance.argmin(axis=1), distance.min(axis=1)
    follower: dict[int, int] = {}
    for i in np.flatnonzero(reach <= NUMERAL_GAP).tolist():
        j, far = int(nearest[i]), float(reach[i])
        lead_in = fragments[i].bold and not fragments[j].bold
        if (
            far <= JOIN_GAP
            or _NUMERAL.fullmatch(fragments[i].text)
            or (far <= BRIDGE_GAP and _bridged(box, i, j, above=not lead_in))
        ):
            follower[i] = j
    return _chains(fragments, follower)


def _bridged(box: NDArray[np.float64], i: int, j: int, *, above: bool) -> bool:
    """Whether lines just below, and `above` if asked, run across the gap between fragments i and j."""
    left, right = box[i, 2], box[j, 0]
    crossing = (box[:, 0] < left - 1) & (box[:, 2] > right + 1)
    step = ((box[:, 1] + box[:, 3]) - (box[i, 1] + box[i, 3])) / 2 / (box[i, 3] - box[i, 1])
    under, over = crossing & (step > 0.5) & (step < 1.8), crossing & (step < -0.5) & (step > -1.8)
    return bool(under.any() and (over.any() or not above))


def _chains(fragments: list[Line], follower: dict[int, int]) -> list[Line]:
    """Follow the links from their beginnings; a fragment two others point at goes to the first in the file."""
    taken: set[int] = set()
    targets = set(follower.values())
    lines = []
    for i in [k for k in range(len(fragments)) if k not in targets] + list(range(len(fragments))):
        chain = []
        at: int | None = i
        while at is not None and at not in taken:
            taken.add(at)
            chain.append(fragments[at])
            at = follower.get(at)
        if chain:
            lines.append((i, _merge(chain)))
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _merge(chain: list[Line]) -> Line:
    """Fragments from left to right → one line; text written right to left is read from the right."""
    if len(chain) == 1:
        return chain[0]
    if sum(bool(_RIGHT_TO_LEFT.search(part.text)) for part in chain) * 2 > len(chain):
        chain = chain[::-1]
    text = chain[0].text
    for before, part in pairwise(chain):
        near = abs(part.box[0] - before.box[2]) < 0.1 * part.size
        text += part.text if near else " " + part.text
    weights = [len(part.text) for part in chain]
    box = union([part.box for part in chain])
    size = float(np.average([part.size for part in chain], weights=weights))
    bold = sum(weight for part, weight in zip(chain, weights, strict=True) if part.bold) > 0.85 * sum(weights)
    return Line(text, box, size, bold)


def union(boxes: list[Box]) -> Box:
    """The smallest box around all of them."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)

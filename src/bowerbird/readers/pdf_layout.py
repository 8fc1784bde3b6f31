"""Lines → paragraphs, headings and captions in reading order.

Order: T. Breuel, "High performance document layout analysis" (2003): one block comes before another if it stands above
it in the same column, or in a column to the left with nothing across both in between; then a topological sort.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bowerbird.items import Box, Role
from bowerbird.readers.pdf_lines import Line, union

MAX_BLOCKS = 400
"""Pages of more blocks are read from top to bottom: ordering is quadratic in memory."""

CAPTION = re.compile(
    r"(?i:(?:supplementary |extended data )?(?:figure|fig\.|table|tab\.|chart|exhibit|graph|diagram|plate|scheme|"
    r"abbildung|abb\.|tabelle|grafik|figura|tabla|cuadro|gráfico|tableau|schéma|afbeelding|obrázek|tabulka|рис\.|"
    r"рисунок|таблица)\s*[A-Z]?\d[\w.]*+)(?!\s+[a-zà-ÿа-я])|[图圖表]\s*[0-9一二三四五六七八九十]"
)
"""The beginning of a caption, as against a sentence: "Figure 7 shows" is none."""
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_BULLET = re.compile(r"[•·▪◦●○■□►➢➤✓✔]|[–—o§-] |\(?\d{1,3}[.)] |\(?[a-zA-Z][.)] ")
_ENDS = re.compile(r"[.!?:;…。！？：][\"'”’)\]]*$")
_NUMBERED = re.compile(r"(?:chapter |appendix |section )?(?:\d{1,3}|[A-Z])(?:\.\d{1,3})*[.:]?\s+", re.IGNORECASE)
_HYPHENATED = re.compile(r"\w[-‐]$")
_LETTER = re.compile(r"[^\W\d_]{2}|[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that are read as one; box in points of the upright frame."""

    lines: tuple[Line, ...]
    role: Role = "body"
    level: int = 0

    @property
    def box(self) -> Box:
        return union([line.box for line in self.lines])

    @property
    def text(self) -> str:
        return joined([line.text for line in self.lines])


@dataclass(frozen=True, slots=True)
class Type:
    """The document's type: the size of running text and the sizes of headings, largest first."""

    body: float
    bold_body: bool
    headings: tuple[float, ...]
    titles: Mapping[str, int] = field(default_factory=dict)
    """Titles of the outline as `squeezed`, with their level."""

    @classmethod
    def of(cls, pages: Iterable[Sequence[Line]]) -> Type:
        """From lines of a sample of pages: the size most characters have; larger ones of short lines are headings."""
        characters: Counter[tuple[float, bool]] = Counter()
        short: Counter[float] = Counter()
        for lines in pages:
            for line in lines:
                characters[_half(line.size), line.bold] += len(line.text)
                if len(line.text) < 120 and _LETTER.search(line.text):
                    short[_half(line.size)] += 1
        if not characters:
            return cls(10.0, False, ())
        by_size: Counter[float] = Counter()
        for (size, _), count in characters.items():
            by_size[size] += count
        body = by_size.most_common(1)[0][0]
        larger = sorted((size for size in short if size > 1.12 * body), reverse=True)
        return cls(body, characters[body, True] > characters[body, False], tuple(_distinct(larger)))

    def level(self, size: float) -> int:
        """The depth of a heading of this size, from 1; one more than the deepest for bold text of body size."""
        larger = sum(heading > size * 1.06 for heading in self.headings)
        return min(1 + larger, 6)


def _half(size: float) -> float:
    return round(size * 2) / 2


def _distinct(sizes: list[float]) -> list[float]:
    """Sizes less than 6 % apart are one."""
    kept: list[float] = []
    for size in sizes:
        if not kept or size < kept[-1] / 1.06:
            kept.append(size)
    return kept[:5]


def paragraphs_of(lines: Sequence[Line], type_: Type) -> list[Paragraph]:
    """Paragraphs, headings and captions of one page and direction, in reading order."""
    blocks = [_in_rows([lines[k] for k in group]) for group in _blocks(lines)]
    ordered = [blocks[k] for k in reading_order([union([line.box for line in block]) for block in blocks])]
    return [_named(part, type_) for block in ordered for part in _split(block)]


def _blocks(lines: Sequence[Line]) -> list[list[int]]:
    """Groups of lines of one column, size and weight that follow each other closely."""
    n = len(lines)
    if n == 0:
        return []
    box = np.array([line.box for line in lines])
    size = np.array([line.size for line in lines])
    bold = np.array([line.bold for line in lines])
    parent = list(range(n))

    def root(k: int) -> int:
        while parent[k] != k:
            parent[k] = parent[parent[k]]
            k = parent[k]
        return k

    below = _neighbours(box, size)
    above: dict[int, list[int]] = {}
    for a, lower in below.items():
        for b in lower:
            above.setdefault(b, []).append(a)
    for a, lower in below.items():
        for b in lower:
            lead_in = bold[a] and abs(box[a, 2] - box[b, 2]) < 1.5 * size[a]
            alike = (bold[a] == bold[b] or lead_in) and max(size[a], size[b]) <= 1.15 * min(size[a], size[b])
            if alike and not _abreast(box, lower) and not _abreast(box, above[b]):
                parent[root(b)] = root(a)
    groups: dict[int, list[int]] = {}
    for k in range(n):
        groups.setdefault(root(k), []).append(k)
    return list(groups.values())


def _neighbours(box: NDArray[np.float64], size: NDArray[np.float64]) -> dict[int, list[int]]:
    """For each line those directly below it: overlapping sideways, no further than the page's usual line spacing."""
    order = np.argsort(box[:, 1], kind="stable")
    tops = box[order, 1]
    near: list[tuple[int, int, float]] = []
    for a in range(len(box)):
        first = np.searchsorted(tops, box[a, 1] + 0.45 * (box[a, 3] - box[a, 1]))
        last = np.searchsorted(tops, box[a, 3] + 1.5 * size[a])
        for b in order[first:last].tolist():
            shared = min(box[a, 2], box[b, 2]) - max(box[a, 0], box[b, 0])
            if b != a and shared > 0.1 * size[a]:
                near.append((a, b, (box[b, 1] - box[a, 3]) / size[a]))
    closest: dict[int, float] = {}
    for a, _, gap in near:
        closest[a] = min(gap, closest.get(a, gap))
    usual = float(np.median(list(closest.values()))) if len(closest) > 3 else 0.2
    limit = min(max(0.45, 1.3 * usual + 0.1), 1.3)
    below: dict[int, list[int]] = {}
    for a, b, gap in near:
        if gap <= limit and gap <= closest[a] + 0.6:
            below.setdefault(a, []).append(b)
    return below


def _abreast(box: NDArray[np.float64], lines: list[int]) -> bool:
    """Whether two of the lines stand side by side."""
    for i, a in enumerate(lines):
        for b in lines[i + 1 :]:
            apart = box[a, 2] < box[b, 0] or box[b, 2] < box[a, 0]
            if apart and min(box[a, 3], box[b, 3]) > max(box[a, 1], box[b, 1]):
                return True
    return False


def _in_rows(lines: list[Line]) -> list[Line]:
    """Lines of a block from top to bottom, and from left to right where they share a baseline."""
    lines = sorted(lines, key=lambda line: line.middle)
    rows: list[list[Line]] = []
    for line in lines:
        if rows and line.middle - rows[-1][0].middle < 0.5 * (line.box[3] - line.box[1]):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.box[0])]


def _split(block: list[Line]) -> list[list[Line]]:
    """Paragraphs of a block: at bullets, at indented first lines, after short last lines that end a sentence."""
    x0, _, x1, _ = union([line.box for line in block])
    parts = [[block[0]]]
    for before, line in pairwise(block):
        em = line.size
        new_row = line.middle - before.middle > 0.5 * em
        indented = line.box[0] - x0 > 0.8 * em and before.box[0] - x0 < 0.5 * em and line.box[0] - x0 < 6 * em
        ended = bool(_ENDS.search(before.text)) and before.box[2] < x1 - 3 * em
        full = before.box[2] > x1 - 2 * em
        starts = _BULLET.match(line.text) is not None and (ended or not full or bool(_BULLET.match(parts[-1][0].text)))
        if new_row and (starts or ended or (indented and bool(_ENDS.search(before.text)))):
            parts.append([line])
        else:
            parts[-1].append(line)
    return parts


def _named(lines: list[Line], type_: Type) -> Paragraph:
    """Tell headings and captions from running text."""
    text = joined([line.text for line in lines])
    size = max(line.size for line in lines)
    if (level := type_.titles.get(squeezed(text))) is not None:
        return Paragraph(tuple(lines), "heading", level)
    if CAPTION.match(text) and len(text) < 1_500:
        return Paragraph(tuple(lines), "caption")
    short = len(lines) <= 3 and 2 < len(text) <= 200 and _LETTER.search(text) is not None
    large = size > 1.12 * type_.body
    strong = all(line.bold for line in lines) and not type_.bold_body and size > 0.95 * type_.body
    closed = text.endswith((".", ",", ";", "。")) and len(text) > 60
    if short and (large or strong) and not closed and not _BULLET.match(text + " "):
        return Paragraph(tuple(lines), "heading", type_.level(size))
    return Paragraph(tuple(lines))


def squeezed(title: str) -> str:
    """A title as it is compared: letters and digits only, without its number; outlines and pages space differently."""
    return "".join(char for char in _NUMBERED.sub("", title.strip()).casefold() if char.isalnum())


def joined(lines: Sequence[str]) -> str:
    """Lines as running text: words broken at line ends are mended, scripts without spaces get none."""
    text = ""
    for line in lines:
        line = line.strip()
        if not text or not line:
            text += line
        elif _broken(text, line):
            text = text[:-1] + line
        elif (_HYPHENATED.search(text) and line[0].isalnum()) or (_CJK.match(text[-1]) and _CJK.match(line[0])):
            text += line
        else:
            text += " " + line
    return text


def _broken(text: str, following: str) -> bool:
    """A hyphen that only breaks a word: letters before, a small letter after, no other hyphen in the word."""
    if text[-1] not in "-‐" or len(text) < 3 or not text[-2].isalpha() or not following[0].islower():
        return False
    word = text.rsplit(None, 1)[-1]
    return word.lstrip("(“\"'[„«").rstrip("-‐").isalpha()


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of the boxes in the order in which they are read."""
    n = len(boxes)
    if n > MAX_BLOCKS:
        return sorted(range(n), key=lambda k: (boxes[k][1], boxes[k][0]))
    before = _precedence(np.array(boxes, np.float64).reshape(n, 4))
    waiting = before.sum(axis=0).astype(np.int64)
    left = set(range(n))
    order: list[int] = []
    while left:
        # A cycle has no block without predecessors: the one with fewest goes first.
        chosen = min(left, key=lambda k: (int(waiting[k]), boxes[k][1], boxes[k][0]))
        left.remove(chosen)
        order.append(chosen)
        waiting -= before[chosen]
    return order


def _precedence(box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """n×n: whether block i is read before block j."""
    x0, y0, x1, y1 = box.T
    slack = 0.2 * np.minimum(x1 - x0, 10)
    beside = (x1[:, None] - slack[:, None] <= x0[None, :]) | (x1[None, :] - slack[None, :] <= x0[:, None])
    middle = (y0 + y1) / 2
    above = (middle[:, None] < middle[None, :]) & ~beside
    left = (x1[:, None] - slack[:, None] <= x0[None, :]) & beside
    overlaps = ~beside
    before = above.copy()
    for i, j in np.argwhere(left):
        top, bottom = min(y0[i], y0[j]), max(y1[i], y1[j])
        if y1[i] <= y0[j] or y1[j] <= y0[i]:
            top, bottom = min(y1[i], y1[j]), max(y0[i], y0[j])
            between = (middle > top) & (middle < bottom) & overlaps[i] & overlaps[j]
            if between.any():
                continue
        before[i, j] = True
    return np.asarray((before & ~before.T) | above)

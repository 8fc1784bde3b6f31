"""A pipeline as a drawing: from left to right, branches one below the other, in SVG for light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from bowerbird.pipeline.stage import Composite, Stage, Then

HEIGHT = 34.0
"""Of a box, in pixels like everything here."""
GAP = 30.0
"""Between boxes in a row."""
BETWEEN = 14.0
"""Between branches."""
CHAR = 7.3
"""Width of a character of 13 pixels, about."""
MARGIN = 12.0

COLOURS = {
    "find": ("#dbeafe", "#2563eb"),
    "judge": ("#ede9fe", "#7c3aed"),
    "write": ("#dcfce7", "#15803d"),
    "change": ("#fef3c7", "#b45309"),
    "operator": ("#f1f5f9", "#64748b"),
    "end": ("#475569", "#475569"),
}
"""Fill and border; boxes are filled and lines are of a middle grey, so that both show on white and on black."""

LINE, WORDS = "#8494a8", "#0f172a"


@dataclass(frozen=True)
class Diagram:
    """An SVG drawing: `str(diagram)` is the markup, notebooks show it."""

    svg: str

    def __str__(self) -> str:
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> None:
        Path(path).write_text(self.svg, "utf8")


@dataclass(frozen=True)
class Block:
    """A drawn part, entered at the left and left at the right, both in the middle of its height."""

    width: float
    height: float
    shapes: tuple[tuple[float, float, str], ...]
    """Markup and where it goes: x and y from the block's upper left corner."""


def draw(pipeline: Stage) -> Diagram:
    block = in_a_row([box("queries", "end"), layout(pipeline), box(_result(pipeline), "end")])
    width, height = block.width + 2 * MARGIN, block.height + 2 * MARGIN
    body = "".join(
        f'<g transform="translate({x + MARGIN:.1f} {y + MARGIN:.1f})">{markup}</g>' for x, y, markup in block.shapes
    )
    title = escape(repr(pipeline))
    return Diagram(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{title}" font-family="ui-sans-serif, system-ui, Helvetica, '
        f'Arial, sans-serif" font-size="13"><title>{title}</title>{body}</svg>'
    )


def layout(stage: Stage) -> Block:
    """Series next to each other, branches below each other, anything else a box."""
    if isinstance(stage, Then):
        return in_a_row([layout(inner) for inner in stage.stages])
    if isinstance(stage, Composite):
        node = box(stage.label, "operator")
        if len(stage.stages) == 1:
            return in_a_row([layout(stage.stages[0]), node], GAP / 2)
        return branches([layout(inner) for inner in stage.stages], node)
    return box(stage.label, kind(stage))


def kind(stage: Stage) -> str:
    """What a stage is for, as it is coloured."""
    if "answers" in stage.gives:
        return "write"
    if "hits" in stage.gives:
        return "find"
    return "judge" if "hits" in stage.needs else "change"


def box(label: str, colour: str) -> Block:
    fill, border = COLOURS[colour]
    width = max(HEIGHT, len(label) * CHAR + 24)
    round_corner = HEIGHT / 2 if colour in ("operator", "end") else 7
    ink = "#ffffff" if colour == "end" else WORDS
    markup = (
        f'<rect width="{width:.1f}" height="{HEIGHT:g}" rx="{round_corner:g}" fill="{fill}" stroke="{border}" '
        f'stroke-width="1.5"/><text x="{width / 2:.1f}" y="{HEIGHT / 2 + 4.5:g}" fill="{ink}" '
        f'text-anchor="middle">{escape(label)}</text>'
    )
    return Block(width, HEIGHT, ((0.0, 0.0, markup),))


def in_a_row(blocks: list[Block], gap: float = GAP) -> Block:
    height = max(block.height for block in blocks)
    shapes: list[tuple[float, float, str]] = []
    x = 0.0
    for number, block in enumerate(blocks):
        if number:
            shapes.append((x, height / 2, line(gap, 0)))
            x += gap
        shapes += moved(block, x, (height - block.height) / 2)
        x += block.width
    return Block(x, height, tuple(shapes))


def branches(blocks: list[Block], node: Block) -> Block:
    """All blocks get what comes in; what they give meets in the node."""
    height = sum(block.height for block in blocks) + BETWEEN * (len(blocks) - 1)
    widest = max(block.width for block in blocks)
    shapes: list[tuple[float, float, str]] = []
    y = 0.0
    for block in blocks:
        middle = y + block.height / 2
        shapes.append((0.0, height / 2, line(GAP, middle - height / 2)))
        shapes.append((GAP + block.width, middle, line(widest - block.width + GAP, height / 2 - middle)))
        shapes += moved(block, GAP, y)
        y += block.height + BETWEEN
    shapes += moved(node, 2 * GAP + widest, (height - node.height) / 2)
    return Block(2 * GAP + widest + node.width, height, tuple(shapes))


def moved(block: Block, x: float, y: float) -> list[tuple[float, float, str]]:
    return [(x + dx, y + dy, markup) for dx, dy, markup in block.shapes]


def line(dx: float, dy: float) -> str:
    """From the origin; one that changes its height runs straight first and bends within the last gap."""
    straight = max(dx - GAP, 0)
    bend = dx - straight
    path = f"M0 0H{straight:.1f}C{straight + bend / 2:.1f} 0 {straight + bend / 2:.1f} {dy:.1f} {dx:.1f} {dy:.1f}"
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'


def _result(pipeline: Stage) -> str:
    last = pipeline.stages[-1] if isinstance(pipeline, Then) else pipeline
    return "answers" if "answers" in last.gives else "hits"

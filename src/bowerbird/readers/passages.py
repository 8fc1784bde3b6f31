"""Cutting a document into passages along its structure: headings, paragraphs, and only then sentences and words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bowerbird.items import Box, Part, Text, text_of
from bowerbird.readers.base import ReadOptions
from bowerbird.readers.blocks import Block
from bowerbird.readers.sentences import sentence_spans

SMALL = 0.25
"""A last passage smaller than this share of the limit joins the one before, if both are below one heading."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Some blocks that belong together. `heading` is the path of headings above them: 'A > B'."""

    parts: tuple[Part, ...]
    heading: str = ""
    page: int | None = None
    box: Box | None = None
    chars: tuple[int, int] | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class _Sized:
    block: Block
    tokens: int
    heading: str


def cut(blocks: Sequence[Block], options: ReadOptions) -> list[Passage]:
    """Passages of at most options.passage_tokens tokens, in order; pictures and tables stay in their place.

    Headings start new passages and are named in `heading`. A paragraph that is too long is cut at sentence ends,
    the last sentence is repeated at the start of the next piece; sentences that are too long are cut at words.
    """
    passages: list[list[_Sized]] = []
    size = 0
    for sized in _sized(blocks, options):
        fits = passages and size + sized.tokens <= options.passage_tokens
        if fits and _together(passages[-1][-1], sized):
            passages[-1].append(sized)
            size += sized.tokens
        else:
            passages.append([sized])
            size = sized.tokens
    return [_passage(group) for group in _without_crumbs(passages, options)]


def _sized(blocks: Sequence[Block], options: ReadOptions) -> Iterator[_Sized]:
    """Blocks with their token counts and headings, none larger than a passage."""
    headings: list[tuple[int, str]] = []
    for block in blocks:
        if isinstance(block.part, Text) and block.part.role == "heading":
            level = block.part.level or 1
            headings = [above for above in headings if above[0] < level] + [(level, block.part.text.strip())]
        path = " > ".join(text for _, text in headings)
        tokens = options.count_tokens(text_of([block.part]))
        if tokens <= options.passage_tokens or not isinstance(block.part, Text):
            yield _Sized(block, min(tokens, options.passage_tokens), path)
        else:
            for piece in _split(block, options):
                yield _Sized(piece, options.passage_tokens, path)


def _together(before: _Sized, after: _Sized) -> bool:
    """Whether two neighbours may share a passage: same heading, same page."""
    return before.heading == after.heading and before.block.page == after.block.page


def _without_crumbs(passages: list[list[_Sized]], options: ReadOptions) -> Iterator[list[_Sized]]:
    """Join a lone heading with what follows it on the page, and tiny leftovers with what comes before."""
    held: list[_Sized] = []
    for number, group in enumerate(passages):
        group = held + group
        held = []
        tokens = sum(sized.tokens for sized in group)
        follower = passages[number + 1] if number + 1 < len(passages) else None
        only_headings = all(_is_heading(sized) for sized in group)
        if only_headings and follower and _same_page(group, follower) and tokens < options.passage_tokens // 2:
            held = group
            continue
        small = tokens < SMALL * options.passage_tokens
        if small and follower and _same_page(group, follower) and group[-1].heading == follower[0].heading:
            room = options.passage_tokens - sum(sized.tokens for sized in follower)
            if tokens <= room:
                held = group
                continue
        yield group
    if held:
        yield held


def _is_heading(sized: _Sized) -> bool:
    return isinstance(sized.block.part, Text) and sized.block.part.role == "heading"


def _same_page(one: list[_Sized], other: list[_Sized]) -> bool:
    return one[-1].block.page == other[0].block.page


def _split(block: Block, options: ReadOptions) -> Iterator[Block]:
    """Pieces of a long text: whole sentences, overlapping by one."""
    assert isinstance(block.part, Text)
    text, limit = block.part.text, options.passage_tokens
    pieces = [small for span in sentence_spans(text) for small in _small_enough(text, span, options)]
    first = 0
    while first < len(pieces):
        last, size = first, options.count_tokens(text[slice(*pieces[first])])
        while last + 1 < len(pieces):
            size += options.count_tokens(text[slice(*pieces[last + 1])])
            if size > limit:
                break
            last += 1
        start, end = pieces[first][0], pieces[last][1]
        yield replace(
            block,
            part=replace(block.part, text=text[start:end]),
            chars=None if block.chars is None else (block.chars[0] + start, block.chars[0] + end),
        )
        if last + 1 >= len(pieces):
            return
        first = last if last > first else last + 1


def _small_enough(text: str, span: tuple[int, int], options: ReadOptions) -> Iterator[tuple[int, int]]:
    """A sentence, or pieces of it that are at most half a passage long, cut at spaces where there are any."""
    start, end = span
    tokens = options.count_tokens(text[start:end])
    half = max(1, options.passage_tokens // 2)
    if tokens <= half:
        yield span
        return
    step = max(1, (end - start) * half // tokens)
    while end - start > step:
        spaces = [match.start() for match in re.finditer(r"\s", text[start + step // 2 : start + step])]
        at = start + (step // 2 + spaces[-1] + 1 if spaces else step)
        yield from _small_enough(text, (start, at), options) if at - start > 1 else ((start, at),)
        start = at
    if start < end:
        yield (start, end)


def _passage(group: list[_Sized]) -> Passage:
    blocks = [sized.block for sized in group]
    spans = [block.chars for block in blocks if block.chars is not None]
    starts = [block.start for block in blocks if block.start is not None]
    ends = [block.end for block in blocks if block.end is not None]
    return Passage(
        tuple(block.part for block in blocks),
        group[-1].heading,
        blocks[0].page,
        _union([block.box for block in blocks if block.box is not None]),
        (min(span[0] for span in spans), max(span[1] for span in spans)) if spans else None,
        min(starts) if starts else None,
        max(ends) if ends else None,
    )


def _union(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))

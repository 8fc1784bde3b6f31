"""A document as its readers see it before it is cut into passages: parts in reading order, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

from bowerbird.items import Box, Part


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, paragraph, list item, table, picture or spoken sentence, and where it stands."""

    part: Part
    page: int | None = None
    box: Box | None = None
    chars: tuple[int, int] | None = None
    start: float | None = None
    end: float | None = None

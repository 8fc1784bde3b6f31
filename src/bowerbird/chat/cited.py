"""Cited answers: numbered evidence → messages, and a reply → its text and the numbers that it cites."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bowerbird.chat.base import Message
from bowerbird.chat.prompts import prompt
from bowerbird.items import Image, Text

MARK = re.compile(r"[ \t]*\[\s*(\d{1,4}(?:\s*[-–—,;]\s*\d{1,4})*)\s*\]")
"""[1], [1, 2], [1-3]"""
OPEN_MARK = re.compile(r"[ \t]+$|[ \t]*\[[\d\s,;–—-]{0,60}$")
"""The end of a text that may yet become a mark."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source as the model sees it."""

    number: int
    title: str
    place: str
    """Where in the source, such as 'page 3'; may be empty."""
    text: str
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class CitedReply:
    """An answer whose marks all name evidence. `supported` is false for refusals and for answers that cite nothing."""

    text: str
    cited: tuple[int, ...]
    """In the order of first mention."""
    supported: bool


def cited_messages(question: Sequence[Text | Image], evidence: Sequence[Evidence]) -> list[Message]:
    """The conversation that asks for a cited answer, or for the refusal where the evidence holds none."""
    parts: list[Text | Image] = []
    for source in evidence:
        head = f"[{source.number}] {source.title}" + (f", {source.place}" if source.place else "")
        parts.append(Text(f"{head}\n{source.text}".rstrip() + "\n"))
        if source.image is not None:
            parts.append(source.image)
    system = prompt("answer").format(refusal=prompt("refusal"))
    return [Message.of("system", system), Message("user", (*parts, Text("Question:"), *question))]


class CitedText:
    """Reads a reply piece by piece; what it gives can be shown at once, as every mark in it names evidence."""

    def __init__(self, numbers: Collection[int]) -> None:
        self._numbers = frozenset(numbers)
        self._cited: dict[int, None] = {}
        self._held = ""
        self._shown: list[str] = []

    def feed(self, piece: str) -> str:
        """The next text to show; the beginning of a mark is held back until the mark is whole."""
        text = self._held + piece
        open_mark = OPEN_MARK.search(text)
        cut = open_mark.start() if open_mark else len(text)
        self._held = text[cut:]
        return self._show(text[:cut])

    def finish(self) -> tuple[str, CitedReply]:
        """The last text to show, and the whole reply."""
        last = self._show(self._held).rstrip()
        self._held = ""
        text = ("".join(self._shown)).strip()
        cited = tuple(self._cited)
        return last, CitedReply(text, cited, bool(cited) and not refuses(text))

    def _show(self, text: str) -> str:
        shown = MARK.sub(self._known, text)
        self._shown.append(shown)
        return shown

    def _known(self, mark: re.Match[str]) -> str:
        """A mark with the numbers that exist, as [1][2]; nothing if none does."""
        known = [number for number in numbers(mark[1]) if number in self._numbers]
        self._cited.update(dict.fromkeys(known))
        space = mark[0][: len(mark[0]) - len(mark[0].lstrip())]
        return space + "".join(f"[{number}]" for number in known) if known else ""


def cited_reply(text: str, numbers: Collection[int]) -> CitedReply:
    """A whole reply at once."""
    reader = CitedText(numbers)
    reader.feed(text)
    return reader.finish()[1]


def numbers(inside: str) -> list[int]:
    """'1, 3-5' → [1, 3, 4, 5]."""
    found: list[int] = []
    for piece in re.split(r"[,;]", inside):
        ends = [int(end) for end in re.split(r"[-–—]", piece)]
        found += range(ends[0], ends[-1] + 1) if len(ends) > 1 else ends
    return found


def refuses(text: str) -> bool:
    """Whether a reply is the sentence that the prompt asks for where evidence is missing."""
    return _plain(MARK.sub("", text)).startswith(_plain(prompt("refusal")))


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()

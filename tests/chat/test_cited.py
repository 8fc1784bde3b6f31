"""Marks in replies, whole and in pieces; no model is needed."""

from __future__ import annotations

import pytest

from bowerbird.chat import CitedText, Evidence, cited_messages
from bowerbird.chat.cited import cited_reply
from bowerbird.chat.prompts import prompt
from bowerbird.items import Image, Text

REPLIES = [
    ("Four [1].", "Four [1].", (1,)),
    ("Four [2][1], five [2].", "Four [2][1], five [2].", (2, 1)),
    ("Four [1, 3].", "Four [1][3].", (1, 3)),
    ("Four [1-3; 9].", "Four [1][2][3].", (1, 2, 3)),
    ("Four [2–9999].", "Four [2][3].", (2, 3)),
    ("Four [9].", "Four.", ()),
    ("Four [0] [12345] [x] [ ", "Four [12345] [x] [", ()),
    ("No marks at all.  ", "No marks at all.", ()),
]


@pytest.mark.parametrize(("reply", "text", "cited"), REPLIES)
def test_marks(reply: str, text: str, cited: tuple[int, ...]) -> None:
    found = cited_reply(reply, {1, 2, 3})
    assert (found.text, found.cited, found.supported) == (text, cited, bool(cited))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(("reply", "text", "cited"), REPLIES)
def test_pieces_show_the_same_text_as_the_whole(reply: str, text: str, cited: tuple[int, ...], size: int) -> None:
    reader = CitedText({1, 2, 3})
    shown = [reader.feed(reply[start : start + size]) for start in range(0, len(reply), size)]
    last, found = reader.finish()
    assert ("".join(shown) + last).strip() == found.text == text
    assert found.cited == cited


def test_words_are_not_held_back() -> None:
    assert CitedText({1}).feed("Four and") == "Four and"


@pytest.mark.parametrize("reply", [prompt("refusal"), f'"{prompt("refusal").lower()}" [1]', prompt("refusal")[:-1]])
def test_refusals_are_unsupported(reply: str) -> None:
    assert not cited_reply(reply, {1}).supported


def test_messages_hold_the_evidence_in_order() -> None:
    picture = Image(b"...")
    evidence = [Evidence(1, "a.pdf", "page 3", "Revenue {x}"), Evidence(2, "b.png", "", "", picture)]
    system, user = cited_messages([Text("How much?")], evidence)
    assert prompt("refusal") in system.text
    assert user.parts == (
        Text("[1] a.pdf, page 3\nRevenue {x}\n"),
        Text("[2] b.png\n"),
        picture,
        Text("Question:"),
        Text("How much?"),
    )

"""Answering a question from search results: by a language model with citations, or by quoting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bowerbird.collection.snapshot import Snapshot
from bowerbird.items import Image, Text
from bowerbird.pipeline.extract import quote_answer
from bowerbird.pipeline.results import Answer, Citation, Hit, Results

if TYPE_CHECKING:
    from bowerbird.chat import Chat, Evidence

CONTEXT_CHARS = 1500
"""Of one piece of evidence, at most."""


def answer(
    snapshot: Snapshot, results: Results, chat: Chat | None, show: Callable[[str], None] | None = None
) -> Answer:
    """An answer whose citations are hits of the results.

    show: is given the text piece by piece as it comes. Raises ChatError if the model does not answer.
    """
    if chat is None:
        return quote_answer(snapshot, results.query, results.hits)
    from bowerbird.chat import CitedText, cited_messages

    evidence = [as_evidence(hit) for hit in results.hits]
    question = [part for part in results.query.parts if isinstance(part, Text | Image)]
    reader = CitedText([source.number for source in evidence])
    for piece in chat.reply(cited_messages(question, evidence)):
        text = reader.feed(piece)
        if show and text:
            show(text)
    last, reply = reader.finish()
    if show and last:
        show(last)
    hits = {hit.rank: hit for hit in results.hits}
    citations = tuple(Citation(number, hits[number], hits[number].evidence.snippet) for number in reply.cited)
    return Answer(reply.text, reply.supported, citations, chat.name)


def as_evidence(hit: Hit) -> Evidence:
    """A hit as a language model sees it: its best place in words, and its picture."""
    from bowerbird.chat import Evidence

    text = hit.best.text or hit.item.text
    place = hit.item.locator
    where = f"page {place.page}" if place.page else f"{place.start:.0f}–{place.end:.0f} s" if place.end else ""
    picture = Image(hit.thumbnail, hit.title) if hit.thumbnail and hit.modality in ("image", "video", "page") else None
    return Evidence(hit.rank, hit.title or hit.source, where, text[:CONTEXT_CHARS], picture)

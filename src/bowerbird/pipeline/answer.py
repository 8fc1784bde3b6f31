"""Answering a question from search results: by a language model with citations, or by quoting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bowerbird.collection.snapshot import Snapshot
from bowerbird.pipeline.extract import quote_answer
from bowerbird.pipeline.results import Answer, Results

if TYPE_CHECKING:
    from bowerbird.chat.base import Chat


def answer(snapshot: Snapshot, results: Results, chat: Chat | None) -> Answer:
    """An answer whose citations are hits of the results."""
    if chat is None:
        return quote_answer(snapshot, results.query, results.hits)
    raise ValueError(chat)

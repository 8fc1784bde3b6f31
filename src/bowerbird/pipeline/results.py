"""What a person sees of a search: hits with their place, a snippet, and why they matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bowerbird.items import Item, Modality, Query


@dataclass(frozen=True, slots=True)
class Evidence:
    """The part of an item that answers: its best sentences, verbatim, and the words that matched.

    words: character spans in `snippet`.
    """

    snippet: str = ""
    words: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One result: the item that is shown (a page, a photo, a shot), and the best place inside it."""

    rank: int
    score: float
    item: Item
    best: Item
    matched: Mapping[str, float]
    """Score per source of evidence: lexical, text, tokens, image."""
    evidence: Evidence = field(default_factory=Evidence)
    thumbnail: bytes | None = field(default=None, repr=False)
    """A small WebP picture, where the item has one."""

    @property
    def title(self) -> str:
        return self.item.title or self.best.title

    @property
    def modality(self) -> Modality:
        return self.item.modality

    @property
    def source(self) -> str:
        return self.item.locator.source

    @property
    def place(self) -> dict[str, Any]:
        """Where to look: the shown item's place, made exact by the best place inside it."""
        return {**self.item.locator.place(), **self.best.locator.place()}

    def to_json(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "score": round(self.score, 4),
            "id": self.item.id,
            "modality": self.modality,
            "source": self.source,
            "locator": self.place,
            "title": self.title,
            "snippet": self.evidence.snippet,
            "matched": {name: round(score, 4) for name, score in self.matched.items()},
        }


@dataclass(frozen=True, slots=True)
class Results:
    """The hits of one query."""

    query: Query
    hits: tuple[Hit, ...]
    took_ms: float

    def __len__(self) -> int:
        return len(self.hits)

    def to_json(self) -> dict[str, Any]:
        return {
            "query": self.query.text,
            "took_ms": round(self.took_ms, 1),
            "hits": [hit.to_json() for hit in self.hits],
        }


@dataclass(frozen=True, slots=True)
class Citation:
    """Number n in an answer's text, the hit it stands for, and the words that support it."""

    n: int
    hit: Hit
    quote: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"n": self.n, **self.hit.to_json(), "quote": self.quote}


@dataclass(frozen=True, slots=True)
class Answer:
    """A text that cites hits. `supported` is False where the collection does not hold an answer."""

    text: str
    supported: bool
    citations: tuple[Citation, ...]
    model: str | None
    """The language model that wrote it; None for sentences quoted verbatim."""

    def to_json(self) -> dict[str, Any]:
        return {
            "answer": self.text,
            "supported": self.supported,
            "citations": [citation.to_json() for citation in self.citations],
            "model": self.model,
        }

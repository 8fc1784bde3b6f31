"""What every language model is here: a named function from messages to a stream of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from bowerbird.items import Image, Text

MAX_TOKENS = 1024
"""Longest reply unless a caller says otherwise."""

Speaker: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """Words and pictures in order, and who says them."""

    role: Speaker
    parts: tuple[Text | Image, ...]

    @classmethod
    def of(cls, role: Speaker, *parts: str | Text | Image) -> Message:
        return cls(role, tuple(Text(part) if isinstance(part, str) else part for part in parts))

    @property
    def text(self) -> str:
        """The words only."""
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


@runtime_checkable
class Chat(Protocol):
    """Replies to conversations."""

    @property
    def name(self) -> str:
        """The model, as it is shown beside an answer."""
        ...

    def reply(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The reply in pieces, as they come; it ends before any of `stop`. Raises ChatError."""
        ...


@runtime_checkable
class ChatWithLogits(Chat, Protocol):
    """A chat that also tells how likely its words are."""

    def next_token(self, messages: Sequence[Message]) -> Mapping[str, float]:
        """The likeliest first tokens of a reply and the logarithms of their probabilities. Raises ChatError."""
        ...

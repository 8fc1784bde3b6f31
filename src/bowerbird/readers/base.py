"""What a reader is given and what it gives: a file with an identity, and a stream of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from bowerbird.items import Item, Kind, Locator, Part, item_id
from bowerbird.readers.limits import Budget

Thing = TypeVar("Thing")


def estimate_tokens(text: str) -> int:
    """A rough token count without a tokenizer: 4 characters of ASCII, or 1.5 of other scripts."""
    ascii_chars = sum(1 for char in text if char < "\x80")
    return 1 + ascii_chars // 4 + int((len(text) - ascii_chars) / 1.5)


def _unwatched() -> None:
    """Nobody waits for a sign of life."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read: the same options and the same file give the same items."""

    count_tokens: Callable[[str], int] = estimate_tokens
    passage_tokens: int = 200
    """Passages hold at most this many tokens of the text encoder."""
    preview_side: int = 1024
    """Longer side, in pixels, of pictures that readers render or carry along."""
    ocr: bool = True
    """Recognise text in pictures and pages without a text layer, where the extra is installed."""
    speech: bool = True
    """Transcribe speech, where the extra is installed."""
    speech_model: str = ""
    """A name or folder for faster-whisper; empty takes the packaged one."""
    beat: Callable[[], None] = _unwatched
    """A sign of life, for readers that work for minutes before they can give an item; who is silent is ended."""

    def beating(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The same things, with a sign of life for each."""
        for thing in things:
            self.beat()
            yield thing


@dataclass
class SourceFile:
    """A file on disk that is being read, and the maker of its items.

    `path` is where the bytes are now (a member of an archive may lie in a temporary folder);
    `source` and `member` are where a person finds them.
    """

    path: str
    source: str
    digest: str
    media_type: str
    member: str | None = None
    budget: Budget = field(default_factory=Budget, repr=False)
    """Shared with all files inside this one."""
    _seen: Counter[str] = field(default_factory=Counter, repr=False)

    @property
    def name(self) -> str:
        return self.member or self.source

    def item(
        self,
        kind: Kind,
        parts: Sequence[Part],
        *,
        parent: str | None = None,
        title: str = "",
        metadata: dict[str, Any] | None = None,
        **place: Any,
    ) -> Item:
        """An item of this file; `place` are fields of Locator (page=, box=, chars=, rows=, start=, end=)."""
        locator = Locator(self.source, self.member, **place)
        name = item_id(self.digest, kind, locator)
        ordinal = self._seen[name]
        self._seen[name] += 1
        if ordinal:
            name = item_id(self.digest, kind, locator, ordinal)
        return Item(name, kind, tuple(parts), locator, parent, title, metadata or {})

    def inside(self, path: str, member: str, digest: str, media_type: str) -> SourceFile:
        """A member of this archive or message, unpacked at `path`."""
        joined = f"{self.member}!/{member}" if self.member else member
        return replace(self, path=path, member=joined, digest=digest, media_type=media_type, _seen=Counter())


class Reader(Protocol):
    """Yields the file's root item first ('document', or 'image' for a picture), then its children in reading order.

    Raises ReadError (what, where, what to do) if nothing useful can be read; never executes or fetches content.
    """

    def __call__(self, file: SourceFile, options: ReadOptions) -> Iterator[Item]: ...

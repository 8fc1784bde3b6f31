"""What a long `add` tells while it runs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the adding thread; must return quickly."""

    def found(self, files: int, unchanged: int) -> None:
        """How many files there are to read, and how many are skipped because nothing changed."""

    def read(self, source: str, items: int) -> None:
        """So many more items of a file were read and embedded."""

    def done(self, source: str) -> None:
        """A file is stored: it survives a crash from now on."""

    def failed(self, source: str, reason: str) -> None:
        """A file was left out."""


class Silent:
    """No progress is shown."""

    def found(self, files: int, unchanged: int) -> None: ...

    def read(self, source: str, items: int) -> None: ...

    def done(self, source: str) -> None: ...

    def failed(self, source: str, reason: str) -> None: ...

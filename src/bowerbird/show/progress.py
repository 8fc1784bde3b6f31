"""A progress bar while files are added; nothing on a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


class Bar:
    """Files done of all files, items per second, time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("reading", total=None, items=0, rate="")
        self._items = 0

    def found(self, files: int, unchanged: int) -> None:
        self._bar.update(self._task, total=files)

    def read(self, source: str, items: int) -> None:
        self._items += items
        elapsed = self._bar.tasks[0].elapsed or 0
        rate = f"{self._items / elapsed:.0f} items/s" if elapsed > 1 else ""
        self._bar.update(self._task, description=escape(source[-40:]), rate=rate)

    def done(self, source: str) -> None:
        self._bar.advance(self._task)

    def failed(self, source: str, reason: str) -> None:
        self._bar.advance(self._task)
        self._bar.console.print(f"[yellow]left out[/] {escape(source)}: {escape(reason)}")


@contextmanager
def adding(*, quiet: bool) -> Iterator[Bar | None]:
    """A bar on a terminal, None elsewhere."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Bar(bar)

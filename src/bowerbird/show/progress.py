"""A progress bar while files are added or items are embedded again; nothing on a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)


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
    with _bar(TextColumn("{task.fields[rate]}"), quiet=quiet) as bar:
        yield Bar(bar) if bar else None


@contextmanager
def reembedding(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar of items on a terminal, None elsewhere."""
    with _bar(quiet=quiet) as bar:
        if bar is None:
            yield None
            return
        task = bar.add_task("embedding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _bar(*more: ProgressColumn, quiet: bool) -> Iterator[Progress | None]:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *more)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        yield bar

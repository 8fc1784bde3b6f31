"""Blocking work in a bounded number of threads, with a bounded number of requests that wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from bowerbird.server.problems import Refused

P = ParamSpec("P")
T = TypeVar("T")


class Work:
    """`await work(function, …)` runs a function in a thread.

    Raises Refused: 429 if too many wait already, 503 if the time is up (the thread goes on, and keeps its place).
    """

    def __init__(self, name: str, threads: int, waiting: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + waiting
        self._seconds = seconds
        self.pending = 0
        """Calls that wait or run."""

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self.pending >= self._most:
            raise Refused(429, "the server is busy; try again in a moment", retry=1)
        self.pending += 1
        loop = asyncio.get_running_loop()
        future = self._pool.submit(function, *args, **kwargs)
        future.add_done_callback(lambda _: _soon(loop, self._done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            raise Refused(503, f"this took longer than {self._seconds:g} s; ask for less, or later", retry=5) from None

    def _done(self) -> None:
        self.pending -= 1

    def stop(self) -> None:
        """Give up what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _soon(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Run in the event loop; a loop that has ended counts nothing any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)

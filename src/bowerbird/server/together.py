"""Calls that wait are answered together: a batch of queries costs the encoders little more than one of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from bowerbird.server.problems import Refused

K = TypeVar("K", bound=Hashable)
X = TypeVar("X")
Y = TypeVar("Y")
MOST = 16
"""Calls of one batch."""


@dataclass(frozen=True)
class _Call(Generic[K, X, Y]):
    key: K
    given: X
    future: asyncio.Future[Y]


class Together(Generic[K, X, Y]):
    """`await together(key, x)` is `answer(key, [x])[0]`; calls that wait with the same key share one `answer`.

    answer: runs in a thread; gives a result or an exception per x, in their order.
    Raises Refused: 429 if too many wait already, 503 if the time is up.
    """

    def __init__(
        self, name: str, answer: Callable[[K, Sequence[X]], Sequence[Y | Exception]], threads: int, waiting: int,
        seconds: float,
    ) -> None:  # fmt: skip
        self._answer, self._threads, self._most, self._seconds = answer, threads, waiting, seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._waiting: deque[_Call[K, X, Y]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def pending(self) -> int:
        """Calls that wait, and batches that run."""
        return len(self._waiting) + len(self._running)

    async def __call__(self, key: K, given: X) -> Y:
        if len(self._waiting) > self._most:
            raise Refused(429, "the server is busy; try again in a moment", retry=1)
        call = _Call[K, X, Y](key, given, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if len(self._running) < self._threads:
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        try:
            return await asyncio.wait_for(call.future, self._seconds)
        except TimeoutError:
            raise Refused(503, f"this took longer than {self._seconds:g} s; ask for less, or later", retry=5) from None

    async def _run(self) -> None:
        """Answer batch after batch until nothing waits."""
        loop = asyncio.get_running_loop()
        while batch := self._take():
            given = [call.given for call in batch]
            try:
                answers = await loop.run_in_executor(self._pool, self._answer, batch[0].key, given)
            except Exception as error:
                answers = [error] * len(batch)
            for call, answer in zip(batch, answers, strict=True):
                if call.future.done():  # nobody waits any more
                    continue
                if isinstance(answer, Exception):
                    call.future.set_exception(answer)
                else:
                    call.future.set_result(answer)

    def _take(self) -> list[_Call[K, X, Y]]:
        """The call that has waited longest, and others with its key."""
        waiting = [call for call in self._waiting if not call.future.done()]
        batch = [call for call in waiting if call.key == waiting[0].key][:MOST]
        taken = set(map(id, batch))
        self._waiting = deque(call for call in waiting if id(call) not in taken)
        return batch

    def stop(self) -> None:
        """Give up what waits; what runs ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

"""Connections that are given up: those whose request does not come, and those that do not take their reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from bowerbird.server.limits import Limits


def patient(limits: Limits) -> type[H11Protocol]:
    """uvicorn's protocol with these limits; uvicorn makes an object of it per connection."""
    return type("Protocol", (PatientProtocol,), {"limits": limits})


class PatientProtocol(H11Protocol):
    """uvicorn's connection, closed if the head of a request is not whole after `head_seconds`, and cut if its client
    takes less of a reply than `body_rate` through `send_seconds`."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = _Clock(self.limits.head_seconds, self._no_head)
        self._taking = _Clock(self.limits.send_seconds, self._still_taking)
        self._left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # whatever the client has not taken pauses us, and starts the clock
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._taking.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait_for_taking()

    def resume_writing(self) -> None:
        self._taking.stop()
        super().resume_writing()

    def _wait_for_head(self) -> None:
        """The clock runs from the first moment of waiting, whatever trickles in."""
        if self.conn.their_state is h11.IDLE:
            self._head.start()
        else:
            self._head.stop()

    def _no_head(self) -> None:
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _wait_for_taking(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._taking.start()

    def _still_taking(self) -> None:
        """A client that is too slow is cut off: `close` would wait until it has taken the rest."""
        taken = self._left - self.transport.get_write_buffer_size()
        if taken < self.limits.send_seconds * self.limits.body_rate:
            self.transport.abort()
        else:
            self._wait_for_taking()


class _Clock:
    """Rings once, some seconds after it was started."""

    def __init__(self, seconds: float, ring: Callable[[], None]) -> None:
        self._seconds, self._ring = seconds, ring
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """A clock that runs goes on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._rung)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rung(self) -> None:
        self._timer = None
        self._ring()

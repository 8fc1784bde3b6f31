"""Running an application on a port: who may reach it, and what a slow or ending connection gets."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from bowerbird.errors import BowerbirdError
from bowerbird.server.guard import Access
from bowerbird.server.limits import Limits

TOKEN = "BOWERBIRD_TOKEN"
SHORTEST_TOKEN = 16
EVERYWHERE = ("0.0.0.0", "::")


def access_for(host: str, allowed: Sequence[str] = ()) -> Access:
    """Who may ask a server that is bound to `host`.

    Raises BowerbirdError if it can be reached from elsewhere and BOWERBIRD_TOKEN holds no token of 16 characters.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token and not is_loopback(host):
        raise BowerbirdError(
            f"{host} can be reached from other machines: set {TOKEN} to a secret of at least {SHORTEST_TOKEN} "
            "characters, or bind to 127.0.0.1"
        )
    if token and len(token) < SHORTEST_TOKEN:
        raise BowerbirdError(f"{TOKEN} is shorter than {SHORTEST_TOKEN} characters: set a longer one")
    hosts = {name.lower() for name in (host, *allowed) if name not in EVERYWHERE}
    return Access(token, frozenset(hosts), addresses=host in EVERYWHERE)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(app: ASGIApp, host: str, port: int, limits: Limits, *, name: str = "serving") -> None:
    """Answer requests until SIGINT or SIGTERM; requests that are under way are finished. Prints the address."""
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=512)
    except OSError as error:
        raise BowerbirdError(f"cannot listen on {host} port {port}: {error.strerror}; choose another --port") from error
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=type("Protocol", (PatientProtocol,), {"head_seconds": limits.head_seconds}),
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=limits.shutdown_seconds,
    )
    with listener:
        shown = f"[{host}]" if ":" in host else host
        print(f"{name} on http://{shown}:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class PatientProtocol(H11Protocol):
    """uvicorn's connection, closed if the head of a request is not whole after `head_seconds`."""

    head_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        """The clock runs from the first moment of waiting, whatever trickles in."""
        if self.conn.their_state is not h11.IDLE:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

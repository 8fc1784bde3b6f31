"""Running an application on a port: who may reach it, and what a slow or ending connection gets."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from bowerbird.errors import BowerbirdError
from bowerbird.server.guard import Access
from bowerbird.server.limits import Limits
from bowerbird.server.protocol import patient

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
        http=patient(limits),
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=limits.shutdown_seconds,
    )
    with listener:
        shown = f"[{host}]" if ":" in host else host
        print(f"{name} on http://{shown}:{listener.getsockname()[1]}/", file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

"""What every request passes before the application sees it: host, origin, token, size and pace of its body.

A page in a browser can send requests to a server on loopback. It cannot make the Host header lie about the name that
it used (so a name that was bound to 127.0.0.1 to get in is refused), nor leave out Origin on what it posts.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bowerbird.server.limits import Limits
from bowerbird.server.problems import Refused, as_problem

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN_PATHS = ("/healthz",)
"""Answered without a token."""
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
SANDBOX = "default-src 'none'; sandbox"
"""Nothing that this server sends runs as a page of it, unless a route says more."""


@dataclass(frozen=True)
class Access:
    """Who may ask. token: empty where none is needed. hosts: names in the Host header besides loopback's."""

    token: str = field(default="", repr=False)
    hosts: frozenset[str] = frozenset()
    addresses: bool = False
    """Whether any address (not a name) may stand in the Host header: for servers that listen on all."""

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server."""
        match = HOST.match(host)
        name = match[1].strip("[]").lower().rstrip(".") if match else ""
        if name in LOOPBACK or name in self.hosts:
            return bool(name)
        return self.addresses and _is_address(name)

    def admits(self, authorization: str) -> bool:
        """Whether an Authorization header holds the token: 'Bearer TOKEN', or Basic with it as the password."""
        scheme, _, value = authorization.partition(" ")
        given = value.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                given = ""
        elif scheme.lower() != "bearer":
            given = ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """ASGI middleware. The body limit of uploads is another than that of everything else."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits, upload_paths: frozenset[str]) -> None:
        self._app, self._access, self._limits, self._upload_paths = app, access, limits, upload_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        sender = _Sender(send)
        try:
            headers = Headers(scope=scope)
            self._check(scope["path"], headers)
            body = _Body(receive, self._most(scope["path"], scope["method"]), self._limits)
            body.announce(headers.get("content-length"))
            await self._app(scope, body.receive, sender.send)
        except Refused as refused:
            if not sender.started:
                response = as_problem(refused)
                if refused.status == 401:
                    response.headers["WWW-Authenticate"] = 'Basic realm="bowerbird", charset="UTF-8"'
                if refused.status in (408, 413):
                    response.headers["Connection"] = "close"
                await response(scope, receive, sender.send)

    def _most(self, path: str, method: str) -> int:
        return self._limits.upload if path in self._upload_paths and method == "POST" else self._limits.query_body

    def _check(self, path: str, headers: Headers) -> None:
        """Raises Refused (400, 401, 403)."""
        host = headers.get("host", "")
        if not self._access.knows(host):
            raise Refused(400, "the Host header names no host that this server answers for; see --allow-host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "requests from pages of another origin are refused")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise Refused(403, "requests from pages of another origin are refused")
        if self._access.token and path not in OPEN_PATHS and not self._access.admits(headers.get("authorization", "")):
            raise Refused(401, "a token is needed: send 'Authorization: Bearer TOKEN'")


class _Body:
    """A request's body as it comes in: counted, and given up when it stalls."""

    def __init__(self, receive: Receive, most: int, limits: Limits) -> None:
        self._receive, self._most, self._limits = receive, most, limits
        self._came, self._whole = 0, False
        self._started = time.monotonic()

    def announce(self, length: str | None) -> None:
        """Refuse at once what says that it is too large."""
        if length is not None and length.isdigit() and int(length) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # from now on this waits for the end of the connection
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.body_seconds)
        except TimeoutError:
            raise Refused(408, "the body of the request stopped coming") from None
        self._came += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._came > self._most:
            raise self._too_large()
        spent = time.monotonic() - self._started - self._limits.body_seconds
        if not self._whole and spent > 0 and self._came < spent * self._limits.body_rate:
            raise Refused(408, "the body of the request came too slowly")
        return message

    def _too_large(self) -> Refused:
        return Refused(413, f"the body is larger than {self._most:,} bytes; send less at once")


class _Sender:
    """A reply as it goes out: with the headers that all have."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(raw=message["headers"])
            headers.setdefault("Content-Security-Policy", SANDBOX)
            headers.setdefault("Cache-Control", "no-store")
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

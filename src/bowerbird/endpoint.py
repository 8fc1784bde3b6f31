"""JSON over HTTP to a model server: retries with back-off, time-outs, and a key that stays with its host."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from bowerbird.errors import BowerbirdError

ATTEMPTS = 5
TIMEOUT_S = 120.0
"""Longest silence of a server, while connecting and between two reads."""
PAUSE_S = 0.5
"""Before the second attempt; doubled before each further one."""
LONGEST_PAUSE_S = 30.0
RETRIED = frozenset({408, 429, 500, 502, 503, 504})
MAX_REPLY_BYTES = 256 * 2**20
ADVICE = {
    401: "set BOWERBIRD_API_KEY to a valid key",
    403: "set BOWERBIRD_API_KEY to a key that may use this model",
    404: "check the base URL (most end in /v1) and the name of the model",
    429: "the server limits requests: wait, or use another key or plan",
}


class EndpointError(BowerbirdError):
    """A model server did not answer as its protocol says."""


class _StayPut(HTTPRedirectHandler):
    """Redirects are refused, so that neither key nor content reaches a host that nobody named."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


@dataclass(frozen=True)
class Endpoint:
    """A base URL such as 'http://localhost:8000/v1'. The key is in no message and no repr."""

    base_url: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S
    attempts: int = ATTEMPTS
    pause_s: float = PAUSE_S
    error: type[BowerbirdError] = EndpointError
    """What is raised."""

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise self.error(f"{self.base_url!r} is no base URL: give one such as http://localhost:8000/v1")
        if address.username or address.password:
            raise self.error(f"a base URL holds no user name or password: put the key for {address.hostname} "
                             "into BOWERBIRD_API_KEY")  # fmt: skip
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise self.error("the API key holds characters that no header may hold: copy it again")

    def url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"

    def post(self, path: str, body: Mapping[str, Any]) -> HTTPResponse:
        """The open response of status 200, to be read and closed; busy and failing servers are asked again."""
        for attempt in range(self.attempts - 1):
            try:
                return self._send(path, body)
            except HTTPError as error:
                with error:
                    if error.code not in RETRIED:
                        raise self._refused(path, error) from None
                    time.sleep(self._pause(attempt, error.headers.get("Retry-After")))
            except (ConnectionResetError, HTTPException):
                time.sleep(self._pause(attempt))
        try:
            return self._send(path, body)
        except HTTPError as error:
            with error:
                raise self._refused(path, error) from None
        except (OSError, HTTPException) as error:
            raise self.failed(path, error) from None

    def post_json(self, path: str, body: Mapping[str, Any]) -> Any:
        """As `post`, the reply read and decoded."""
        try:
            with self.post(path, body) as response:
                content = response.read(MAX_REPLY_BYTES + 1)
        except (OSError, HTTPException) as error:
            raise self.failed(path, error) from None
        if len(content) > MAX_REPLY_BYTES:
            raise self.error(f"{self.url(path)} replied with more than {MAX_REPLY_BYTES:,} bytes: ask for less at once")
        try:
            return json.loads(content)
        except ValueError:
            raise self.error(
                f"{self.url(path)} replied with no JSON: check that it is an OpenAI-compatible API"
            ) from None

    def failed(self, path: str, error: Exception) -> BowerbirdError:
        """The error to raise where the connection fails or falls silent."""
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, TimeoutError):
            return self.error(f"{self.url(path)} was silent for {self.timeout_s:g} s: check the server's load")
        return self.error(f"{self.url(path)} cannot be reached ({reason}): check that the server runs")

    def _send(self, path: str, body: Mapping[str, Any]) -> HTTPResponse:
        headers = {"Content-Type": "application/json", "User-Agent": "bowerbird"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(self.url(path), json.dumps(body).encode(), headers, method="POST")
        try:
            return cast(HTTPResponse, build_opener(_StayPut).open(request, timeout=self.timeout_s))
        except HTTPError:
            raise
        except URLError as error:
            if isinstance(error.reason, ConnectionResetError):
                raise error.reason from None
            raise self.failed(path, error) from None
        except TimeoutError as error:
            raise self.failed(path, error) from None

    def _pause(self, attempt: int, asked: str | None = None) -> float:
        """Seconds until the next attempt: what the server asks for, or the doubling pause."""
        if asked is not None and asked.isdigit():
            return min(float(asked), LONGEST_PAUSE_S)
        return float(min(self.pause_s * 2**attempt, LONGEST_PAUSE_S))

    def _refused(self, path: str, error: HTTPError) -> BowerbirdError:
        if error.code // 100 == 3:
            target = urlsplit(error.headers.get("Location", "")).netloc or "another path"
            return self.error(f"{self.url(path)} redirects to {target}: if you trust it, give its URL instead")
        advice = ADVICE.get(error.code, "see the server's log")
        said = self._without_key(_message(error.read(4096)))
        return self.error(f"{self.url(path)} answered {error.code} {error.reason}{said}: {advice}")

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


def _message(body: bytes) -> str:
    """What an error reply says, in OpenAI's form, as ' (…)'."""
    try:
        error = json.loads(body)["error"]
        said = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({str(said)[:300]})"

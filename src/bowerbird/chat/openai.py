"""A language model behind an OpenAI-compatible server: POST BASE_URL/chat/completions, streamed."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from bowerbird.chat.base import MAX_TOKENS, Message
from bowerbird.endpoint import ATTEMPTS, PAUSE_S, TIMEOUT_S, Endpoint
from bowerbird.errors import ChatError
from bowerbird.items import Image

KEYS = ("BOWERBIRD_API_KEY", "OPENAI_API_KEY")
MAX_LINE = 2**20
"""Bytes of one line of a stream; longer ones are no server's."""
TOP_LOGPROBS = 20
"""The most that servers tell of one token."""
SIDE = 1536
"""Pictures are shrunk to this many pixels on their longer side before they are sent."""


@dataclass(frozen=True)
class OpenAIChat:
    """A model by its base URL, such as 'http://localhost:8000/v1', and its name there.

    The key is the argument, or BOWERBIRD_API_KEY or OPENAI_API_KEY of the environment; it is shown nowhere.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S
    attempts: int = ATTEMPTS
    pause_s: float = PAUSE_S

    @property
    def name(self) -> str:
        return self.model

    def reply(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The reply in pieces. Busy servers are asked again before the first piece, never after it."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [_message(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        if stop:
            body["stop"] = list(stop)
        endpoint = self._endpoint()
        where = endpoint.url("chat/completions")
        try:
            with endpoint.post("chat/completions", body) as response:
                kind = response.headers.get_content_type()
                if kind != "text/event-stream":
                    raise ChatError(
                        f"{where} replied with {kind}, not with a stream: use a server that streams replies"
                    )
                yield from _pieces(_events(iter(lambda: response.readline(MAX_LINE), b""), where), where)
        except (OSError, HTTPException) as error:
            raise endpoint.failed("chat/completions", error) from None

    def next_token(self, messages: Sequence[Message]) -> Mapping[str, float]:
        """The likeliest first tokens of a reply and the logarithms of their probabilities.

        Raises ChatError if the server does not tell them.
        """
        body = {
            "model": self.model,
            "messages": [_message(message) for message in messages],
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }
        endpoint = self._endpoint()
        reply = endpoint.post_json("chat/completions", body)
        try:
            told = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            return {str(entry["token"]): float(entry["logprob"]) for entry in told}
        except (KeyError, IndexError, TypeError, ValueError):
            raise ChatError(
                f"{endpoint.url('chat/completions')} tells no log-probabilities: use a server that does, or GradeJudge"
            ) from None

    def _endpoint(self) -> Endpoint:
        key = self.api_key or next((os.environ[name] for name in KEYS if os.environ.get(name)), "")
        return Endpoint(self.base_url, key.strip() or None, self.timeout_s, self.attempts, self.pause_s, ChatError)


def _message(message: Message) -> dict[str, Any]:
    """A message in OpenAI's form; plain words stay a plain string, which every server takes."""
    if not any(isinstance(part, Image) for part in message.parts):
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": _data_url(part)}}
        if isinstance(part, Image)
        else {"type": "text", "text": part.text}
        for part in message.parts
    ]
    return {"role": message.role, "content": parts}


def _data_url(image: Image) -> str:
    """The picture itself as a JPEG, so that no server needs to fetch anything and no EXIF leaves the machine."""
    jpeg = Image.from_pil(image.open(), side=SIDE).source
    assert isinstance(jpeg, bytes)
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _events(lines: Iterable[bytes], where: str) -> Iterator[str]:
    """The data of server-sent events (one per blank line), up to '[DONE]' or the end of the lines."""
    data: list[str] = []
    for line in lines:
        if not line.endswith(b"\n"):
            raise ChatError(f"{where} broke off in the middle of a reply: ask again, or see the server's log")
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ChatError(f"{where} streams bytes that are not UTF-8: check that it is OpenAI-compatible") from None
        if text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))
        elif not text and data:
            if data == ["[DONE]"]:
                return
            yield "\n".join(data)
            data = []


def _pieces(events: Iterable[str], where: str) -> Iterator[str]:
    """The text of each event. A stream that ends without a reason to end was cut off."""
    finished = False
    for event in events:
        try:
            chunk = json.loads(event)
            if "error" in chunk:
                raise ChatError(f"{where} failed in the middle of a reply ({str(chunk['error'])[:300]}): ask again")
            for choice in chunk["choices"][:1]:
                piece = choice.get("delta", {}).get("content")
                finished = finished or choice.get("finish_reason") is not None
                if piece:
                    yield piece
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ChatError(f"{where} streams what is no chat chunk ({event[:80]!r}): check that it is "
                            "OpenAI-compatible") from None  # fmt: skip
    if not finished:
        raise ChatError(f"{where} broke off in the middle of a reply: ask again, or see the server's log")

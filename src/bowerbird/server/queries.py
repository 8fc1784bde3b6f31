"""Requests to queries: every limit is checked here, and no medium stays as it was sent."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Sequence
from typing import Literal

from bowerbird.items import PICTURE_FORMATS, Image, Item, Modality, Part, Query, Text
from bowerbird.readers.pictures import upright
from bowerbird.server.clips import read_clip
from bowerbird.server.limits import Limits
from bowerbird.server.problems import Refused
from bowerbird.server.schemas import AskRequest, SearchRequest
from bowerbird.server.served import Served

PICTURE_SIDE = 1024
"""Pictures of queries are shrunk to this; encoders look at far less."""
DATA_URL = re.compile(r"data:[\w.+/-]+(?:;[\w=.+-]+)*;base64,", re.I)
PICTURED = frozenset({"image", "figure", "shot"})
Medium = Literal["image", "audio", "video"]


def search_query(asked: SearchRequest, media: Sequence[tuple[Medium, bytes]], served: Served) -> Query:
    """The query of a request and of the files that came with it. Raises Refused, BowerbirdError."""
    limits = served.limits
    if asked.k > limits.k:
        raise Refused(422, f"k: at most {limits.k} hits are given at once")
    given = [*media, *decoded(asked.images, "image"), *decoded(asked.audio, "audio"), *decoded(asked.video, "video")]
    parts = _media_parts(given, served)
    parts += [part for name in asked.items for part in parts_of(served.find(name).item)]
    parts += _words(asked.text, "text", limits)
    if not parts:
        raise Refused(422, "say what to look for: text, images, audio, video or items")
    if len(asked.instruction) > limits.query_chars:
        raise Refused(422, f"instruction: longer than {limits.query_chars} characters")
    wanted = frozenset[Modality](asked.modalities) if asked.modalities else None
    return Query(tuple(parts), asked.instruction, wanted, _filter(asked.filter, served))


def ask_query(asked: AskRequest, served: Served) -> Query:
    """The question of a request."""
    parts = _media_parts(decoded(asked.images, "image"), served)
    words = _words(asked.question, "question", served.limits)
    if not words:
        raise Refused(422, "question: is empty")
    return Query((*parts, *words), where=_filter(asked.filter, served))


def _words(text: str, name: str, limits: Limits) -> list[Part]:
    if len(text) > limits.query_chars:
        raise Refused(422, f"{name}: longer than {limits.query_chars} characters; shorten it")
    return [Text(text)] if text.strip() else []


def _filter(expression: str, served: Served) -> str:
    if len(expression) > served.limits.filter_chars:
        raise Refused(422, f"filter: longer than {served.limits.filter_chars} characters; shorten it")
    return served.names.stored(expression)


def decoded(given: Sequence[str], kind: Medium) -> list[tuple[Medium, bytes]]:
    """Base64 or data: URLs as bytes. Other URLs are refused: this server fetches nothing."""
    found: list[tuple[Medium, bytes]] = []
    for text in given:
        head = DATA_URL.match(text)
        if head is None and ":" in text[:16]:
            raise Refused(422, f"{kind}: only base64 and data: URLs are taken, no other URL is fetched")
        try:
            found.append((kind, base64.b64decode(text[head.end() if head else 0 :], validate=True)))
        except (binascii.Error, ValueError):
            raise Refused(422, f"{kind}: is no base64") from None
    return found


def _media_parts(media: Sequence[tuple[Medium, bytes]], served: Served) -> list[Part]:
    if len(media) > served.limits.query_media:
        raise Refused(422, f"more than {served.limits.query_media} pictures, sounds and clips in one query")
    parts: list[Part] = []
    for kind, content in media:
        if not content:
            raise Refused(422, f"{kind}: is empty")
        if kind == "image":
            parts.append(picture(content, served.limits.pixels))
        else:
            parts += read_clip(content, kind, served.inputs, served.limits.media_seconds)
    return parts


def picture(content: bytes, pixels: int) -> Image:
    """A picture of a known format, decoded within limits and encoded anew. Raises Refused (422)."""
    from PIL import Image as pil

    pil.MAX_IMAGE_PIXELS = None  # our own limit is told before anything is decoded
    try:
        with pil.open(io.BytesIO(content), formats=PICTURE_FORMATS) as opened:
            if opened.width * opened.height > pixels:
                raise Refused(422, f"image: {opened.width} x {opened.height} pixels, the limit is {pixels:,}")
            return Image.from_pil(upright(opened, PICTURE_SIDE))
    except Refused:
        raise
    except Exception:
        raise Refused(422, "image: is no readable picture; send a JPEG, PNG or WebP") from None


def parts_of(item: Item) -> list[Part]:
    """What stands for a stored item in a query: its picture if it is one, else its words."""
    image = item.image
    if image is not None and (item.kind in PICTURED or not item.text.strip()):
        return [image]
    return [Text(item.text)] if item.text.strip() else []

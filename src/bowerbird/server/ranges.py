"""A file as a response that answers byte ranges (RFC 9110, section 14), so that films can be sought."""

from __future__ import annotations

import re

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bowerbird.errors import UnsupportedFile
from bowerbird.readers.detect import detect
from bowerbird.server.problems import Refused
from bowerbird.server.sources import Source

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})$")
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "audio/", "video/", "application/pdf")
"""Kinds that a browser may show in place; all others, which may hold scripts, are downloads."""


def file_response(source: Source, request: Request) -> Response:
    """The whole file, or the one range that is asked for. Several ranges at once get the whole file.

    Raises Refused (416) for a range beyond the end.
    """
    tag = f'"{source.digest}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache"}
    media_type = _media_type(source)
    shown = media_type.startswith(SHOWN)
    headers["Content-Disposition"] = "inline" if shown else "attachment"
    if request.headers.get("if-none-match") == tag:
        source.close()
        return Response(status_code=304, headers=headers)
    start, end, status = 0, source.size, 200
    asked = request.headers.get("range", "")
    if asked and request.headers.get("if-range", tag) == tag and (match := RANGE.match(asked)):
        try:
            start, end = span(match[1], match[2], source.size)
        except Refused:
            source.close()
            raise
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{source.size}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(iterate_in_threadpool(source.read(start, end)), status, headers, media_type)


def span(first: str, last: str, size: int) -> tuple[int, int]:
    """'5', '9' → 5, 10; '', '3' → the last three bytes. Raises Refused (416)."""
    if first:
        start, end = int(first), min(int(last) + 1 if last else size, size)
    else:
        start, end = max(size - int(last or 0), 0), size
    if start >= end:
        raise Refused(416, f"the file has {size} bytes")
    return start, end


def _media_type(source: Source) -> str:
    try:
        return detect(source.path)
    except (UnsupportedFile, OSError):
        return "application/octet-stream"

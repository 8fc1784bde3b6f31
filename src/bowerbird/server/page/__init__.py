"""GET /: the web page of a server. Its files lie in this folder and are sent as they are."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing from elsewhere, no script in the page, and no text that becomes markup (trusted types)."""
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/")
async def index(request: Request) -> Response:
    return _file("index.html", request)


@router.get("/page/{name}")
async def file(name: str, request: Request) -> Response:
    """A file of the page, by its name alone: the package's folder holds nothing else."""
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    if name not in _names():
        return Response(status_code=404)
    content, tag = _content(name)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=KINDS[_suffix(name)])


@cache
def _names() -> frozenset[str]:
    return frozenset(entry.name for entry in files(__package__).iterdir() if _suffix(entry.name) in KINDS)


@cache
def _content(name: str) -> tuple[bytes, str]:
    """A file and its ETag."""
    content = (files(__package__) / name).read_bytes()
    return content, f'"{blake2b(content, digest_size=12).hexdigest()}"'


def _suffix(name: str) -> str:
    return f".{name.rpartition('.')[2]}"

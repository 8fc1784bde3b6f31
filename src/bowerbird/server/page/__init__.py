"""GET /: the web page of a server. Its files lie in this folder and are sent as they are."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'"
)
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/")
async def index() -> Response:
    return _file("index.html")


@router.get("/page/{name}")
async def file(name: str) -> Response:
    """A file of the page, by its name alone: the package's folder holds nothing else."""
    return _file(name)


def _file(name: str) -> Response:
    suffix = f".{name.rpartition('.')[2]}"
    place = files(__package__) / name
    if suffix not in KINDS or name not in {entry.name for entry in files(__package__).iterdir()}:
        return Response(status_code=404)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return Response(place.read_bytes(), headers=headers, media_type=KINDS[suffix])

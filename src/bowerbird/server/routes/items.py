"""/v1/items: one item in all its forms; upload and removal of files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from bowerbird.items import Box
from bowerbird.server import present, schemas
from bowerbird.server.jobs import Job
from bowerbird.server.problems import Refused, documented
from bowerbird.server.ranges import file_response
from bowerbird.server.services import In, Services
from bowerbird.server.uploads import Stored

router = APIRouter(prefix="/v1", tags=["items"], responses=documented(400, 401, 403, 404, 422, 429, 503))
ItemId = Annotated[str, Path(pattern="^[0-9a-f]{24}$", description="From a search.", examples=[schemas.ITEM])]
KEEP = {"Cache-Control": "private, max-age=3600"}
"""An id stands for content that never changes."""
MAX_BOXES = 50
BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get("/items", response_model=schemas.Files)
async def files(
    of: In,
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    match: Annotated[str, Query(max_length=200, description="Only files with this in their source or title.")] = "",
    filter: Annotated[str, Query(max_length=2000, description="Only files with an item that it selects.")] = "",
) -> dict[str, Any]:
    """The files of the collection, by source."""
    return await of.work(_files, offset, limit, match, filter, of)


def _files(offset: int, limit: int, match: str, filter: str, of: Services) -> dict[str, Any]:
    records = of.served.files(match, of.served.names.stored(filter))
    shown = records[offset : offset + limit]
    covers = of.served.covers(shown)
    files = [present.file_json(file, of.served, cover) for file, cover in zip(shown, covers, strict=True)]
    return {"total": len(records), "files": files}


@router.get("/items/{id}", response_model=schemas.ItemOut, response_model_exclude_unset=True)
async def item(id: ItemId, of: In) -> dict[str, Any]:
    """What is known of an item: its place, its words, its tables."""
    return await of.work(lambda: present.item_json(of.served.find(id), of.served))


@router.get("/items/{id}/contents", response_model=schemas.Contents, response_model_exclude_unset=True)
async def contents(
    id: ItemId,
    of: In,
    offset: Annotated[int | None, Query(ge=0, le=2**31, description="Without it, the item is in the middle.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, Any]:
    """What the file that an item is in holds, in its order: to turn pages, read on, or jump between moments."""
    return await of.work(lambda: present.contents_json(of.served.contents(id, offset, limit), of.served))


@router.get("/items/{id}/waveform", response_class=Response, responses={200: {"model": schemas.Waveform}})
async def waveform(id: ItemId, of: In) -> Response:
    """The loudness of the recording around a stretch of it."""
    return Response(await of.heavy(of.served.waveform, id), headers=KEEP, media_type="application/json")


@router.get("/items/{id}/thumbnail", response_class=Response, responses={200: {"content": {"image/webp": BINARY}}})
async def thumbnail(id: ItemId, of: In) -> Response:
    """A small picture, at most 384 pixels a side."""
    return Response(await of.work(of.served.thumbnail, id), headers=KEEP, media_type="image/webp")


@router.get("/items/{id}/page.png", response_class=Response, responses={200: {"content": {"image/png": BINARY}}})
async def page(
    id: ItemId,
    of: In,
    box: Annotated[
        list[str] | None,
        Query(description="x0,y0,x1,y1 in fractions of the page; may be repeated. Without it, the item's own."),
    ] = None,
) -> Response:
    """The page, slide or picture that the item is on, with the evidence marked."""
    boxes = None if box is None else [to_box(one) for one in box[:MAX_BOXES]]
    return Response(await of.heavy(of.served.page, id, boxes), headers=KEEP, media_type="image/png")


def to_box(text: str) -> Box:
    """'0,0.1,1,0.2' as a box, cut to the page. Raises Refused (422)."""
    try:
        x0, y0, x1, y1 = (min(max(float(side), 0.0), 1.0) for side in text.split(","))
    except ValueError:
        raise Refused(422, f"box: {text[:80]!r} is not x0,y0,x1,y1 in fractions of the page") from None
    return x0, y0, x1, y1


MEDIA: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": BINARY}, "description": "The whole file."},
    206: {"content": {"*/*": BINARY}, "description": "The range that was asked for."},
}


@router.get("/items/{id}/media", response_class=Response, responses={**MEDIA, **documented(416)})
async def media(id: ItemId, request: Request, of: In) -> Response:
    """The file that the item came from, if it is unchanged. Byte ranges are answered."""
    source = await of.heavy(of.served.media, id)
    return file_response(source, request)


UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["files"],
                "properties": {
                    "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                },
            }
        }
    },
}


@router.post(
    "/items",
    status_code=202,
    response_model=schemas.Job,
    responses=documented(408, 413, 415, 507),
    openapi_extra={"requestBody": UPLOAD_BODY},
)
async def upload(request: Request, response: Response, of: In) -> dict[str, Any]:
    """Add files. The reply comes when they are safe on the disk; the job tells when they can be found."""
    of.jobs.require_room()
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(415, "send multipart/form-data with files")
    async with request.form(max_files=of.limits.upload_files, max_fields=20) as form:
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files:
            raise Refused(422, "files: send at least one file")
        stored = [await of.heavy(of.uploads.store, file.filename or "file", file.file) for file in files]
    job = await of.heavy(_acknowledge, stored, of)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job.to_json()


def _acknowledge(stored: list[Stored], of: Services) -> Job:
    of.jobs.require_room()
    return of.jobs.create(stored)


@router.delete("/items/{id}", status_code=204, response_class=Response)
async def remove(id: ItemId, of: In) -> Response:
    """Take the file that the item is in out of the collection, with all its items.

    A file that was uploaded is deleted; files that were added from the server's disk stay where they are.
    """
    await of.heavy(of.jobs.remove, id)
    return Response(status_code=204)

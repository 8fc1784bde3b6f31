"""POST /v1/search, POST /v1/ask"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import StreamingResponse

from bowerbird.items import Query
from bowerbird.pipeline.results import Answer, Results
from bowerbird.server.present import citation_json, hit_json
from bowerbird.server.problems import Refused, documented, told
from bowerbird.server.queries import Medium, ask_query, search_query
from bowerbird.server.schemas import AskRequest, SearchReply, SearchRequest
from bowerbird.server.searches import Way
from bowerbird.server.services import In, Services

router = APIRouter(prefix="/v1", tags=["search"], responses=documented(400, 401, 403, 408, 413, 422, 429, 503))
MEDIA: dict[str, Medium] = {"images": "image", "audio": "audio", "video": "video"}
LISTS = ("items", "modalities")


def _search_body() -> dict[str, Any]:
    """The two forms of a search in OpenAPI."""
    fields = SearchRequest.model_json_schema()
    files = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {**fields, "properties": {**fields["properties"], **dict.fromkeys(MEDIA, files)}}
    form["example"] = {"text": "but in red", "k": 5}
    content = {"application/json": {"schema": fields}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/search",
    response_model=SearchReply,
    response_model_exclude_unset=True,
    responses=documented(404, 415),
    openapi_extra=_search_body(),
)
async def search(request: Request, of: In) -> dict[str, Any]:
    """Find items by words, pictures, sounds, clips, stored items, or any mix of them.

    As JSON, media are base64 or data: URLs; as a form, they are files.
    """
    asked, media = await _read_search(request, of)
    query = await of.work(search_query, asked, media, of.served)
    version, results = await of.search(Way(asked.k, asked.pipeline, asked.group), query)
    return await of.work(_reply, asked, version, results, of)


async def _read_search(request: Request, of: Services) -> tuple[SearchRequest, list[tuple[Medium, bytes]]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return SearchRequest.model_validate_json(await request.body()), []
    if kind != "multipart/form-data":
        raise Refused(415, "send application/json or multipart/form-data")
    async with request.form(max_files=of.limits.query_media, max_fields=100) as form:
        media = [
            (MEDIA[name], await file.read())
            for name, file in form.multi_items()
            if name in MEDIA and isinstance(file, UploadFile)
        ]
        words: dict[str, Any] = {name: value for name, value in form.items() if isinstance(value, str)}
        words |= {name: [str(one) for one in form.getlist(name)] for name in LISTS if name in form}
    return SearchRequest.model_validate({name: value for name, value in words.items() if name not in MEDIA}), media


def _reply(asked: SearchRequest, version: int, results: Results, of: Services) -> dict[str, Any]:
    return {
        "query": asked.text,
        "took_ms": round(results.took_ms, 1),
        "version": version,
        "hits": [hit_json(hit, of.served) for hit in results.hits],
    }


EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`token` events with pieces of the text, a `citation` event per source that the text cites as "
        "[n], and a `done` event; or an `error` event with a problem.",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "required": ["event", "data"],
                    "properties": {
                        "event": {"enum": ["token", "citation", "done", "error"]},
                        "data": {"type": "string", "contentMediaType": "application/json"},
                    },
                },
                "example": 'event: token\ndata: {"text": "Bake it for 45 minutes [1]."}\n\n'
                'event: citation\ndata: {"n": 1, "id": "0f3a9c51d2b4e6708192a3b4", "quote": "Bake for 45 minutes."}\n\n'
                'event: done\ndata: {"supported": true, "model": null, "answer": "Bake it for 45 minutes [1]."}\n\n',
            }
        },
    }
}


@router.post("/ask", response_class=StreamingResponse, responses={**EVENTS, **documented(502)})
async def ask(asked: AskRequest, of: In) -> StreamingResponse:
    """Answer a question from the collection, streamed as server-sent events.

    Without a language model the best supporting sentences are quoted. Where the collection holds no answer,
    `supported` is false.
    """
    query = await of.work(ask_query, asked, of.served)
    return StreamingResponse(_events(query, asked.k, of), media_type="text/event-stream")


class _Left(Exception):
    """The client has gone."""


async def _events(query: Query, k: int, of: Services) -> AsyncIterator[str]:
    """The answer as it comes. A client that goes stops the model at its next word."""
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()
    left = False

    def show(text: str) -> None:
        if left:
            raise _Left
        loop.call_soon_threadsafe(pieces.put_nowait, text)

    async def answered() -> Answer:
        try:
            return await of.answers(of.served.ask, query, k, show)
        finally:
            pieces.put_nowait(None)

    task = asyncio.create_task(answered())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks, if the client has gone
    try:
        while (piece := await pieces.get()) is not None:
            yield event("token", {"text": piece})
        answer = await task
    except Exception as error:
        refused = told(error)
        detail = of.served.names.clean(refused.detail)
        yield event("error", {"title": "the answer broke off", "status": refused.status, "detail": detail})
        return
    finally:
        left = True
    for citation in answer.citations:
        yield event("citation", citation_json(citation, of.served))
    yield event("done", {"supported": answer.supported, "model": answer.model, "answer": answer.text})


def event(name: str, data: dict[str, Any]) -> str:
    """One server-sent event; JSON keeps the data on one line."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"

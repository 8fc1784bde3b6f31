"""Errors as problem details (RFC 9457): what went wrong, in a form that programs and people read."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from bowerbird.errors import BowerbirdError, ChatError, CollectionError, LockedError, MissingExtra

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 1000
RETRY_SECONDS = 5
log = logging.getLogger("bowerbird.server")


class Problem(BaseModel):
    """RFC 9457. `type` is always about:blank: `title` says the kind of the problem, `detail` what to do."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str

    model_config = {
        "json_schema_extra": {
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "no item '0f3a': ids come from a search",
            }
        }
    }


class Refused(Exception):
    """A request that is answered with a problem. retry: seconds after which it may be sent again."""

    def __init__(self, status: int, detail: str, retry: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry = status, detail, retry


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """ASCII JSON, so that whatever a client sent can be quoted in it."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail[:MAX_DETAIL]}
    return Response(json.dumps(body), status, dict(headers or {}), MEDIA_TYPE)


def as_problem(error: Exception, clean: Callable[[str], str] = str) -> Response:
    """Any error as a response; those that are nobody's fault but ours say nothing of the inside.

    clean: takes paths of the disk out of what it says.
    """
    refused = told(error)
    headers = {} if refused.retry is None else {"Retry-After": str(refused.retry)}
    return problem(refused.status, clean(refused.detail), headers)


def told(error: Exception) -> Refused:
    """What a client is told of an error. The log has the whole of what is not the client's fault."""
    refused = refusal(error)
    if refused is None or isinstance(error, ChatError):
        log.error("a request failed", exc_info=error)
    return refused or Refused(500, "the server failed at this request; its log says why")


def refusal(error: Exception) -> Refused | None:
    """What an error means to a client; None for a defect."""
    match error:
        case Refused():
            return error
        case LockedError():
            return Refused(503, "another process is writing to the collection; try again", RETRY_SECONDS)
        case ChatError():
            return Refused(502, "the language model did not answer; the server's log says why")
        case MissingExtra():
            return Refused(501, str(error))
        case CollectionError():
            return None
        case BowerbirdError():
            return Refused(422, str(error))
    return None


def said(errors: list[Any]) -> str:
    """pydantic's complaints in one line."""
    lines = [f"{'.'.join(str(step) for step in error['loc'])}: {error['msg']}" for error in errors[:5]]
    return "; ".join(lines)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""

    async def refused(request: Request, error: Exception) -> Response:
        return as_problem(error, request.app.state.services.served.names.clean)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError | ValidationError)
        return problem(422, said(list(error.errors())))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), error.headers)

    async def gone(request: Request, error: Exception) -> Response:
        return problem(400, "the request broke off")

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(BowerbirdError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, refused)


RETRY = {"Retry-After": {"description": "Seconds until it may be sent again.", "schema": {"type": "integer"}}}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems as OpenAPI shows them."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": content,
            **({"headers": RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }

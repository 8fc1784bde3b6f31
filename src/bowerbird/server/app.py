"""The application: routes, guards and what they work with, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bowerbird import __version__
from bowerbird.server import problems
from bowerbird.server.guard import Access, Guard
from bowerbird.server.jobs import Jobs
from bowerbird.server.limits import Limits
from bowerbird.server.metrics import Measured, Metrics
from bowerbird.server.page import router as page
from bowerbird.server.routes import collection, items, models
from bowerbird.server.routes import search as search_routes
from bowerbird.server.searches import searches
from bowerbird.server.served import open_served
from bowerbird.server.services import Services
from bowerbird.server.uploads import Uploads
from bowerbird.server.work import Work

if TYPE_CHECKING:
    from bowerbird.chat import Chat

UPLOAD_PATHS = frozenset({"/v1/items"})
ABOUT = """Search a collection of text, pictures, PDF pages, tables, sound and film with any mix of words and media.

Errors are problem details (RFC 9457). A busy server answers 429 with Retry-After."""
TOKEN = {"type": "http", "scheme": "bearer", "description": "BOWERBIRD_TOKEN of the server, where it has one."}
HEAVY_WAITING = 64


def create_app(
    folder: Path, *, access: Access | None = None, limits: Limits | None = None, chat: Chat | None = None
) -> FastAPI:
    """A server of the library in a folder, which is opened when the application starts."""
    limits = limits or Limits()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.services = started = start(folder, limits, metrics, chat)
        try:
            yield
        finally:
            stop(started)

    app = FastAPI(
        title="bowerbird",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for router in (page, search_routes.router, items.router, collection.router, models.router):
        app.include_router(router)
    problems.install(app)
    app.add_middleware(Measured, metrics=metrics)
    app.add_middleware(Guard, access=access or Access(), limits=limits, upload_paths=UPLOAD_PATHS)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def start(folder: Path, limits: Limits, metrics: Metrics, chat: Chat | None) -> Services:
    """Open the library; go on with uploads that an earlier server acknowledged."""
    served = open_served(folder, limits, chat)
    uploads = Uploads(served.folder, limits.free_disk)
    search = searches(served, limits)
    work = Work("work", limits.threads, limits.waiting, limits.answer_seconds)
    answers = Work("answer", limits.answers, limits.waiting, limits.model_seconds)
    heavy = Work("heavy", limits.threads, HEAVY_WAITING, limits.answer_seconds)
    jobs = Jobs(served, uploads)
    metrics.gauge("items", "Items that searches see.", lambda: float(len(served.reader.snapshot)))
    metrics.gauge("waiting_jobs", "Uploads that wait to be indexed.", lambda: float(jobs.waiting))
    metrics.gauge("pending_work", "Requests that wait or run.", lambda: float(work.pending))
    metrics.gauge("pending_searches", "Searches that wait, and batches that run.", lambda: float(search.pending))
    return Services(served, limits, uploads, jobs, metrics, search, work, answers, heavy)


def stop(services: Services) -> None:
    """End at a point from which the next start goes on."""
    services.jobs.stop()
    for work in (services.search, services.work, services.answers, services.heavy):
        work.stop()
    services.served.stop()


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description, with problems for errors in place of its own form."""
    if not app.openapi_schema:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = problems.Problem.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        found["components"]["securitySchemes"] = {"token": TOKEN}
        found["security"] = [{}, {"token": []}]
        app.openapi_schema = found
    return app.openapi_schema

"""/v1/collections, /v1/jobs, /healthz, /metrics"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from bowerbird import __version__
from bowerbird.server import schemas
from bowerbird.server.pipelines import available
from bowerbird.server.problems import documented
from bowerbird.server.services import In

METRICS = 'bowerbird_requests_total{method="POST",route="/v1/search",status="200"} 12.0\n'
router = APIRouter(tags=["collection"], responses=documented(400, 401, 403))


@router.get("/v1/collections", response_model=schemas.Collections, responses=documented(429, 503))
async def collections(of: In) -> dict[str, Any]:
    """The collection that is served: its size, its encoders, its pipelines."""
    about = await of.work(of.served.about)
    limits = {"upload": of.limits.upload, "query": of.limits.query_body}
    return {"collections": [{**about, "pipelines": available(of.served.reader.snapshot), "limits": limits}]}


@router.get("/v1/jobs/{id}", response_model=schemas.Job, responses=documented(404, 422))
async def job(id: Annotated[str, Path(pattern="^[0-9a-f]{12}$", examples=["8c1f03b7a2de"])], of: In) -> dict[str, Any]:
    """How far an upload has come."""
    return of.jobs.get(id).to_json()


@router.get("/healthz", response_model=schemas.Health)
async def healthz(of: In) -> dict[str, Any]:
    """Whether the server answers. Needs no token."""
    return {"status": "ok", "version": __version__}


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": METRICS}}}},
)
async def metrics(of: In) -> Response:
    """Counters in the format of Prometheus."""
    return Response(generate_latest(of.metrics.registry), media_type=CONTENT_TYPE_LATEST)

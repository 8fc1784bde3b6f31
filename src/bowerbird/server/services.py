"""What the routes work with, and how they get at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from bowerbird.server.jobs import Jobs
from bowerbird.server.limits import Limits
from bowerbird.server.metrics import Metrics
from bowerbird.server.searches import Searches
from bowerbird.server.served import Served
from bowerbird.server.uploads import Uploads
from bowerbird.server.work import Work


@dataclass(frozen=True)
class Services:
    """Of one application; started and stopped with it (app.py)."""

    served: Served
    limits: Limits
    uploads: Uploads
    jobs: Jobs
    metrics: Metrics
    search: Searches
    work: Work
    """Reading of queries, and look-ups."""
    answers: Work
    """Answers, which may wait long for a language model."""
    heavy: Work
    """Pages to draw, files to store: slow work that must not stand before searches."""


async def services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


In: TypeAlias = Annotated[Services, Depends(services)]

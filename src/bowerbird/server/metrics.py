"""Counters for Prometheus: requests, their time, what waits, what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """One registry per application. Requests are labelled by route, never by path: ids would be without end."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route")
        self.requests = Counter("bowerbird_requests", "Requests answered.", (*labels, "status"), registry=self.registry)
        self.seconds = Histogram(
            "bowerbird_request_seconds",
            "Time to the end of the reply.",
            labels,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.open = Gauge("bowerbird_open_requests", "Requests being answered.", registry=self.registry)
        ProcessCollector(registry=self.registry)

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A number that is looked up when it is asked for."""
        Gauge(f"bowerbird_{name}", about, registry=self.registry).set_function(value)


class Measured:
    """ASGI middleware that counts every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with self._metrics.open.track_inprogress():
                await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD") else "other"
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.seconds.labels(method, route).observe(time.perf_counter() - started)

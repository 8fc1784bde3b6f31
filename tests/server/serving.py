"""Starts a server as a process on a free port of loopback, and ends it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds that are waited for what must happen: a slow machine is no defect."""
ADDRESS = re.compile(r" on (http://\S+?)/\s*$")


@dataclass(frozen=True)
class Server:
    url: str
    process: subprocess.Popen[str]

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, **options)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@contextmanager
def serving(
    library: Path,
    *options: str,
    module: str = "bowerbird.cli",
    before: Sequence[str] = ("serve",),
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """`python -m MODULE BEFORE LIBRARY --port 0 OPTIONS`, until the block ends."""
    command = [sys.executable, "-m", module, *before, str(library), "--port", "0", *options]
    with started(command, ROOT, env) as server:
        yield server


@contextmanager
def started(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A command that serves, from the moment it answers until the block ends."""
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    ) as it:
        try:
            assert it.stderr is not None
            line = it.stderr.readline()
            match = ADDRESS.search(line)
            assert match, line + it.stderr.read()
            wait_until_ready(match[1])
            yield Server(match[1], it)
        finally:
            it.terminate()
            try:
                it.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                it.kill()
                raise


def wait_until_ready(url: str) -> None:
    """The port is open before the library is."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/healthz", timeout=PATIENCE)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def upload(client: httpx.Client, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The acknowledged job."""
    reply = client.post("/v1/items", files=[("files", (name, content)) for name, content in files.items()])
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    return job


def finished(client: httpx.Client, name: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """A job once it is done."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/v1/jobs/{name}").json()
        if job["state"] == "done":
            return job
        time.sleep(0.1)
    raise AssertionError(f"job {name} is not done: {job}")


def found(client: httpx.Client, text: str, **options: Any) -> list[dict[str, Any]]:
    """The hits of a search."""
    reply = client.post("/v1/search", json={"text": text, **options})
    assert reply.status_code == 200, reply.text
    hits: list[dict[str, Any]] = reply.json()["hits"]
    return hits

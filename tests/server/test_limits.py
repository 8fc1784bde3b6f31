"""Slow, large and crowded: what a server gives up, refuses, and tells to come back."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image as pil

import bowerbird
from bowerbird.collection.workers import Settings
from bowerbird.server.jobs import Jobs
from bowerbird.server.limits import Limits
from bowerbird.server.problems import Refused
from bowerbird.server.served import open_served
from bowerbird.server.uploads import Stored, Uploads
from bowerbird.server.work import Work
from tests.server.serving import PATIENCE, ROOT, Server, found, serving
from tests.server.test_rest import PHOTO, problem, short_film

SLOW = 3
POST = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"


@pytest.fixture(scope="module")
def limited(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose limits a test can reach, with a picture of 27 MB."""
    folder = tmp_path_factory.mktemp("limited")
    copy = Path(shutil.copytree(library, folder / "library"))
    pil.new("RGB", (3000, 3000), "teal").save(folder / "large.bmp")
    bowerbird.open(copy).collection.add([folder / "large.bmp"], settings=Settings(ocr=False, speech=False))
    settings = (
        f"head_seconds={SLOW},body_seconds={SLOW},send_seconds={SLOW},query_body=200000,upload=50000,threads=1,"
        "waiting=0,pixels=10000,media_seconds=2"
    )
    with serving(copy, settings, module="tests.server.limited", before=()) as running:
        yield running


def test_slow_and_broken_clients_are_given_up(limited: Server) -> None:
    slow = (half_a_head, half_a_body, a_trickle, no_appetite)
    with ThreadPoolExecutor(len(slow)) as pool:
        for given_up in [pool.submit(client, limited) for client in slow]:
            given_up.result()
    with socket.create_connection(("127.0.0.1", limited.port), PATIENCE) as link:
        link.sendall(POST + b'\r\n{"te')  # and the client goes
    with limited.client() as client:
        assert found(client, "salmon")


def half_a_head(server: Server) -> None:
    assert until_closed(server, b"GET /healthz HTTP/1.1\r\nHost: local") == b""


def half_a_body(server: Server) -> None:
    assert b" 408 " in until_closed(server, POST + b'\r\n{"text"')


def until_closed(server: Server, sent: bytes) -> bytes:
    """What comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as link:
        link.sendall(sent)
        return b"".join(iter(lambda: link.recv(65536), b""))


def a_trickle(server: Server) -> None:
    """A byte every now and then, never a pause that is too long by itself."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as link:
        link.sendall(POST + b"\r\n{")
        link.settimeout(0.3)
        for _ in range(90):
            try:
                link.sendall(b" ")
                assert b" 408 " in link.recv(65536)
                return
            except TimeoutError:
                continue
    raise AssertionError("the whole body was waited for")


def no_appetite(server: Server) -> None:
    """Asks for a large file and takes nothing of it; the server neither waits nor keeps it."""
    with server.client() as client, socket.socket() as link:
        listed = client.get("/v1/items").json()["files"]
        large = next(file for file in listed if file["source"].endswith("large.bmp"))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        link.connect(("127.0.0.1", server.port))
        link.sendall(f"GET /v1/items/{large['id']}/media HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        route = 'bowerbird_request_seconds_count{method="GET",route="/v1/items/{id}/media"}'
        wait_for_metric(client, f"{route} 1.0")
        link.settimeout(PATIENCE)
        taken = 0
        try:
            while block := link.recv(1 << 20):
                taken += len(block)
        except ConnectionResetError:
            pass
        assert taken < large["size"]


def wait_for_metric(client: httpx.Client, line: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while line not in (metrics := client.get("/metrics").text):
        assert time.monotonic() < deadline, metrics
        time.sleep(0.05)


def test_what_is_too_large_is_refused(limited: Server) -> None:
    with limited.client() as client:
        problem(client.post("/v1/search", json={"images": ["A" * 300_000]}), 413)
        problem(client.post("/v1/items", files={"files": ("big.txt", b"x" * 60_000)}), 413)
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.txt"\r\n\r\n'
        chunks = (part + b"x" * 10_000 if n == 0 else b"x" * 10_000 for n in range(10))  # no Content-Length
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        problem(client.post("/v1/items", content=chunks, headers=kind), 413)
        assert not any("big" in file["source"] for file in client.get("/v1/items").json()["files"])
        photo, film = {"images": PHOTO.read_bytes()}, {"video": short_film(PHOTO, seconds=3)}
        assert "the limit is 10,000" in problem(client.post("/v1/search", files=photo), 422)
        assert "the limit is 2 s" in problem(client.post("/v1/search", files=film), 422)


def test_a_busy_server_tells_to_come_back(limited: Server) -> None:
    films = [("video", short_film(PHOTO))] * 6  # each is read in a process of its own
    with limited.client() as client, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(httpx.post, f"{limited.url}/v1/search", files=films, timeout=PATIENCE)
        wait_for_metric(client, "bowerbird_pending_work 1.0")
        refused = client.post("/v1/search", json={"text": "heart"})
        problem(refused, 429)
        assert refused.headers["retry-after"] == "1"
        assert busy.result().status_code == 200
        wait_for_metric(client, "bowerbird_pending_work 0.0")
        assert found(client, "heart")


def test_work_that_takes_too_long_is_given_up_and_keeps_its_place() -> None:
    async def crowd() -> None:
        work, go = Work("test", threads=1, waiting=0, seconds=0.01), threading.Event()
        with pytest.raises(Refused, match="longer than") as late:
            await work(go.wait)
        with pytest.raises(Refused, match="busy") as full:
            await work(go.wait)
        assert (late.value.status, full.value.status) == (503, 429)
        go.set()
        while work.pending:
            await asyncio.sleep(0.01)
        patient = Work("test", threads=1, waiting=0, seconds=PATIENCE)
        assert await patient(lambda: 7) == 7

    asyncio.run(crowd())


def test_uploads_beyond_those_that_may_wait_are_refused(copy: Path) -> None:
    served = open_served(copy, Limits(jobs=1))
    uploads = Uploads(served.folder, free_disk=0)
    jobs = Jobs(served, uploads)
    try:
        with jobs.writing:  # as while another run is at it
            first = jobs.create([stored(uploads, "one.txt")])
            deadline = time.monotonic() + PATIENCE
            while jobs.get(first.id).state != "running" and time.monotonic() < deadline:
                time.sleep(0.01)
            jobs.require_room()
            jobs.create([stored(uploads, "two.txt")])
            with pytest.raises(Refused, match="too many uploads") as full:
                jobs.require_room()
            assert (full.value.status, full.value.retry) == (429, 10)
    finally:
        jobs.stop()
        served.stop()


def stored(uploads: Uploads, name: str) -> Stored:
    with (ROOT / "LICENSE").open("rb") as content:
        return uploads.store(name, content)


def test_uploads_leave_some_of_the_disk_free(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, free_disk=1 << 60)
    with pytest.raises(Refused, match="disk is full") as full:
        stored(uploads, "one.txt")
    assert full.value.status == 507
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

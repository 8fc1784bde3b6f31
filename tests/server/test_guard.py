"""Who may ask, and what slow, large and lying requests get."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from bowerbird.errors import BowerbirdError
from bowerbird.server.guard import Access
from bowerbird.server.run import access_for
from tests.server.serving import Server, found, serving
from tests.server.test_rest import problem

Limited = Callable[..., AbstractContextManager[Server]]
TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("host", "known"),
    [("localhost:80", True), ("127.0.0.1", True), ("[::1]:9", True), ("LOCALHOST.", True), ("evil.example", False),
     ("127.0.0.1.evil.example", False), ("192.168.1.1", False), ("", False), ("localhost:80@evil", False),
     ("localhost/../evil", False), ("shelf.example.org:8", True)],
)  # fmt: skip
def test_hosts(host: str, known: bool) -> None:
    assert Access(hosts=frozenset({"shelf.example.org"})).knows(host) is known


def test_a_server_on_all_addresses_takes_addresses_but_no_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOWERBIRD_TOKEN", TOKEN)
    access = access_for("0.0.0.0")
    assert access.knows("192.168.1.1:8756")
    assert not access.knows("evil.example")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "shelf.example.org"])
def test_a_server_that_others_can_reach_needs_a_token(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOWERBIRD_TOKEN", raising=False)
    assert access_for("127.0.0.1").token == ""
    with pytest.raises(BowerbirdError, match="BOWERBIRD_TOKEN"):
        access_for(host)
    monkeypatch.setenv("BOWERBIRD_TOKEN", "short")
    with pytest.raises(BowerbirdError, match="shorter than 16"):
        access_for(host)
    assert TOKEN not in repr(Access(TOKEN))


def test_requests_from_other_pages_are_refused(server: Server) -> None:
    ours = server.url.removeprefix("http://")
    with server.client() as client:
        assert client.get("/v1/collections", headers={"Origin": f"http://{ours}"}).status_code == 200
        problem(client.get("/v1/collections", headers={"Host": "rebound.example"}), 400)
        for origin in ("http://evil.example", "null", f"http://{ours}.evil.example", "http://localhost:1"):
            problem(client.post("/v1/search", json={"text": "x"}, headers={"Origin": origin}), 403)
        problem(client.get("/v1/collections", headers={"Sec-Fetch-Site": "cross-site"}), 403)
        reply = client.get("/v1/collections")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in reply.headers["content-security-policy"]
        assert "access-control-allow-origin" not in reply.headers


def test_a_token_is_asked_for(copy: Path) -> None:
    with serving(copy, env={"BOWERBIRD_TOKEN": TOKEN}) as server, server.client() as client:
        assert client.get("/healthz").status_code == 200
        basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
        for right in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {basic}"):
            assert client.get("/v1/collections", headers={"Authorization": right}).status_code == 200
        for wrong in ("", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Basic %%", "Bearer é"):
            refused = client.get("/v1/collections", headers={"Authorization": wrong.encode()})
            problem(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Basic")
        problem(client.get("/metrics"), 401)


@pytest.mark.parametrize(
    "path",
    ["/v1/items/../../../etc/passwd", "/v1/items/..%2f..%2fetc%2fpasswd/media", "/page/..%2f..%2fapp.py",
     "/page/%2e%2e/app.py", "//etc/passwd", "/v1/items/%00/media", "/v1/items/file:%2f%2f%2fetc%2fpasswd/media",
     "/page/run.py", "/v1/jobs/..%2f..%2flibrary"],
)  # fmt: skip
def test_traversal_finds_nothing(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        reply = b"".join(iter(lambda: link.recv(65536), b""))
    assert reply.split()[1] in (b"404", b"422"), reply[:200]
    assert b"root:" not in reply
    assert b"import" not in reply


def test_files_that_changed_or_became_links_are_not_sent(copy: Path, tmp_path: Path) -> None:
    import bowerbird

    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for name in ("kept", "changed", "linked", "moved/inside"):
        (shelf / f"{name}.txt").parent.mkdir(exist_ok=True)
        (shelf / f"{name}.txt").write_text(f"Penguins are {name}.")
    bowerbird.open(copy).add(shelf)
    with serving(copy) as server, server.client() as client:
        hits = {hit["title"]: hit["links"]["media"] for hit in found(client, "penguins are", k=50)}
        (shelf / "changed.txt").write_text("a secret")
        (tmp_path / "secret.txt").write_text("Penguins are linked.")
        (shelf / "linked.txt").unlink()
        (shelf / "linked.txt").symlink_to(tmp_path / "secret.txt")
        (shelf / "moved").rename(tmp_path / "elsewhere")
        (shelf / "moved").symlink_to(tmp_path / "elsewhere")
        assert client.get(hits["kept.txt"]).text == "Penguins are kept."
        for name in ("changed.txt", "linked.txt", "inside.txt"):
            assert "gone or has changed" in problem(client.get(hits[name]), 404)


def test_slow_and_broken_requests_are_given_up(limited: Limited) -> None:
    with limited(head_seconds=1, body_seconds=1) as server:
        assert closed_within(server, b"GET /healthz HTTP/1.1\r\nHost: local", 5) == b""
        post = (
            b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"
        )
        assert b" 408 " in closed_within(server, post + b'\r\n{"text"', 5)
        trickled = trickle(server, post + b"\r\n{", 5)
        assert b" 408 " in trickled
        with socket.create_connection(("127.0.0.1", server.port), 10) as link:
            link.sendall(post + b'\r\n{"te')  # and the client goes
        with server.client() as client:
            assert found(client, "salmon")


def closed_within(server: Server, sent: bytes, seconds: float) -> bytes:
    """What comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), seconds) as link:
        link.sendall(sent)
        return b"".join(iter(lambda: link.recv(65536), b""))


def trickle(server: Server, head: bytes, seconds: float) -> bytes:
    """A byte every now and then, never a pause that is too long by itself."""
    with socket.create_connection(("127.0.0.1", server.port), seconds) as link:
        link.sendall(head)
        link.settimeout(0.3)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                link.sendall(b" ")
                if reply := link.recv(65536):
                    return reply
            except TimeoutError:
                continue
        return b""


def test_limits_of_size_and_back_pressure(limited: Limited) -> None:
    with limited(query_body=20_000, upload=50_000, threads=1, waiting=1, pixels=10_000) as server:
        with server.client() as client:
            problem(client.post("/v1/search", json={"images": ["A" * 30_000]}), 413)
            problem(client.post("/v1/items", files={"files": ("big.txt", b"x" * 60_000)}), 413)
            part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="big.txt"\r\n\r\n'
            chunks = (part + b"x" * 10_000 if n == 0 else b"x" * 10_000 for n in range(10))  # no Content-Length
            kind = {"Content-Type": "multipart/form-data; boundary=x"}
            problem(client.post("/v1/items", content=chunks, headers=kind), 413)
            assert not any("big" in file["source"] for file in client.get("/v1/items").json()["files"])
        replies = crowd(server, 12)
        assert {reply.status_code for reply in replies} == {200, 429}
        refused = next(reply for reply in replies if reply.status_code == 429)
        assert refused.headers["retry-after"] == "1"
        problem(refused, 429)


def crowd(server: Server, count: int) -> list[httpx.Response]:
    """Searches at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(httpx.post, f"{server.url}/v1/search", json={"text": f"heart {n}"}, timeout=60)
                 for n in range(count)]  # fmt: skip
        return [one.result() for one in asked]

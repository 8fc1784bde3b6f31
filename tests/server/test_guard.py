"""Who may ask, and what lying requests get."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import bowerbird
from bowerbird.errors import BowerbirdError
from bowerbird.server.guard import Access
from bowerbird.server.names import encoder_name
from bowerbird.server.run import access_for
from tests.server.serving import Server, found, serving
from tests.server.test_rest import problem, read_events

TOKEN = "a-token-of-some-length"
ABSENT = "http://127.0.0.1:9"


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


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that change while they are served."""
    folder = tmp_path_factory.mktemp("guarded") / "shelf"
    for name in ("kept", "changed", "linked", "moved/inside"):
        (folder / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(f"Penguins are {name}.")
    return folder


@pytest.fixture(scope="module")
def guarded(shelf: Path) -> Iterator[Server]:
    """A server that asks for a token, and whose language model is not there."""
    bowerbird.open(shelf.parent / "library").add(shelf)
    model = ("--chat", f"{ABSENT}/v1", "--model", "absent")
    with serving(shelf.parent / "library", *model, env={"BOWERBIRD_TOKEN": TOKEN}) as running:
        yield running


def test_a_token_is_asked_for(guarded: Server) -> None:
    with guarded.client() as client:
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


def test_a_language_model_that_is_not_there_ends_an_answer_with_a_problem(guarded: Server) -> None:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.get("/v1/collections").json()["collections"][0]["can_answer"]
        reply = client.post("/v1/ask", json={"question": "Which penguins are kept?"})
        ((name, said),) = read_events(iter(reply.text.splitlines()))
        assert (name, said["status"]) == ("error", 502)
        assert ABSENT not in reply.text


@pytest.mark.parametrize(
    ("spec", "shown"),
    [("e5", "e5"), ("http:http://10.0.0.7:8080/v1#bge-m3", "http:bge-m3"),
     ("clip:openai/clip-vit-base-patch32", "clip:openai/clip-vit-base-patch32")],
)  # fmt: skip
def test_encoders_are_named_without_their_place(spec: str, shown: str, tmp_path: Path) -> None:
    assert encoder_name(spec) == shown
    (tmp_path / "tuned").mkdir()
    assert encoder_name(f"clip:{tmp_path}/tuned/") == "clip:tuned"


def test_files_that_changed_or_became_links_are_not_sent(guarded: Server, shelf: Path) -> None:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        hits = {hit["title"]: hit["links"]["media"] for hit in found(client, "penguins are", k=50)}
        (shelf / "changed.txt").write_text("a secret")
        (shelf.parent / "secret.txt").write_text("Penguins are linked.")
        (shelf / "linked.txt").unlink()
        (shelf / "linked.txt").symlink_to(shelf.parent / "secret.txt")
        (shelf / "moved").rename(shelf.parent / "elsewhere")
        (shelf / "moved").symlink_to(shelf.parent / "elsewhere")
        assert client.get(hits["kept.txt"]).text == "Penguins are kept."
        for name in ("changed.txt", "linked.txt", "inside.txt"):
            assert "gone or has changed" in problem(client.get(hits[name]), 404)

"""Uploads: hostile files cost themselves only, and what was acknowledged outlives any end of the server."""

from __future__ import annotations

import io
import json
import signal
import socket
import threading
import time
import zipfile
import zlib
from pathlib import Path

import httpx
import pytest
from PIL import Image as pil

import bowerbird
from bowerbird.server.uploads import safe_name
from tests.server.conftest import no_path_of_the_disk
from tests.server.serving import PATIENCE, ROOT, Server, finished, found, serving, upload
from tests.server.test_rest import problem

PHOTO = (ROOT / "examples" / "photos" / "photo-02.jpg").read_bytes()


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def huge_png() -> bytes:
    """A few kilobytes that say they are 60,000 x 60,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = zlib.compress(bytes(180_001) * 8)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


HOSTILE = {
    "truncated.jpg": PHOTO[: len(PHOTO) // 3],
    "truncated.pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog",
    "zip-bomb.zip": zip_of({"zeros.txt": bytes(60 << 20)}),
    "decompression-bomb.png": huge_png(),
    "svg-bomb.svg": b'<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;</svg>'
    + b"<g>" * 20_000,
    "noise.bin": bytes(range(256)) * 40,
}
POLYGLOTS = {
    "picture.jpg": PHOTO + zip_of({"x.html": b"<script>alert(1)</script>"}),
    "page.html": b"<!doctype html><title>Polyglot</title><p>Ostriches run.<script>alert(1)</script>",
}


def test_hostile_files_fail_alone_with_a_reason(server: Server) -> None:
    with server.client() as client:
        job = upload(client, {**HOSTILE, "good.txt": b"Ostriches bury their heads."})
        done = finished(client, job["id"])
        states = {file["name"]: file["state"] for file in done["files"]}
        assert states == {**dict.fromkeys(HOSTILE, "failed"), "good.txt": "stored"}
        assert all(file["reason"] for file in done["files"] if file["state"] == "failed")
        assert no_path_of_the_disk(json.dumps(done))
        listed = {file["source"] for file in client.get("/v1/items", params={"limit": 1000}).json()["files"]}
        assert {file["name"] for file in done["files"] if file["source"] in listed} == {"good.txt"}
        assert found(client, "ostriches bury", k=1)[0]["title"] == "good.txt"


def test_polyglots_are_sent_as_what_they_are_and_run_nowhere(server: Server) -> None:
    with server.client() as client:
        done = finished(client, upload(client, POLYGLOTS)["id"])
        picture, page = (client.get(f"/v1/items/{file['item']}/media") for file in done["files"])
        assert (picture.headers["content-type"], picture.headers["content-disposition"]) == ("image/jpeg", "inline")
        assert page.headers["content-disposition"] == "attachment"
        for reply in (picture, page):
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in reply.headers["content-security-policy"]


def test_uploads_reach_no_file_but_themselves(server: Server, tmp_path: Path) -> None:
    """A page, a drawing and a playlist that name pictures and sounds of the server's disk get none of them."""
    own = {"secret.jpg": PHOTO, "secret.oga": (ROOT / "examples" / "sounds" / "bell.oga").read_bytes()}
    for name, content in own.items():
        (tmp_path / name).write_bytes(content)
    addresses = [f"{tmp_path}/secret.jpg", f"file://{tmp_path}/secret.jpg", "../../../secret.jpg", "//127.0.0.1/x.jpg"]
    pictures = "".join(f'<img src="{address}" alt="">' for address in addresses)
    drawn = "".join(f'<image href="{address}" width="90" height="90"/>' for address in addresses[:3])
    sent = {
        "reaching.html": f"<!doctype html><title>Reaching</title><p>Herons wade.{pictures}".encode(),
        "reaching.svg": f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 90">{drawn}</svg>'.encode(),
        "reaching.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/secret.oga\n#EXT-X-ENDLIST\n".encode(),
    }
    with server.client() as client:
        page, drawing, playlist = finished(client, upload(client, sent)["id"])["files"]
        assert page["items"] == 2  # the page and its passage: no figure
        assert pil.open(io.BytesIO(client.get(f"/v1/items/{drawing['item']}/page.png").content)).convert(
            "L"
        ).getextrema() == (255, 255)
        assert client.get(f"/v1/items/{playlist['item']}").json()["kind"] == "document"  # plain text, never played
        listed = client.get("/v1/items", params={"limit": 1000}).json()["files"]
        assert [file["items"] for file in listed if file["source"].endswith("reaching.m3u8")] == [2]


def test_hostile_pictures_and_clips_in_queries(server: Server) -> None:
    with server.client() as client:
        for name, says in (("decompression-bomb.png", "60000 x 60000"), ("truncated.pdf", "no readable picture"),
                           ("svg-bomb.svg", "no readable picture")):  # fmt: skip
            assert says in problem(client.post("/v1/search", files={"images": HOSTILE[name]}), 422)
        problem(client.post("/v1/search", files={"video": HOSTILE["noise.bin"]}), 422)
        playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
        problem(client.post("/v1/search", files={"audio": playlist}), 422)


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        (".ssh", "ssh"),
        ("..", "file"),
        ("", "file"),
        ("a\x00b\n<c>.txt", "a_b__c_.txt"),
        ("Übersicht 2024.pdf", "Übersicht 2024.pdf"),
        ("\ud800.txt", "_.txt"),
    ],
)
def test_names_are_harmless(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_long_names_fit_every_file_system(tmp_path: Path) -> None:
    for long in ("x" * 5000 + ".pdf", "漢" * 300 + ".pdf", "a." + "b" * 400):
        name = safe_name(long)
        (tmp_path / name).touch()
        assert name.endswith(".pdf") or long.startswith("a.")


def test_the_same_file_twice_is_one(server: Server) -> None:
    with server.client() as client:
        jobs = [upload(client, {"twin.txt": b"Flamingos stand on one leg."}) for _ in range(2)]
        first, second = (finished(client, job["id"])["files"][0] for job in jobs)
        assert (first["item"], first["source"]) == (second["item"], second["source"])
        assert client.delete(f"/v1/items/{first['item']}").status_code == 204


def test_kill_during_uploads_loses_nothing_acknowledged(copy: Path) -> None:
    acknowledged: dict[str, str] = {}
    with serving(copy) as server:

        def send(numbers: range) -> None:
            with server.client() as client:
                for number in numbers:
                    content = f"Letter {number} is about subject{number}.".encode() + b" " * 200_000
                    try:
                        job = upload(client, {f"{number}.txt": content})
                    except httpx.TransportError:
                        return
                    acknowledged[f"{number}.txt"] = job["id"]

        senders = [threading.Thread(target=send, args=(range(start, 200, 4),)) for start in range(4)]
        for sender in senders:
            sender.start()
        while len(acknowledged) < 12 and any(sender.is_alive() for sender in senders):
            senders[0].join(0.02)
        server.process.send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join()
    assert len(acknowledged) >= 12
    assert not bowerbird.open(copy).collection.verify().problems
    with serving(copy) as again, again.client() as client:
        for job in set(acknowledged.values()):
            assert [file["state"] for file in finished(client, job)["files"]] == ["stored"]
        listed = client.get("/v1/items", params={"limit": 1000}).json()["files"]
        names = [file["source"].rsplit("/", 1)[-1] for file in listed if file["source"].startswith("uploads/")]
        assert set(acknowledged) <= set(names)
        assert len(names) == len(set(names))
        assert found(client, "subject3", k=1, pipeline="words")[0]["title"] == "3.txt"
        assert not list((copy / "uploads" / ".incoming").iterdir())


def test_a_server_that_is_told_to_end_finishes_requests_and_journals_what_is_left(copy: Path) -> None:
    with serving(copy) as server, server.client() as client:
        content = {f"{number}.txt": f"Note {number} of thing{number}.".encode() for number in range(40)}
        job = upload(client, content)["id"]
        body = b'{"text": "salmon", "k": 1}'
        head = "POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as link:
            link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:9])
            while "bowerbird_open_requests 2.0" not in client.get("/metrics").text:  # that one, and this
                pass
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            link.sendall(body[9:])
            reply = b"".join(iter(lambda: link.recv(65536), b""))
        assert reply.startswith(b"HTTP/1.1 200 ")
        assert b"salmon.txt" in reply
        assert server.process.wait(PATIENCE) in (0, -signal.SIGTERM)
    with serving(copy) as again, again.client() as client:
        assert {file["state"] for file in finished(client, job)["files"]} == {"stored"}


def wait_until_refused(server: Server) -> None:
    """Until the server takes no more connections."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), PATIENCE).close()
            time.sleep(0.02)
        except ConnectionRefusedError:
            return


def test_aborted_uploads_leave_nothing(server: Server) -> None:
    with server.client() as client:
        before = client.get("/v1/items").json()["total"]

        def broken() -> object:
            yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="half.txt"\r\n\r\nhalf of '
            raise RuntimeError("the client has gone")

        with pytest.raises(RuntimeError):
            client.post("/v1/items", content=broken(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        for body in (b"", b"--x", b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nno end'):
            problem(client.post("/v1/items", content=body,
                                headers={"Content-Type": "multipart/form-data; boundary=x"}), 422)  # fmt: skip
        assert client.get("/v1/items").json()["total"] == before

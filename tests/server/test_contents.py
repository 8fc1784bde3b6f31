"""What the page asks for beside searches: what a file holds, covers, loudness, excerpts of tables, its own files."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from bowerbird.server.waveform import window
from tests.server.serving import Server, found


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as one:
        yield one


def test_pages_of_a_file_in_order_with_the_asked_one_among_them(client: httpx.Client) -> None:
    second = found(client, "blood returns through veins", k=1)[0]
    held = client.get(f"/v1/items/{second['best']}/contents").json()
    assert (held["source"], held["total"], held["position"]) == ("heart.pdf", 2, 1)
    assert [(one["kind"], one["locator"]["page"]) for one in held["entries"]] == [("page", 1), ("page", 2)]
    assert client.get(held["entries"][0]["thumbnail"]).headers["content-type"] == "image/webp"
    one = client.get(f"/v1/items/{second['id']}/contents", params={"limit": 1}).json()
    assert (one["offset"], [entry["id"] for entry in one["entries"]]) == (1, [second["id"]])
    none = client.get(f"/v1/items/{second['id']}/contents", params={"offset": 9}).json()
    assert (none["total"], none["entries"]) == (2, [])


def test_a_picture_is_all_that_its_file_holds(client: httpx.Client) -> None:
    photo = client.get("/v1/items", params={"match": "PHOTO-01"}).json()["files"]
    assert [one["source"] for one in photo] == ["photo-01.jpg"]
    held = client.get(f"/v1/items/{photo[0]['id']}/contents").json()
    assert [one["id"] for one in held["entries"]] == [photo[0]["id"]]
    assert photo[0]["cover"] == f"/v1/items/{photo[0]['id']}/thumbnail"


def test_files_by_what_they_hold(client: httpx.Client) -> None:
    def held(expression: str) -> list[str]:
        reply = client.get("/v1/items", params={"filter": expression})
        assert reply.status_code == 200, reply.text
        return [one["source"] for one in reply.json()["files"]]

    assert held("modality = 'page'") == ["heart.pdf"]
    assert held("modality = 'table' and source ~ '*.csv'") == ["rain.csv"]
    assert held("page > 9") == []
    assert client.get("/v1/items", params={"filter": "pages = "}).status_code == 422


def test_passages_come_with_their_words_and_tables_with_their_rows(client: httpx.Client) -> None:
    fish = found(client, "salmon spawn", k=1)[0]
    held = client.get(f"/v1/items/{fish['id']}/contents").json()
    assert [one["text"] for one in held["entries"]] == [
        "Salmon swim upstream to spawn in the rivers where they were born."
    ]
    rain = next(hit for hit in found(client, "Lisbon rain", k=3) if hit["source"] == "rain.csv")
    assert rain["table"]["header"] == ["city", "rain in mm"]
    assert ["Lisbon", "690"] in rain["table"]["rows"]
    assert (rain["table"]["total"], rain["table"]["first"]) in [(2, 1), (2, 2)]


def test_loudness_of_a_recording(client: httpx.Client) -> None:
    bell = client.get("/v1/items", params={"match": "bell"}).json()["files"][0]
    (segment,) = client.get(f"/v1/items/{bell['id']}/contents").json()["entries"]
    drawn = client.get(f"/v1/items/{segment['id']}/waveform").json()
    assert drawn["start"] == 0
    assert 0.1 < drawn["end"] < 0.2
    assert (min(drawn["peaks"]), max(drawn["peaks"])) == (0, 1)
    photo = client.get("/v1/items", params={"match": "photo-01"}).json()["files"][0]
    assert client.get(f"/v1/items/{photo['id']}/waveform").status_code == 404


def test_of_a_long_recording_the_surroundings_of_the_moment_are_drawn() -> None:
    assert window(5, 8, 60) == (0, 60)
    assert window(4000, 4010, 7200) == (3985, 4025)
    start, end = window(4000, 6000, 7200)
    assert (start, end - start) == (3985, 180)
    assert window(7199, 7300, 7200) == (7184, 7200)


def test_files_of_the_page_are_kept_by_browsers_until_they_change(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("__init__.py", "..%2fapp.py", "nothing.js", "%2e%2e/app.py"):
        assert client.get(f"/page/{name}").status_code == 404

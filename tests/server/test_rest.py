"""Every endpoint, as clients use it, on a real server."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from openai import OpenAI, UnprocessableEntityError
from PIL import Image as pil

from tests.server.conftest import VALVES, no_path_of_the_disk
from tests.server.serving import PATIENCE, ROOT, Server, finished, found, upload

PHOTO = ROOT / "examples" / "photos" / "photo-01.jpg"


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as one:
        yield one


def problem(reply: httpx.Response, status: int) -> str:
    """The detail of a problem, which is what it should be."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert no_path_of_the_disk(reply.text)
    return str(body["detail"])


def test_search_by_words_finds_the_page_and_the_place_on_it(client: httpx.Client) -> None:
    hit = found(client, "valves of the heart", k=3)[0]
    assert (hit["source"], hit["kind"], hit["locator"]["page"]) == ("heart.pdf", "page", 1)
    assert [hit["snippet"][a:b] for a, b in hit["words"]].count("valves") == 1
    assert 0 < hit["locator"]["box"][1] < hit["locator"]["box"][3] < 0.3
    page = pil.open(io.BytesIO(client.get(hit["links"]["page"]).content))
    assert max(page.size) == 1600
    x0, y0, _, _ = hit["locator"]["box"]
    assert page.getpixel((round(x0 * page.width) + 1, round(y0 * page.height) + 1)) == (255, 170, 0)
    plain = client.get(hit["links"]["page"].partition("?")[0] + "?box=0,0,0,0").content
    assert (255, 170, 0) not in {color for _, color in pil.open(io.BytesIO(plain)).getcolors(1 << 24)}


def test_search_by_picture_in_both_forms(client: httpx.Client) -> None:
    form = client.post("/v1/search", files={"images": PHOTO.read_bytes()}, data={"k": "2", "modalities": ["image"]})
    assert form.status_code == 200, form.text
    assert form.json()["hits"][0]["source"] == "photo-01.jpg"
    encoded = base64.b64encode(PHOTO.read_bytes()).decode()
    for text in (encoded, f"data:image/jpeg;base64,{encoded}"):
        hits = client.post("/v1/search", json={"images": [text], "modalities": ["image"], "k": 2}).json()["hits"]
        assert [hit["id"] for hit in hits] == [hit["id"] for hit in form.json()["hits"]]


def test_search_by_clip_sees_its_pictures(client: httpx.Client) -> None:
    clip = client.post("/v1/search", files={"video": short_film(PHOTO)}, data={"k": "1", "modalities": "image"})
    assert clip.json()["hits"][0]["source"] == "photo-01.jpg"


def test_search_by_everything_at_once_in_both_forms(client: httpx.Client) -> None:
    asked = {"images": PHOTO.read_bytes(), "video": short_film(PHOTO)}
    words = {"text": "the same picture", "instruction": "Find a photo.", "modalities": "image", "k": "1"}
    form = client.post("/v1/search", files=asked, data=words).json()["hits"]
    encoded = {name: [base64.b64encode(content).decode()] for name, content in asked.items()}
    as_json = client.post("/v1/search", json={**words, **encoded, "modalities": ["image"], "k": 1}).json()["hits"]
    assert form[0]["source"] == "photo-01.jpg"
    assert form == as_json


def test_a_sound_without_words_says_what_it_needs(client: httpx.Client) -> None:
    sound = (ROOT / "examples" / "sounds" / "bell.oga").read_bytes()
    assert "no words were recognised in the clip" in problem(client.post("/v1/search", files={"audio": sound}), 422)


def short_film(photo: Path, seconds: int = 1) -> bytes:
    """A still film of a photo."""
    import av

    picture = np.asarray(pil.open(photo).convert("RGB").resize((320, 240)))
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as container:
        stream: Any = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(5 * seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def test_more_like_an_item(client: httpx.Client) -> None:
    (photo,) = found(client, "", items=[], images=[base64.b64encode(PHOTO.read_bytes()).decode()], k=1)
    (again,) = found(client, "", items=[photo["id"]], k=1)
    assert again["id"] == photo["id"]


def test_filters_see_names_as_clients_do_and_tell_nothing_of_the_disk(client: httpx.Client) -> None:
    assert {hit["source"] for hit in found(client, "heart", filter="source = 'heart.pdf'")} == {"heart.pdf"}
    assert found(client, "heart", filter="source ~ 'h*.pdf' and page = 2")[0]["locator"]["page"] == 2
    assert all(hit["source"] != "heart.pdf" for hit in found(client, "heart", filter="source != 'heart.pdf'", k=50))
    everything = {hit["id"] for hit in found(client, "heart", k=50)}
    for oracle in ("source ~ '/*'", "source ~ '*secret-place*'", "source ~ '*library*'", "source < 'A'"):
        assert found(client, "heart", filter=oracle, k=50) == [], oracle
        assert {hit["id"] for hit in found(client, "heart", filter=f"not ({oracle})", k=50)} == everything
    assert "unknown field" in problem(client.post("/v1/search", json={"text": "x", "filter": "path = 'x'"}), 422)


def test_pipelines_by_name(client: httpx.Client) -> None:
    known = client.get("/v1/collections").json()["collections"][0]["pipelines"]
    assert known == ["default", "words", "meaning", "pictures"]
    for name in known:
        hits = found(client, "salmon swim upstream", pipeline=name)
        assert name == "pictures" or hits[0]["source"] == "salmon.txt"
    assert set(found(client, "salmon", pipeline="words")[0]["matched"]) == {"lexical"}
    assert "no pipeline" in problem(client.post("/v1/search", json={"text": "x", "pipeline": "magic"}), 422)


def test_ask_streams_quotes_and_citations(client: httpx.Client) -> None:
    with client.stream(
        "POST", "/v1/ask", json={"question": "Which four valves open and close with every beat of the heart?"}
    ) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = list(read_events(reply.iter_lines()))
    assert [name for name, _ in events] == ["token", *["citation"] * (len(events) - 2), "done"]
    assert VALVES in events[0][1]["text"]
    assert events[1][1]["source"] == "heart.pdf"
    assert events[1][1]["locator"]["page"] == 1
    assert events[-1][1] == {"supported": True, "model": None, "answer": events[0][1]["text"]}


def read_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def test_an_item_in_all_its_forms(client: httpx.Client) -> None:
    table = found(client, "rain in Lisbon", k=1, modalities=["table"])[0]
    item = client.get(table["links"]["self"]).json()
    assert item["tables"] == [{"header": ["city", "rain in mm"], "rows": [["Seattle", "950"], ["Lisbon", "690"]],
                               "caption": ""}]  # fmt: skip
    assert "Lisbon" in client.get(table["links"]["media"]).text
    photo = found(client, "", images=[base64.b64encode(PHOTO.read_bytes()).decode()], k=1)[0]
    thumbnail = client.get(photo["links"]["thumbnail"])
    assert thumbnail.headers["content-type"] == "image/webp"
    assert max(pil.open(io.BytesIO(thumbnail.content)).size) <= 384
    assert pil.open(io.BytesIO(client.get(photo["links"]["page"]).content)).format == "PNG"
    cake = found(client, "apple cake butter", k=1)[0]
    assert cake["links"]["media"] is None
    assert "inside an archive" in problem(client.get(f"/v1/items/{cake['id']}/media"), 404)
    problem(client.get(f"/v1/items/{cake['id']}/page.png"), 404)
    problem(client.get("/v1/items/000000000000000000000000"), 404)


def test_files_are_listed_by_source(client: httpx.Client) -> None:
    listed = client.get("/v1/items").json()
    assert listed["total"] == len(listed["files"]) >= 7
    assert [file["source"] for file in listed["files"]][:3] == ["bell.oga", "heart.pdf", "notes.zip"]
    part = client.get("/v1/items", params={"offset": 1, "limit": 1}).json()
    assert (part["total"], part["files"]) == (listed["total"], listed["files"][1:2])
    assert client.get(f"/v1/items/{part['files'][0]['id']}").json()["kind"] == "document"


def test_media_answer_ranges(client: httpx.Client, files: Path) -> None:
    content = (files / "bell.oga").read_bytes()
    listed = client.get("/v1/items").json()["files"]
    sound = next(f"/v1/items/{file['id']}/media" for file in listed if file["source"] == "bell.oga")
    whole = client.get(sound)
    assert whole.content == content
    assert whole.headers["content-type"] == "audio/ogg"
    assert whole.headers["accept-ranges"] == "bytes"
    size = len(content)
    for asked, start, end in (("0-9", 0, 10), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size), ("5-5", 5, 6),
                              (f"10-{2 * size}", 10, size)):  # fmt: skip
        part = client.get(sound, headers={"Range": f"bytes={asked}"})
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.content == content[start:end]
    problem(client.get(sound, headers={"Range": f"bytes={size}-"}), 416)
    problem(client.get(sound, headers={"Range": "bytes=-0"}), 416)
    for ignored in ("bytes=0-1,4-5", "lines=1-2", "bytes=9-1x"):
        assert client.get(sound, headers={"Range": ignored}).status_code == 200
    tag = whole.headers["etag"]
    assert client.get(sound, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(sound, headers={"Range": "bytes=0-1", "If-Range": '"old"'}).status_code == 200


def test_upload_search_and_remove(client: httpx.Client) -> None:
    job = upload(client, {"zebra notes.txt": b"Zebras have stripes that confuse flies.", "broken.pdf": b"%PDF-1.7 no"})
    assert {file["state"] for file in job["files"]} == {"waiting"}
    done = finished(client, job["id"])
    good, bad = done["files"]
    assert (good["state"], bad["state"]) == ("stored", "failed")
    assert done["items"] == good["items"] > bad["items"] == 0
    assert no_path_of_the_disk(json.dumps(done))
    assert "broken PDF" in bad["reason"]
    hit = found(client, "zebra stripes", k=1)[0]
    assert hit["source"] == good["source"]
    assert hit["source"].startswith("uploads/")
    assert hit["source"].endswith("/zebra notes.txt")
    assert client.get(hit["links"]["media"]).content == b"Zebras have stripes that confuse flies."
    assert client.delete(f"/v1/items/{good['item']}").status_code == 204
    problem(client.get(f"/v1/items/{hit['id']}"), 404)
    problem(client.delete(f"/v1/items/{good['item']}"), 404)


def test_embeddings_in_the_shape_of_openai(client: httpx.Client) -> None:
    asked = {"input": ["salmon swim upstream", "apples are red"], "model": "e5"}
    reply = client.post("/v1/embeddings", json=asked).json()
    assert (reply["object"], reply["model"]) == ("list", "e5")
    vectors = np.array([row["embedding"] for row in reply["data"]])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    packed = client.post("/v1/embeddings", json={**asked, "encoding_format": "base64"}).json()["data"][1]["embedding"]
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), vectors[1], atol=1e-6)
    query = client.post("/v1/embeddings", json={"input": "fish in a river", "input_type": "query"}).json()
    scores = vectors @ np.array(query["data"][0]["embedding"])
    assert scores[0] > scores[1]
    assert "no 'gpt'" in problem(client.post("/v1/embeddings", json={**asked, "model": "gpt"}), 422)
    assert "have 384" in problem(client.post("/v1/embeddings", json={**asked, "dimensions": 8}), 422)


def test_the_official_client_of_openai_gets_embeddings(server: Server, client: httpx.Client) -> None:
    texts = ["salmon swim upstream", "apples are red"]
    plain = client.post("/v1/embeddings", json={"input": texts}).json()
    official = OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
    found = official.embeddings.create(input=texts, model="text")
    assert np.allclose([row.embedding for row in found.data], [row["embedding"] for row in plain["data"]], atol=1e-6)
    assert found.usage.total_tokens == plain["usage"]["total_tokens"] > 4
    with pytest.raises(UnprocessableEntityError) as refused:
        official.embeddings.create(input="salmon", model="gpt")
    assert "no 'gpt' here" in refused.value.response.json()["detail"]


def test_rerank_in_the_shape_of_cohere(client: httpx.Client) -> None:
    documents = ["Apples are red.", {"text": "Salmon swim upstream."}, "The bank is closed."]
    asked = {"query": "fish in a river", "documents": documents, "top_n": 2, "return_documents": True}
    results = client.post("/v1/rerank", json=asked).json()["results"]
    assert [len(results), results[0]["index"]] == [2, 1]
    assert results[0]["document"] == {"text": "Salmon swim upstream."}
    assert 1 >= results[0]["relevance_score"] > results[1]["relevance_score"]


def test_health_metrics_and_description(client: httpx.Client) -> None:
    assert client.get("/healthz").json()["status"] == "ok"
    found(client, "salmon")
    metrics = client.get("/metrics").text
    assert 'bowerbird_requests_total{method="POST",route="/v1/search",status="200"}' in metrics
    assert "bowerbird_items " in metrics
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/search", "/v1/ask", "/v1/items", "/v1/items/{id}", "/v1/items/{id}/thumbnail", "/v1/items/{id}/page.png",
        "/v1/items/{id}/media", "/v1/items/{id}/contents", "/v1/items/{id}/waveform", "/v1/jobs/{id}",
        "/v1/collections", "/healthz", "/metrics", "/v1/embeddings", "/v1/rerank",
    }  # fmt: skip
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} says nothing"
    assert client.get("/").headers["content-type"].startswith("text/html")
    assert client.get("/page/__init__.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/search", {"text": ""}, "say what to look for"),
        ("/v1/search", {"text": "x" * 4001}, "longer than 4000"),
        ("/v1/search", {"text": "x", "k": 201}, "at most 200"),
        ("/v1/search", {"text": "x", "k": 0}, "k: "),
        ("/v1/search", {"text": "x", "colour": "red"}, "colour"),
        ("/v1/search", {"images": ["file:///etc/passwd"]}, "no other URL is fetched"),
        ("/v1/search", {"images": ["http://169.254.169.254/latest"]}, "no other URL is fetched"),
        ("/v1/search", {"images": ["%%%"]}, "no base64"),
        ("/v1/search", {"images": ["AAAA"]}, "no readable picture"),
        ("/v1/search", {"audio": ["AAAA"]}, "no readable recording"),
        ("/v1/search", {"images": ["AAAA"] * 9}, "more than 8"),
        ("/v1/ask", {"question": "  "}, "is empty"),
        ("/v1/rerank", {"query": "x", "documents": ["a"] * 257}, "at most 256"),
    ],
)
def test_wrong_requests_are_problems(client: httpx.Client, path: str, body: dict[str, Any], says: str) -> None:
    assert says in problem(client.post(path, json=body), 422)


def test_other_wrong_requests(client: httpx.Client) -> None:
    problem(client.post("/v1/search", content=b"{", headers={"content-type": "application/json"}), 422)
    problem(client.post("/v1/search", content=b"x", headers={"content-type": "text/plain"}), 415)
    problem(client.post("/v1/items", content=b"x", headers={"content-type": "text/plain"}), 415)
    problem(client.post("/v1/items", files={"other": b"x"}), 422)
    problem(client.post("/v1/items", files={"files": ("empty.txt", b"")}), 422)
    problem(client.get("/v1/nothing"), 404)
    problem(client.put("/v1/search"), 405)
    problem(client.get("/v1/jobs/000000000000"), 404)

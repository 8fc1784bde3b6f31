"""Many searches at once while files come in: each gets its answer, and the collection is whole afterwards."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

import bowerbird
from tests.server.serving import PATIENCE, Server, finished, serving, upload

SEARCHES = 200
FILES = 60


def test_searches_during_an_ingest_lose_and_corrupt_nothing(copy: Path) -> None:
    with serving(copy, f"answer_seconds={PATIENCE}", module="tests.server.limited", before=()) as server:
        stop = threading.Event()
        jobs: list[str] = []
        writer = threading.Thread(target=add_files, args=(server, jobs, stop))
        writer.start()
        at_once = httpx.Limits(max_connections=SEARCHES)
        with ThreadPoolExecutor(SEARCHES) as pool, server.client(limits=at_once) as client:
            right = list(pool.map(lambda number: is_found(client, number), range(SEARCHES)))
        stop.set()
        writer.join()
        assert all(right)
        with server.client() as client:
            states = [file["state"] for job in jobs for file in finished(client, job)["files"]]
            assert states == ["stored"] * len(jobs) * 5
    library = bowerbird.open(copy)
    assert not library.collection.verify().problems
    ids = list(library.snapshot().ids)
    assert len(ids) == len(set(ids))
    for number in range(len(jobs) * 5):
        (hit,) = library.search(f"creature{number}", 1).hits
        assert f"creature{number}." in hit.best.text


def add_files(server: Server, jobs: list[str], stop: threading.Event) -> None:
    with server.client() as client:
        for start in range(0, FILES, 5):
            names = {f"{n}.txt": f"A tale of creature{n}.".encode() for n in range(start, start + 5)}
            jobs.append(upload(client, names)["id"])
            if stop.wait(0.2):
                return


def is_found(client: httpx.Client, number: int) -> bool:
    """A search for what was there before, in one of several ways."""
    words, source = [("salmon swim upstream", "salmon.txt"), ("valves of the heart", "heart.pdf"),
                     ("rain in Lisbon", "rain.csv")][number % 3]  # fmt: skip
    reply = client.post("/v1/search", json={"text": words, "k": 5})
    return reply.status_code == 200 and reply.json()["hits"][0]["source"] == source

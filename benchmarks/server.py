"""A server under load: searches a second and their latencies on 100,000 items, quiet and while it grows; its memory.

    python -m benchmarks.server                      # half a minute per row
    python -m benchmarks.server --minutes 10         # and memory over ten minutes
    python -m benchmarks.server --items 10000        # a smaller library
    python -m benchmarks.server --minutes 10 --write docs/benchmarks.md

One process of `bowerbird serve` on loopback; the clients, as those of wrk, ask again as soon as they are answered, from
one more process on the same cores. What is stored is that of benchmarks/speed.py; asked are the questions of Cranfield
and CISI. While it grows, the documents of CISI are uploaded, twenty files at a time, one upload after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path

import httpx
import numpy as np

import bowerbird as bb
from benchmarks import sets
from benchmarks.report import machine, write_section
from benchmarks.speed import fill

ADDRESS = re.compile(r" on (http://\S+?)/\s*$")
FILES = 20
"""Files of one upload."""


@dataclass
class Load:
    """What some clients saw. took: milliseconds per search."""

    name: str
    clients: int
    seconds: float
    took: list[float] = field(default_factory=list)
    failed: int = 0
    processor: float = 0.0
    """Seconds of the server's."""
    added: int = 0
    """Items that could be found at the end, and not at the beginning."""

    def row(self) -> list[str]:
        p50, p95, p99 = np.percentile(self.took, [50, 95, 99])
        rate, cost = len(self.took) / self.seconds, 1000 * self.processor / len(self.took)
        figures = [f"{rate:.1f}", f"{p50:.0f}", f"{p95:.0f}", f"{p99:.0f}", f"{cost:.0f}", str(self.failed)]
        return [self.name, str(self.clients), *figures, f"{self.added / self.seconds:.1f}" if self.added else "–"]


HEAD = ["", "clients", "searches/s", "p50 ms", "p95 ms", "p99 ms", "processor ms/search", "failed", "items added/s"]


@dataclass(frozen=True)
class Server:
    url: str
    pid: int

    def memory(self) -> float:
        """MB of its own; pages of index files that it has mapped are the system's to take back."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.partition("RssAnon:")[2].split()[0]) / 1000

    def processor(self) -> float:
        """Seconds since it was started."""
        times = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def items(self) -> int:
        return int(httpx.get(f"{self.url}/v1/collections", timeout=600).json()["collections"][0]["items"])


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """`bowerbird serve` on a free port, ready to answer."""
    command = [sys.executable, "-m", "bowerbird.cli", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            match = ADDRESS.search(line)
            if match is None:
                raise SystemExit(f"the server did not start: {line}{process.stderr.read()}")
            server = Server(match[1], process.pid)
            while not _answers(server):
                time.sleep(0.5)
            yield server
        finally:
            process.terminate()


def _answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz", timeout=600).status_code == 200
    except httpx.TransportError:
        return False


def load(
    server: Server, asked: Sequence[str], clients: int, seconds: float, *, grows: bool = False,
    watch: Callable[[], None] = lambda: None,
) -> Load:  # fmt: skip
    """Searches of some clients for a while. watch: is called every second."""
    seen = Load("while it grows" if grows else "quiet", clients, seconds)
    before, processor = server.items(), server.processor()
    asyncio.run(_load(server, asked, seen, grows, watch))
    seen.processor = server.processor() - processor
    seen.added = server.items() - before if grows else 0
    return seen


async def _load(server: Server, asked: Sequence[str], seen: Load, grows: bool, watch: Callable[[], None]) -> None:
    end = time.perf_counter() + seen.seconds
    tasks = [_client(server, asked[number :: seen.clients], end, seen) for number in range(seen.clients)]
    if grows:
        tasks.append(_grow(server, end))
    ended = asyncio.gather(*tasks)
    while not ended.done():
        watch()
        await asyncio.wait([ended], timeout=1)
    await ended


async def _client(server: Server, asked: Sequence[str], end: float, seen: Load) -> None:
    """One connection that is kept; a search after the other."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for text in cycle(asked):
        body = json.dumps({"text": text, "k": 10}).encode()
        started = time.perf_counter()
        if started > end:
            break
        writer.write(_head(host, len(body)) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        reply = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        if head.startswith(b"HTTP/1.1 200 ") and b'"rank":10' in reply:
            seen.took.append((time.perf_counter() - started) * 1000)
        else:
            seen.failed += 1
    writer.close()


def _head(host: str, length: int) -> bytes:
    kind = "Content-Type: application/json"
    return f"POST /v1/search HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n".encode()


async def _grow(server: Server, end: float) -> None:
    """Uploads, each when the one before can be found."""
    lines = (sets.DATA / "text/cisi/corpus.jsonl").read_text("utf8").splitlines()
    source, number = cycle([json.loads(line)["text"] for line in lines]), count(time.time_ns())
    async with httpx.AsyncClient(base_url=server.url, timeout=600) as client:
        while time.perf_counter() < end:
            texts = [f"Note {next(number)}.\n\n{next(source)}" for _ in range(FILES)]
            files = [("files", (f"note-{place}.txt", text)) for place, text in enumerate(texts)]
            job = (await client.post("/v1/items", files=files)).raise_for_status().json()
            while job["state"] != "done" and time.perf_counter() < end:
                await asyncio.sleep(0.2)
                job = (await client.get(f"/v1/jobs/{job['id']}")).raise_for_status().json()


def questions() -> list[str]:
    """Those of Cranfield and CISI, shuffled."""
    files = [sets.DATA / "text" / name / "queries.jsonl" for name in ("cranfield", "cisi")]
    texts = [json.loads(line)["text"] for file in files for line in file.read_text("utf8").splitlines()]
    return [str(text) for text in np.random.default_rng(0).permutation(texts)]


def over_time(server: Server, asked: Sequence[str], clients: int, minutes: float) -> str:
    """Memory at every minute of searches while the library grows."""
    known: list[float] = []
    seen = load(server, asked, clients, 60 * minutes, grows=True, watch=lambda: known.append(server.memory()))
    steps = np.linspace(0, len(known) - 1, min(int(minutes) + 1, len(known))).round().astype(int)
    shown = ", ".join(f"{known[step]:.0f}" for step in steps)
    return (
        f"Memory of its own over {minutes:g} minutes, with {len(seen.took):,} searches from {clients} clients "
        f"({seen.failed} failed) and {seen.added:,} items added, at the start and after every minute: {shown} MB."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30, help="per row of the table")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--minutes", type=float, default=0, help="of memory over time")
    parser.add_argument("--library", type=Path, help="made there if it is not there yet, and kept; it grows")
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put the table into this guide")
    given = parser.parse_args()
    asked = questions()
    with tempfile.TemporaryDirectory() as folder:
        library = given.library or Path(folder) / "library"
        if not library.exists():
            fill(bb.open(library, fields={"text": "e5"}), given.items)
        with serving(library) as server:
            load(server, asked, 2, 5)  # warm
            rows = [load(server, asked, clients, given.seconds).row() for clients in given.clients]
            rows += [load(server, asked, clients, given.seconds, grows=True).row() for clients in given.clients]
            memory = over_time(server, asked, 8, given.minutes) if given.minutes else ""
    busy = f"{os.getloadavg()[0]:.1f}"
    title = f"Text search, 10 hits, {given.items:,} items, on {machine()} (load {busy} at the end)."
    lines = [title, "", *table(rows), *(["", memory] if memory else [])]
    if given.write:
        write_section(given.write, "server", "\n".join(lines))
    print("\n".join(lines))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows)]


if __name__ == "__main__":
    main()

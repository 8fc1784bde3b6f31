"""Files are parsed in processes of their own: a parser that crashes, hangs or eats memory costs one file, not the run.

A worker is `python -m bowerbird.collection.worker_process`; requests go to its standard input, items come back on its
standard output, both as length-framed pickles between our own processes. (Not multiprocessing: that would run the
caller's script again in every worker.)
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bowerbird.items import Item

STALL_SECONDS = 120.0
"""A worker that gives nothing for so long is taken to hang."""
MEMORY_BYTES = 4 << 30
POLL_SECONDS = 0.25
DYING_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Job:
    """A file to read: where it is, and how it is named."""

    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What workers need to know; sent once when they start."""

    text_encoder: str = "e5"
    ocr: bool = True
    speech: bool = True
    speech_model: str = ""
    stall_seconds: float = STALL_SECONDS
    memory_bytes: int = MEMORY_BYTES


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some items of a file, in order, or none as a sign of life. The last one says so, and why, if the file failed."""

    job: Job
    items: tuple[Item, ...] = ()
    last: bool = False
    error: str = ""


class ReadPool:
    """Reads files in `jobs` processes; a context manager, so that no process outlives the run."""

    def __init__(self, jobs: int, settings: Settings) -> None:
        self._settings = settings
        self._workers = [_Worker(settings) for _ in range(max(1, jobs))]

    def __enter__(self) -> ReadPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes, whatever they are doing."""
        for worker in self._workers:
            worker.stop()

    def read(self, jobs: Iterable[Job]) -> Iterator[Chunk]:
        """Chunks of all files as they come; those of one file are in order. Waits when they are not taken.

        Who leaves the loop early ends the pool.
        """
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        ready: queue.Queue[Chunk | None] = queue.Queue(maxsize=4 * len(self._workers))
        threads = [
            threading.Thread(target=_drain, args=(worker, waiting, ready), daemon=True) for worker in self._workers
        ]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                chunk = ready.get()
                if chunk is None:
                    running -= 1
                else:
                    yield chunk
        finally:
            if running:
                self.stop()


def _drain(worker: _Worker, waiting: queue.SimpleQueue[Job], ready: queue.Queue[Chunk | None]) -> None:
    try:
        while not worker.stopped:
            job = waiting.get_nowait()
            for chunk in worker.read(job):
                _offer(ready, chunk, worker)
    except queue.Empty:
        pass
    finally:
        _offer(ready, None, worker)


def _offer(ready: queue.Queue[Chunk | None], chunk: Chunk | None, worker: _Worker) -> None:
    """Wait until there is room, but not for a consumer that has gone."""
    while not worker.stopped:
        with suppress(queue.Full):
            ready.put(chunk, timeout=POLL_SECONDS)
            return


class _Worker:
    """One process, started when it is first needed and again after it died."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = 0.0
        self._verdict = ""
        self._lock = threading.Lock()
        self.stopped = False

    def read(self, job: Job) -> Iterator[Chunk]:
        process = self._running()
        if process is None:
            return
        self._verdict = ""
        self._heard = time.monotonic()
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process, done), daemon=True)
        watch.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _send(process.stdin, job)
            while True:
                chunk: Chunk = _receive(process.stdout)
                self._heard = float("inf")  # while the consumer is busy, silence is not the worker's fault
                yield chunk
                if chunk.last:
                    return
                self._heard = time.monotonic()
        except (EOFError, OSError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                process.wait(DYING_SECONDS)  # its pipes close a moment before it is gone
            code = _end(process)
            if not self.stopped:
                yield Chunk(job, last=True, error=self._verdict or _how_it_died(code))
        finally:
            done.set()

    def _running(self) -> subprocess.Popen[bytes] | None:
        """The process, a fresh one where there is none or the last file left it bloated; None after stop()."""
        with self._lock:
            if self.stopped:
                return None
            if self._process is not None and _memory_of(self._process.pid) > self._settings.memory_bytes // 2:
                _end(self._process)
            if self._process is None or self._process.poll() is not None:
                self._process = _start(self._settings)
            return self._process

    def _watch(self, process: subprocess.Popen[bytes], done: threading.Event) -> None:
        """Kill the process when it stalls or grows too large, and remember why."""
        while not done.wait(POLL_SECONDS):
            if time.monotonic() - self._heard > self._settings.stall_seconds:
                self._verdict = f"took longer than {self._settings.stall_seconds:g} seconds; split the file"
            elif _memory_of(process.pid) > self._settings.memory_bytes:
                limit = self._settings.memory_bytes >> 20
                self._verdict = f"needed more than {limit} MiB of memory; split the file"
            else:
                continue
            process.kill()
            return

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bowerbird.collection.worker_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with suppress(OSError):  # it died at once; the first file will show how
        _send(process.stdin, settings)
    return process


def _end(process: subprocess.Popen[bytes]) -> int:
    """Kill a process that nobody else uses and close its pipes; its exit code."""
    process.kill()
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    return code


def _how_it_died(code: int) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the reader crashed on it ({how}); the file is probably damaged"


def _memory_of(pid: int) -> int:
    """Resident bytes, where the system tells (Linux); 0 elsewhere."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _send(pipe: IO[bytes], message: Any) -> None:
    pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    return pickle.load(pipe)

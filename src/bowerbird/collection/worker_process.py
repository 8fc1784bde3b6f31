"""The process that parses files (see workers.py). It reads files, writes items, and nothing else."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from bowerbird import readers
from bowerbird.collection.workers import Chunk, Job, Settings
from bowerbird.encoders import token_counter
from bowerbird.errors import BowerbirdError
from bowerbird.items import Item
from bowerbird.readers.base import ReadOptions
from bowerbird.readers.limits import TOO_DEEP

CHUNK_ITEMS = 32
CHUNK_SECONDS = 2.0
BEAT_SECONDS = 1.0
MAX_REASON = 300
"""Characters of a parser's complaint that are shown."""


def main() -> None:
    requests, answers = sys.stdin.buffer, _take_over_output()
    settings: Settings = pickle.load(requests)
    _limit(settings.memory_bytes)
    options = ReadOptions(
        count_tokens=token_counter(settings.text_encoder),
        ocr=settings.ocr,
        speech=settings.speech,
        speech_model=settings.speech_model,
    )

    def answer(chunk: Chunk) -> None:
        _die_after(0)  # the consumer may take its time
        pickle.dump(chunk, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
        _die_after(0 if chunk.last else 2 * settings.stall_seconds)

    with suppress(EOFError, BrokenPipeError):
        while True:
            job: Job = pickle.load(requests)
            _die_after(2 * settings.stall_seconds)
            for chunk in read(job, replace(options, beat=_beat(job, answer))):
                answer(chunk)


def _beat(job: Job, answer: Callable[[Chunk], None]) -> Callable[[], None]:
    """What a reader calls while it works without giving items: empty chunks tell that it does not hang."""
    told = time.monotonic()

    def beat() -> None:
        nonlocal told
        if time.monotonic() - told > BEAT_SECONDS:
            answer(Chunk(job))
            told = time.monotonic()

    return beat


def read(job: Job, options: ReadOptions) -> Iterator[Chunk]:
    """Chunks of one file; the last one carries the reason if it failed."""
    try:
        items: Iterator[Item] = readers.read(readers.source_file(job.path, job.source), options)
        for some in _chunks(items):
            yield Chunk(job, some)
    except BowerbirdError as error:
        yield Chunk(job, last=True, error=_one_line(error))
    except OSError as error:
        yield Chunk(job, last=True, error=f"cannot be read: {error.strerror or error}")
    except RecursionError:
        yield Chunk(job, last=True, error=TOO_DEEP)
    except MemoryError:
        yield Chunk(job, last=True, error="needs more memory than there is; split the file")
    except Exception as error:
        # the boundary to parsers of hostile input: whatever they raise costs this file only
        yield Chunk(job, last=True, error=f"cannot be parsed ({type(error).__name__}: {_one_line(error)})")
    else:
        yield Chunk(job, last=True)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:MAX_REASON] or type(error).__name__


def _chunks(items: Iterator[Item]) -> Iterator[tuple[Item, ...]]:
    """Items in groups: many at a time, but none that is ready waits long."""
    some: list[Item] = []
    started = time.monotonic()
    for item in items:
        some.append(item)
        if len(some) == CHUNK_ITEMS or time.monotonic() - started > CHUNK_SECONDS:
            yield tuple(some)
            some, started = [], time.monotonic()
    if some:
        yield tuple(some)


def _take_over_output() -> IO[bytes]:
    """Answers go to the real standard output; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    return answers


def _limit(memory_bytes: int) -> None:
    """No core dumps, no allocation out of all proportion; the searches of others come first."""
    if sys.platform == "win32":
        return
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends its workers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory_bytes, 2 * memory_bytes))
    with suppress(OSError):
        os.nice(5)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out, a worker goes first


def _die_after(seconds: float) -> None:
    """Let the system end this process later, even if a parser never returns and the parent is gone; 0 calls it off."""
    if sys.platform != "win32":
        import signal

        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()

"""How much of everything a server takes before it refuses. What comes over the network is taken to be hostile."""

from __future__ import annotations

import os
from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Sizes are bytes, times seconds."""

    upload: int = 1024 * MIB
    """The body of an upload: all files of one request."""
    upload_files: int = 100
    query_body: int = 64 * MIB
    """The body of anything else."""
    query_chars: int = 4_000
    query_media: int = 8
    """Pictures, sounds and clips of one query together."""
    filter_chars: int = 2_000
    k: int = 200
    pixels: int = 50_000_000
    """Decoded pixels of a picture in a query."""
    media_seconds: float = 300.0
    """Length of a sound or clip in a query."""
    texts: int = 256
    """Texts to embed, or documents to rerank, in one request."""
    text_chars: int = 20_000
    jobs: int = 32
    """Uploads that wait to be indexed."""
    free_disk: int = 512 * MIB
    """Left free on the library's disk by uploads."""
    threads: int = max(2, os.cpu_count() or 1)
    """Batches of searches, and look-ups, that run at once; more would only wait for each other."""
    answers: int = 8
    """Answers that are written at once."""
    waiting: int = 256
    """Requests that wait for a thread; further ones are told to come back (429)."""
    answer_seconds: float = 60.0
    """Until a request that waits or works is given up (503)."""
    model_seconds: float = 300.0
    """The same for answers, which a language model may write."""
    head_seconds: float = 10.0
    """Until the head of a request must be whole."""
    body_seconds: float = 20.0
    """Longest pause in the middle of a body, and the time to start at `body_rate`."""
    body_rate: float = 4096.0
    """Bytes a second that a body must come in with, and a reply be taken with, on the whole."""
    send_seconds: float = 60.0
    """Over which the pace of a client that takes a reply is looked at."""
    connections: int = 1024
    shutdown_seconds: int = 20
    """For requests that are under way when the server is told to end."""

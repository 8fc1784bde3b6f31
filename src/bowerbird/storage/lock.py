"""One writer at a time, and a second one is told who holds the lock."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bowerbird.errors import LockedError


@contextmanager
def writer_lock(folder: Path, wait: float = 10.0) -> Iterator[None]:
    """Hold the writer's lock; waits up to `wait` seconds.

    The operating system drops the lock with its process, so a crash leaves nothing to clean up.
    Raises LockedError, which names the process that holds it.
    """
    path = folder / "writer.lock"
    try:
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise LockedError(f"cannot write to {folder}: {error.strerror}; make the folder writable") from error
    with file:
        deadline = time.monotonic() + wait
        while not _try_lock(file):
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"{folder} is being written by {holder(folder) or 'another process'}; try again later"
                )
            time.sleep(0.05)
        file.seek(0)
        file.truncate()
        started = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError):  # on a full disk there is a lock, but nobody learns who holds it
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started}).encode())
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def holder(folder: Path) -> str:
    """Who holds the lock, in words; empty if nobody does."""
    try:
        known = json.loads((folder / "writer.lock").read_text("utf8"))
        return f"process {known['pid']} on {known['host']} since {known['since']}"
    except (OSError, ValueError, KeyError):
        return ""


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        try:
            file.seek(1 << 30)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

"""Writing files so that they survive a crash."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make names that were added to a folder durable."""
    if os.name == "nt":
        return  # Windows has no handle for folders; NTFS journals names itself
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: readers see the old or the new content, never a mix. One writer at a time."""
    with partial_file(path, path.with_name(f"{path.name}.partial")) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextmanager
def partial_file(target: Path, partial: Path | None = None) -> Iterator[Path]:
    """A file to write, by default this thread's own; the target when the block ends, gone when it fails, as on a full
    disk it would keep the room that others need. Errors of the disk name the target."""
    partial = partial or target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(target)
        raise


def digest_file(path: Path | str) -> str:
    """BLAKE2b-128 of a file's bytes, hex. Raises OSError."""
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def stamp(path: Path) -> tuple[int, int]:
    """What tells a file from another one of the same name; zeros if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns

"""The files that items came from: opened only if they are still what was indexed."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Lock

from bowerbird.collection.ingest import MADE_BY_PROGRAM
from bowerbird.collection.schema import FileInfo
from bowerbird.server.problems import Refused

BLOCK = 1 << 18
REMEMBERED = 4096
GONE = "its file is gone or has changed since it was indexed"


@dataclass(frozen=True)
class Source:
    """An open file whose bytes are those that were indexed. `close` it."""

    descriptor: int
    path: str
    size: int
    digest: str

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Bytes start … end - 1 in blocks. Closes the file."""
        try:
            while start < end:
                block = os.pread(self.descriptor, min(BLOCK, end - start), start)
                if not block:
                    return
                start += len(block)
                yield block
        finally:
            self.close()

    def close(self) -> None:
        os.close(self.descriptor)


class Sources:
    """Opens sources, and remembers which it has hashed while their inode and times stay as they are."""

    def __init__(self) -> None:
        self._checked: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._lock = Lock()

    def open(self, file: FileInfo) -> Source:
        """The file of an item. Raises Refused (404) if it has none, or it is not what was indexed.

        Links are not followed: paths were resolved when they were stored, so a link in one has come later.
        """
        path = file.path
        if path.startswith(MADE_BY_PROGRAM) or not os.path.isabs(path):
            raise Refused(404, "this item has no file")
        try:
            if os.path.realpath(path) != path:
                raise Refused(404, GONE)
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            raise Refused(404, GONE) from None
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or self._digest(descriptor, about) != file.digest:
                raise Refused(404, GONE)
        except BaseException:
            os.close(descriptor)
            raise
        return Source(descriptor, path, about.st_size, file.digest)

    def _digest(self, descriptor: int, about: os.stat_result) -> str:
        state = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        with self._lock:
            known = self._checked.get(state)
        if known is None:
            known = _hashed(descriptor)
            with self._lock:
                self._checked[state] = known
                while len(self._checked) > REMEMBERED:
                    self._checked.popitem(last=False)
        return known


def _hashed(descriptor: int) -> str:
    digest, start = blake2b(digest_size=16), 0
    while block := os.pread(descriptor, BLOCK, start):
        digest.update(block)
        start += len(block)
    return digest.hexdigest()


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path, with every link in it followed, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())

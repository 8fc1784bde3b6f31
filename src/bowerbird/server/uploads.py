"""Uploaded files inside a library's folder: whole and on the disk before they are acknowledged."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from bowerbird.server.problems import Refused
from bowerbird.storage.files import sync_folder

BLOCK = 1 << 20
MAX_NAME = 120
UNSAFE = re.compile(r"[^\w .,()+=@~-]")


@dataclass(frozen=True)
class Stored:
    """An uploaded file in its place."""

    name: str
    path: Path
    size: int


class Uploads:
    """LIBRARY/uploads/DIGEST/NAME: the same file twice is one file, two files of one name are two."""

    def __init__(self, library: Path, free_disk: int) -> None:
        self.folder = library / "uploads"
        self._incoming = self.folder / ".incoming"
        self._free_disk = free_disk
        shutil.rmtree(self._incoming, ignore_errors=True)  # what came in when an earlier server ended
        self._incoming.mkdir(parents=True)

    def store(self, name: str, content: BinaryIO) -> Stored:
        """Write a file through to the disk. Raises Refused (422, 507)."""
        digest, size = blake2b(digest_size=16), 0
        partial = self._incoming / uuid4().hex
        try:
            with partial.open("xb") as file:
                while block := content.read(BLOCK):
                    self._require_room(len(block))
                    digest.update(block)
                    size += len(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            if not size:
                raise Refused(422, f"{safe_name(name)}: is empty")
            home = self.folder / digest.hexdigest()[:12]
            home.mkdir(exist_ok=True)
            path = home / safe_name(name)
            partial.replace(path)
            sync_folder(home)
            sync_folder(self.folder)
        finally:
            partial.unlink(missing_ok=True)
        return Stored(path.name, path, size)

    def _require_room(self, size: int) -> None:
        if shutil.disk_usage(self.folder).free - size < self._free_disk:
            raise Refused(507, "the server's disk is full")

    def forget(self, path: Path) -> None:
        """Delete an uploaded file; other files are left alone."""
        if path.is_relative_to(self.folder) and path.parent.parent == self.folder:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # another file of the same content is in it
                path.parent.rmdir()


def safe_name(name: str) -> str:
    """The last part of a file name in characters that are harmless everywhere; never empty, hidden or long."""
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    clean = UNSAFE.sub("_", last.encode("utf-8", "replace").decode()).strip(" .") or "file"
    stem, dot, suffix = clean.rpartition(".")
    if not dot or len(suffix) > 12:
        stem, suffix = clean, ""
    kept = MAX_NAME - len(suffix) - 1
    while len((stem[:kept]).encode()) > 2 * MAX_NAME - 16:
        kept -= 8
    return f"{stem[:kept]}.{suffix}" if suffix else stem[:kept]

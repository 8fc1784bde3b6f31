"""Arrays in one file that can be made again: checked when they are first read, at about the speed of memory.

    8 bytes magic | 8 bytes header length | 16 bytes digest of the header | header (JSON) | arrays, at multiples of 64

Nothing is synced: a crash may leave a file whose header or arrays do not fit their checks, which counts as damaged.
The name of a file is the digest of its header, so the same content has the same name, whoever writes it.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.storage.files import partial_file

MAGIC = b"BOWRDRV1"
ALIGN = 64
BLOCK = 512
"""Words of 8 bytes that are summed up together."""

Arrays = Mapping[str, NDArray[Any]]


class DamagedFile(Exception):
    """A file is not what was written, or gone. It can be made again."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path.name} {what}")
        self.path = path


def checksum(array: NDArray[Any]) -> int:
    """Of an array's bytes: CRC-32 of the sums of its blocks. Ten times as fast as a CRC of all (benchmarks/updates.py).

    Any change within one word is noticed; changes of several words go unnoticed only if they cancel out in their block.
    """
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    whole = len(raw) // (8 * BLOCK) * (8 * BLOCK)
    sums = raw[:whole].view(np.uint64).reshape(-1, BLOCK).sum(axis=1)
    return zlib.crc32(raw[whole:].data, zlib.crc32(sums.data))


def write_checked(folder: Path, suffix: str, head: Mapping[str, Any], arrays: Arrays, name: str = "") -> str:
    """Write a file as a whole; its name, the digest of its header if none is given."""
    ready = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    sections, offset = {}, 0
    for key, array in ready.items():
        sections[key] = (array.dtype.str, array.shape, offset, checksum(array))
        offset += -(-array.nbytes // ALIGN) * ALIGN
    header = json.dumps({"head": head, "sections": sections}, sort_keys=True).encode()
    digest = blake2b(header, digest_size=16)
    name = f"{name or digest.hexdigest()}{suffix}"
    with partial_file(folder / name) as partial, partial.open("wb") as file:
        file.write(MAGIC + struct.pack("<Q", len(header)) + digest.digest() + header)
        start = -(-file.tell() // ALIGN) * ALIGN
        for key, array in ready.items():
            file.seek(start + int(sections[key][2]))
            file.write(array.data)
        file.truncate(start + offset)
    return name


class CheckedFile(Mapping[str, NDArray[Any]]):
    """Mapped arrays by name. Raises DamagedFile when it is opened, or when an array is first read, if it is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                magic, length, digest = struct.unpack("<8sQ16s", file.read(32))
                header = file.read(length) if length < 1 << 30 else b""
            size = path.stat().st_size
        except (OSError, struct.error) as error:
            raise DamagedFile(path, f"cannot be read ({error})") from error
        if magic != MAGIC or blake2b(header, digest_size=16).digest() != digest:
            raise DamagedFile(path, "has a damaged header")
        found = json.loads(header)
        self.head: Mapping[str, Any] = found["head"]
        self._sections: Mapping[str, tuple[str, list[int], int, int]] = found["sections"]
        self._start = -(-(32 + length) // ALIGN) * ALIGN
        self._read: dict[str, NDArray[Any]] = {}
        needed = max((self._start + offset + _size(kind, shape) for kind, shape, offset, _ in self._sections.values()))
        if size < needed:
            raise DamagedFile(path, f"is cut off ({size} of {needed} bytes)")

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        try:
            return np.memmap(self.path, np.uint8, "r").view(np.ndarray)
        except (OSError, ValueError) as error:
            raise DamagedFile(self.path, f"cannot be read ({error})") from error

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._read:
            kind, shape, offset, expected = self._sections[name]
            raw = self._bytes[self._start + offset : self._start + offset + _size(kind, shape)]
            if checksum(raw) != expected:
                raise DamagedFile(self.path, f"has a damaged part {name!r}")
            self._read[name] = raw.view(kind).reshape(shape)
        return self._read[name]

    def __iter__(self) -> Any:
        return iter(self._sections)

    def __len__(self) -> int:
        return len(self._sections)

    def __contains__(self, name: object) -> bool:
        return name in self._sections

    def size(self, name: str) -> int:
        """Bytes of an array."""
        kind, shape, _, _ = self._sections[name]
        return _size(kind, shape)

    def verify(self) -> None:
        """Check every array anew. Raises DamagedFile."""
        self._read.clear()
        for name in self._sections:
            self[name]


def _size(kind: str, shape: Mapping[int, int] | list[int]) -> int:
    return math.prod(shape) * np.dtype(kind).itemsize

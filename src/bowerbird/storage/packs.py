"""Pack files: what one commit adds besides its rows. Immutable, checksummed, memory-mapped.

A pack holds named arrays, each with the BLAKE2b-128 digest of its bytes:

    8 bytes magic | 8 bytes header length | 16 bytes header digest | header (JSON) | arrays, each at a multiple of 64

An item's row in the collection names its pack and its slot (the item's number in the batch). For a field F:

    F.slots    int32  m          the slot of every row of the field
    F.dense    float16 m × dim
    F.tokens   uint8  blocks of 16 tokens (index/kernels/blocks.py), F.scales float16 per token,
               F.offsets int64 m + 1, F.crc uint32 m
    lexical.terms uint64, lexical.counts uint16, lexical.offsets int64   (one set per slot)
    rows.crc uint32                                                      (one per slot, of its row in the table)
    thumbs.bytes uint8, thumbs.offsets int64, thumbs.crc uint32          (one picture per slot, may be empty)

Tokens and pictures are read in small pieces, so they carry a CRC-32 per piece besides the digest of the whole.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import CollectionError
from bowerbird.storage.files import partial_file, sync_folder

MAGIC = b"BOWRPAK1"
ALIGN = 64
Arrays = Mapping[str, NDArray[Any]]


def write_pack(folder: Path, arrays: Arrays) -> str:
    """Write and fsync a pack; the name is the digest of its header. The same arrays give the same pack."""
    ready = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    sections, offset = {}, 0
    for name, array in ready.items():
        sections[name] = {
            "dtype": array.dtype.str,
            "shape": array.shape,
            "offset": offset,
            "digest": blake2b(array.data, digest_size=16).hexdigest(),
        }
        offset += -(-array.nbytes // ALIGN) * ALIGN
    header = json.dumps(sections, sort_keys=True).encode()
    digest = blake2b(header, digest_size=16)
    name = f"{digest.hexdigest()}.pack"
    with partial_file(folder / name) as partial, partial.open("wb") as file:
        file.write(MAGIC + struct.pack("<Q", len(header)) + digest.digest() + header)
        start = -(-file.tell() // ALIGN) * ALIGN
        for name_, array in ready.items():
            file.seek(start + sections[name_]["offset"])  # type: ignore[operator]
            file.write(array.data)
        file.truncate(max(file.tell(), start))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
    return name


class Pack:
    """A memory-mapped pack. Raises CollectionError if the file is missing, truncated or its header is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                magic, length, digest = struct.unpack("<8sQ16s", file.read(32))
                header = file.read(length) if length < 1 << 30 else b""
        except (OSError, struct.error) as error:
            raise self._damaged(f"cannot be read ({error})") from error
        if magic != MAGIC or blake2b(header, digest_size=16).digest() != digest:
            raise self._damaged("has a damaged header")
        if path.stem != digest.hex():
            raise self._damaged("is a copy of another pack")
        self._sections: dict[str, dict[str, Any]] = json.loads(header)
        self._start = -(-(32 + length) // ALIGN) * ALIGN
        needed = max((self._end(section) for section in self._sections.values()), default=0)
        size = len(self._bytes)
        if size < needed:
            raise self._damaged(f"is cut off ({size} of {needed} bytes)")

    def _damaged(self, what: str) -> CollectionError:
        return CollectionError(
            f"pack {self.path.name} {what}; run 'bowerbird doctor --verify' to name and repair the files it holds"
        )

    def _end(self, section: Mapping[str, Any]) -> int:
        size = math.prod(section["shape"]) * np.dtype(section["dtype"]).itemsize
        return int(self._start + section["offset"] + size)

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        try:
            return np.memmap(self.path, np.uint8, "r").view(np.ndarray)
        except (OSError, ValueError) as error:
            raise self._damaged(f"cannot be read ({error})") from error

    @property
    def names(self) -> list[str]:
        return list(self._sections)

    def __contains__(self, name: str) -> bool:
        return name in self._sections

    def __getitem__(self, name: str) -> NDArray[Any]:
        """An array without checking its digest."""
        section = self._sections[name]
        raw = self._bytes[self._start + section["offset"] : self._end(section)]
        array: NDArray[Any] = raw.view(section["dtype"]).reshape(section["shape"])
        return array

    def checked(self, name: str) -> NDArray[Any]:
        """An array whose bytes are those that were written. Raises CollectionError if they are not."""
        array = self[name]
        if blake2b(np.ascontiguousarray(array).data, digest_size=16).hexdigest() != self._sections[name]["digest"]:
            raise self._damaged(f"has a damaged part {name!r}")
        return array

    def verify(self) -> None:
        """Check every array."""
        for name in self._sections:
            self.checked(name)

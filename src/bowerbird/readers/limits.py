"""How much of a hostile file is read before it is refused."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass

from bowerbird.errors import ReadError

MAX_MEMBERS = 10_000
MAX_UNPACKED = 2 << 30
"""Bytes that an archive may unpack to, those inside it included."""
MAX_RATIO = 200
"""Unpacked bytes per packed byte; only archives that unpack to more than SMALL are looked at."""
SMALL = 50 << 20
MAX_DEPTH = 3
"""Archives inside archives."""
TOO_DEEP = "is nested too deeply to be read; flatten or unpack it"
"""The reason where a parser's recursion ends."""
MAX_CELLS = 5_000_000
MAX_NESTING = 100


@dataclass
class Budget:
    """What may still be unpacked of one file, through all archives and messages inside it."""

    left: int = MAX_UNPACKED

    @classmethod
    def of(cls, packed: int) -> Budget:
        """For a file of so many bytes."""
        return cls(min(MAX_UNPACKED, max(SMALL, packed * MAX_RATIO)))

    def spend(self, size: int) -> None:
        """Raises ReadError where nothing is left."""
        self.left -= size
        if self.left < 0:
            raise ReadError("unpacks to too much with all archives inside it: it looks like a zip bomb; unpack it")


def check_zip(path: str) -> None:
    """Refuse zip bombs, and documents in zips that declare entities. Raises ReadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ReadError(f"is a damaged zip ({error}); get it again") from error
    check_members([(member.file_size, member.compress_size) for member in members])


def check_members(sizes: list[tuple[int, int]]) -> None:
    """Sizes are (unpacked, packed) bytes per member."""
    if len(sizes) > MAX_MEMBERS:
        raise ReadError(f"has {len(sizes)} members, more than {MAX_MEMBERS}; unpack it")
    total = sum(unpacked for unpacked, _ in sizes)
    if total > MAX_UNPACKED:
        raise ReadError(f"unpacks to {total >> 20} MiB, more than {MAX_UNPACKED >> 20}; unpack it")
    packed = max(sum(size for _, size in sizes), 1)
    if total > SMALL and total / packed > MAX_RATIO:
        raise ReadError(
            f"unpacks to {total // packed} times its size: it looks like a zip bomb; unpack it, or leave it out"
        )

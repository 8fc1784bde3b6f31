"""Archives: every member by its own reader, with the archive in the locator."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from bowerbird.errors import ReadError
from bowerbird.items import Item
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.limits import MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED, SMALL, check_members
from bowerbird.readers.nested import Member, read_members

_OPENERS: dict[str, Callable[..., IO[bytes]]] = {
    "application/gzip": cast("Callable[..., IO[bytes]]", gzip.open),
    "application/x-bzip2": cast("Callable[..., IO[bytes]]", bz2.open),
    "application/x-xz": cast("Callable[..., IO[bytes]]", lzma.open),
}


def read_zip(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """Members in the archive's order. Encrypted members are told, folders and links left out."""
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            check_members([(member.file_size, member.compress_size) for member in members])
            root = file.item("document", (), title=Path(file.name).name, metadata={"members": len(members)})
            yield root
            yield from read_members(file, root, _zip_members(archive, members), options)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ReadError(f"is a damaged zip ({error}); get it again") from error


def _zip_members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Member]:
    for member in members:
        if member.filename.rsplit("/", 1)[-1].startswith(".") or member.filename.startswith("__MACOSX/"):
            continue
        if member.flag_bits & 1:
            yield member.filename, ReadError("is encrypted; unpack it and add what it holds")
            continue
        try:
            with archive.open(member) as stream:
                yield member.filename, bounded(stream, member.file_size)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, EOFError) as error:
            yield member.filename, ReadError(f"cannot be unpacked ({error}); get the archive again")


def read_tar(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """Regular members of a tar, plain or compressed; links and devices are left out."""
    try:
        with tarfile.open(file.path, "r:*") as archive:
            root = file.item("document", (), title=Path(file.name).name)
            yield root
            yield from read_members(file, root, _tar_members(archive, Path(file.path).stat().st_size), options)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise ReadError(f"is a damaged tar ({error}); get it again") from error


def _tar_members(archive: tarfile.TarFile, packed: int) -> Iterator[Member]:
    total = 0
    for number, member in enumerate(archive):
        total += member.size
        if number >= MAX_MEMBERS:
            raise ReadError(f"has more than {MAX_MEMBERS} members; unpack it")
        check_members([(total, packed)])
        if member.isreg() and not member.name.rsplit("/", 1)[-1].startswith("."):
            stream = archive.extractfile(member)
            if stream is not None:
                yield member.name, bounded(stream, member.size)


def read_compressed(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A gzip, bzip2 or xz file: a tar inside, or one file."""
    opener = _OPENERS[file.media_type]
    packed = Path(file.path).stat().st_size
    try:
        with opener(file.path) as stream:
            head = stream.read(512)
        if head[257:262] == b"ustar":
            yield from read_tar(file, options)
            return
        with opener(file.path) as stream:
            content = bounded(stream, max(SMALL, packed * MAX_RATIO))
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise ReadError(f"is a damaged compressed file ({error}); get it again") from error
    root = file.item("document", (), title=Path(file.name).name)
    yield root
    yield from read_members(file, root, [(Path(file.name).stem, content)], options)


def bounded(stream: IO[bytes], size: int) -> bytes:
    """All of a stream, which may not hold more than it said. Raises ReadError."""
    limit = min(size, MAX_UNPACKED)
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise ReadError("unpacks to more than it says: it looks like a bomb; unpack it, or leave it out")
    return content

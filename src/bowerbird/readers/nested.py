"""Files inside files: members of archives and attachments of messages, read by their own readers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath

from bowerbird.errors import BowerbirdError, ReadError
from bowerbird.items import Item
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.limits import MAX_DEPTH, TOO_DEEP

Member = tuple[str, bytes | ReadError]
"""Name inside, and content or why there is none."""


def read_members(file: SourceFile, root: Item, members: Iterable[Member], options: ReadOptions) -> Iterator[Item]:
    """The items of all members, below the root; a member that cannot be read is told in `skipped` of a last item.

    The root of a member becomes a child of the archive's root.
    """
    from bowerbird.readers import detect, read

    depth = (file.member or "").count("!/") + 1
    with tempfile.TemporaryDirectory(prefix="bowerbird-") as folder:
        for number, (name, content) in enumerate(members):
            # the name inside never becomes a path: only its ending is kept, for kinds of plain text
            path = Path(folder, f"{number}{PurePosixPath(name).suffix[:12]}")
            try:
                if isinstance(content, ReadError):
                    raise content
                file.budget.spend(len(content))
                path.write_bytes(content)
                media_type = detect(str(path))
                if depth > MAX_DEPTH:
                    raise ReadError(
                        f"lies deeper than {MAX_DEPTH} archives or messages; unpack it and add what it holds"
                    )
                digest = blake2b(content, digest_size=16).hexdigest()
                inner = file.inside(str(path), name, digest, media_type)
                for item in read(inner, options):
                    title = PurePosixPath(name).name if item.title == path.name else item.title
                    yield replace(item, parent=item.parent or root.id, title=title)
            except (BowerbirdError, OSError, ValueError, RecursionError) as error:
                why = TOO_DEEP if isinstance(error, RecursionError) else str(error)
                yield file.inside(str(path), name, file.digest, "").item(
                    "document", (), parent=root.id, title=PurePosixPath(name).name, metadata={"skipped": why}
                )
                if depth > MAX_DEPTH or file.budget.left < 0:
                    return  # one line for all that lie there
            finally:
                path.unlink(missing_ok=True)

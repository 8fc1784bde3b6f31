"""Items as rows of the one narrow table, and back. Pictures stay outside: a row names a pack and a slot in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bowerbird.items import Audio, Image, Item, Locator, Part, Table, Text, Video

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FileInfo:
    """The file that a row came from."""

    path: str
    """Absolute, to find the file again."""
    digest: str
    size: int
    modified: float


@cache
def schema() -> pa.Schema:
    """Columns of items.lance."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("parent", pa.string()),
            pa.field("source", pa.string(), nullable=False),
            pa.field("member", pa.string()),
            pa.field("page", pa.int32()),
            pa.field("box", pa.list_(pa.float32())),
            pa.field("chars", pa.list_(pa.int64())),
            pa.field("rows", pa.list_(pa.int64())),
            pa.field("start", pa.float64()),
            pa.field("end", pa.float64()),
            pa.field("title", pa.string()),
            pa.field("date", pa.string()),
            pa.field("author", pa.string()),
            pa.field("language", pa.string()),
            pa.field("metadata", pa.string()),
            pa.field("parts", pa.string()),
            pa.field("path", pa.string(), nullable=False),
            pa.field("digest", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("modified", pa.float64(), nullable=False),
            pa.field("pack", pa.string(), nullable=False),
            pa.field("slot", pa.int32(), nullable=False),
        ]
    )


def to_row(item: Item, file: FileInfo, language: str, slot: int) -> dict[str, Any]:
    """A row without its pack, which is known when the batch is written."""
    place = item.locator
    return {
        "id": item.id,
        "kind": item.kind,
        "parent": item.parent,
        "source": storable(place.source),
        "member": _storable(place.member),
        "page": place.page,
        "box": place.box,
        "chars": place.chars,
        "rows": place.rows,
        "start": place.start,
        "end": place.end,
        "title": _storable(item.title),
        "date": item.metadata.get("date"),
        "author": _storable(item.metadata.get("author")),
        "language": item.metadata.get("language") or language or None,
        "metadata": json.dumps(dict(item.metadata), ensure_ascii=True, default=str),
        "parts": json.dumps([_part_to_json(part) for part in item.parts], ensure_ascii=True),
        "path": storable(file.path),
        "digest": file.digest,
        "size": file.size,
        "modified": file.modified,
        "slot": slot,
    }


def storable(text: object) -> str:
    """Text as UTF-8 can hold it; undecodable bytes of file names become escapes."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _storable(text: Any) -> str | None:
    return None if text is None else storable(text)


def _part_to_json(part: Part) -> dict[str, Any]:
    match part:
        case Text(text, role, level):
            return {"text": text, "role": role, "level": level}
        case Table(rows, header, caption):
            return {"table": rows, "header": header, "caption": caption}
        case Image(_, alt):
            return {"image": alt}
        case Audio(_, start, end):
            return {"audio": [start, end]}
        case Video(_, start, end):
            return {"video": [start, end]}


def from_row(row: dict[str, Any], thumbnail: bytes | None) -> Item:
    """The item of a row; its pictures are the stored thumbnail."""
    path = row["path"]
    locator = Locator(
        row["source"],
        row["member"],
        row["page"],
        _tuple(row["box"], 4),
        _tuple(row["chars"], 6),
        _tuple(row["rows"], 6),
        row["start"],
        row["end"],
    )
    parts = tuple(_part_from_json(part, path, thumbnail) for part in json.loads(row["parts"]))
    return Item(row["id"], row["kind"], parts, locator, row["parent"], row["title"] or "", json.loads(row["metadata"]))


def _tuple(values: Sequence[float] | None, digits: int) -> Any:
    return None if values is None else tuple(round(v, digits) if isinstance(v, float) else v for v in values)


def _part_from_json(part: dict[str, Any], path: str, thumbnail: bytes | None) -> Part:
    if "text" in part:
        return Text(part["text"], part["role"], part["level"])
    if "table" in part:
        return Table(tuple(tuple(row) for row in part["table"]), tuple(part["header"]), part["caption"])
    if "image" in part:
        return Image(thumbnail or b"", part["image"])
    if "audio" in part:
        return Audio(path, *part["audio"])
    return Video(path, *part["video"])

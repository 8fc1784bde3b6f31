"""JSON and JSON lines: one passage per record, or per piece of a large value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.limits import TOO_DEEP
from bowerbird.readers.passages import cut
from bowerbird.readers.text import decode, passage_item

MAX_RECORDS = 1_000_000
TITLES = ("title", "name", "headline", "subject", "id", "_id")


def read_json(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A list gives a record per entry, anything else is one record."""
    try:
        value = json.loads(decode(file.path))
    except RecursionError as error:
        raise ReadError(TOO_DEEP) from error
    except ValueError as error:
        why = str(error).split(";")[0]  # what follows is advice to programmers
        raise ReadError(f"is no valid JSON ({why}); check it with a JSON tool") from error
    yield from _records(file, value if isinstance(value, list) else [value], options)


def read_json_lines(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A record per line. A malformed line is named, and the others are read."""
    records, bad = [], []
    for number, line in enumerate(decode(file.path).split("\n"), 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError):
                bad.append(number)
    if not records:
        raise ReadError(f"is no valid JSON lines: line {bad[0] if bad else 1} cannot be read")
    yield from _records(file, records, options, bad)


def _records(
    file: SourceFile, records: list[Any], options: ReadOptions, bad: list[int] | None = None
) -> Iterator[Item]:
    metadata: dict[str, Any] = {"records": len(records), **({"malformed_lines": bad[:100]} if bad else {})}
    root = file.item("document", (), title=Path(file.name).name, metadata=metadata)
    yield root
    for number, record in enumerate(records[:MAX_RECORDS], 1):
        title = _title(record) or root.title
        blocks = [Block(Text(line)) for line in _lines(record)]
        for passage in cut(blocks, options):
            item = passage_item(file, passage, root.id, title)
            yield file.item(
                "passage", item.parts, parent=root.id, title=title, metadata=dict(item.metadata), rows=(number, number)
            )


def _title(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    return next((str(record[key]) for key in TITLES if isinstance(record.get(key), str | int)), "")


def _lines(value: Any) -> list[str]:
    """'path.to.key: value' for every leaf, in order; iterative, as nesting may be deep."""
    lines: list[str] = []
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, here = stack.pop()
        if isinstance(here, dict):
            stack.extend((f"{path}.{key}" if path else str(key), inner) for key, inner in reversed(list(here.items())))
        elif isinstance(here, list) and any(isinstance(inner, dict | list) for inner in here):
            stack.extend((f"{path}[{at}]", inner) for at, inner in reversed(list(enumerate(here))))
        elif isinstance(here, list):
            lines.append(f"{path}: {', '.join(map(str, here))}")
        elif here is not None and here != "":
            lines.append(f"{path}: {here}" if path else str(here))
    return lines

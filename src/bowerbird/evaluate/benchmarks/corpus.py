"""Items and queries as benchmarks need them: the id of an item is its id in the qrels, media are only named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmarks.lines import Record
from bowerbird.items import Audio, Image, Item, Locator, Part, Query, Text, Video
from bowerbird.readers import read, source_file
from bowerbird.readers.base import ReadOptions
from bowerbird.readers.blocks import Block
from bowerbird.readers.passages import cut

OPTIONS = ReadOptions()


def document(name: str, text: str, title: str = "", metadata: Mapping[str, Any] | None = None) -> Iterator[Item]:
    """A text, cut at its lines."""
    return article(name, [Text(line) for line in text.split("\n") if line.strip()], title, metadata)


def article(
    name: str, parts: Sequence[Part], title: str = "", metadata: Mapping[str, Any] | None = None
) -> Iterator[Item]:
    """A passage, or if it is too long for one, a document and its passages, whose ids end in #0, #1, ..."""
    passages = cut([Block(part) for part in parts or [Text(title or "-")]], OPTIONS)
    place = Locator(name)
    if len(passages) == 1:
        yield Item(name, "passage", passages[0].parts, place, None, title, metadata or {})
        return
    yield Item(name, "document", (), place, None, title, metadata or {})
    for number, passage in enumerate(passages):
        yield Item(f"{name}#{number}", "passage", passage.parts, place, name, title)


def picture(name: str, path: Path | bytes, text: str = "", metadata: Mapping[str, Any] | None = None) -> Item:
    """A picture by its path or bytes, with words that belong to it."""
    parts: tuple[Part, ...] = (Image(path if isinstance(path, bytes) else str(path)),)
    return Item(name, "image", (*parts, Text(text)) if text else parts, Locator(name), metadata=metadata or {})


def sound(name: str, path: Path, metadata: Mapping[str, Any] | None = None) -> Item:
    return Item(name, "segment", (Audio(str(path)),), Locator(name), metadata=metadata or {})


def clip(name: str, video: str, path: Path, start: float = 0.0, end: float | None = None) -> Item:
    """A stretch of the video of that name; to its end if `end` is None."""
    return Item(name, "shot", (Video(str(path), start, end),), Locator(video, start=start, end=end))


def pictures(folder: Path, names: Iterable[str], pattern: str = "{}") -> Iterator[Item]:
    """One picture a name, each name once, in the order of the names."""
    for name in dict.fromkeys(names):
        yield picture(name, folder / pattern.format(name))


def with_picture(path: Path, text: str, instruction: str = "") -> Query:
    """Asked by a picture and, where there are some, words."""
    parts: tuple[Part, ...] = (Image(str(path)),)
    return Query((*parts, Text(text)) if text else parts, instruction)


def image_of(folder: Path, record: Record, field: str) -> tuple[Image, ...]:
    """The picture of a field, if it has one: a path below the folder, or bytes as hubs pack them into tables."""
    value = record.values.get(field)
    if value is None or value == "":
        return ()
    if isinstance(value, dict) and value.get("bytes") is not None:
        return (Image(record.record(field).data("bytes")),)
    path = record.record(field).text("path") if isinstance(value, dict) else record.text(field)
    return (Image(str(folder / path)),)


def unique(into: Mapping[str, Any], name: str, where: str) -> str:
    """The name, if it is not taken: two queries of one id would be counted as one."""
    if name in into:
        raise BenchmarkError(f"{where}: id {name!r} is there twice")
    return name


def known(queries: Mapping[str, Query], judged: Iterable[str], where: Path) -> None:
    """Every judged query must have been read, or figures would be of fewer queries than published."""
    unknown = [name for name in judged if name not in queries]
    if unknown:
        raise BenchmarkError(f"{where}: judges {len(unknown)} queries that are not asked, such as {unknown[0]!r}")


def pdf_pages(path: Path) -> Iterator[Item]:
    """The pages of a PDF as NAME#PAGE with pages from 0, as page benchmarks count; passages are their children."""
    if not path.is_file():
        raise BenchmarkError(f"no file {path}: 'bowerbird benchmarks' says where the benchmark is had")
    for item in read(source_file(str(path), path.name), replace(OPTIONS, ocr=False)):
        name = f"{path.name}#{(item.locator.page or 0) - 1}"
        if item.kind == "page":
            yield replace(item, id=name, parent=None)
        elif item.kind != "document" and item.locator.page:
            yield replace(item, parent=name)

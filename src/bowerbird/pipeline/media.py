"""Queries that hold a recording or a film, put into parts that the collection's encoders understand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from bowerbird import readers
from bowerbird.collection.snapshot import Snapshot
from bowerbird.encoders.base import Input
from bowerbird.errors import BowerbirdError
from bowerbird.items import Audio, Image, Item, Part, Query, Text, Video
from bowerbird.readers.base import ReadOptions


def understood(snapshot: Snapshot) -> frozenset[Input]:
    """What some field's encoder takes as it is."""
    return frozenset().union(*(snapshot.encoder(field).inputs for field in snapshot.fields))


def expand(query: Query, inputs: frozenset[Input]) -> Query:
    """A film becomes its key frames and what is said in it; a sound becomes what is said in it.

    Parts that an encoder takes directly stay as they are.
    Raises BowerbirdError if a sound holds no words and no encoder takes sound.
    """
    if not any(isinstance(part, Audio | Video) for part in query.parts):
        return query
    parts: list[Part] = []
    for part in query.parts:
        if isinstance(part, Video) and "video" not in inputs:
            parts += _key_frames_and_words(part)
        elif isinstance(part, Audio) and "audio" not in inputs:
            parts += _spoken_words(part)
        else:
            parts.append(part)
    return replace(query, parts=tuple(parts))


def _key_frames_and_words(part: Video) -> list[Part]:
    shots = [item for item in _items(part) if item.kind == "shot"]
    found: list[Part] = [inner for shot in shots for inner in shot.parts if isinstance(inner, Image | Text)]
    if not found:
        raise BowerbirdError(f"nothing to search with: {_name(part)} has no picture and no words; try another stretch")
    return found


def _spoken_words(part: Audio) -> list[Part]:
    words: list[Part] = [
        inner for item in _items(part) if item.kind == "segment" for inner in item.parts if isinstance(inner, Text)
    ]
    if not words:
        raise BowerbirdError(
            f"nothing to search with: no words were recognised in {_name(part)}; install 'bowerbird[speech]' "
            "for speech, or open the collection with an encoder of sounds (see docs/encoders.md)"
        )
    return words


def _items(part: Audio | Video) -> Iterator[Item]:
    """The items of the recording that lie in the part's stretch of time."""
    if isinstance(part.source, bytes):
        with NamedTemporaryFile(suffix=".bin") as file:
            file.write(part.source)
            file.flush()
            yield from _items(replace(part, source=file.name))
        return
    file_items = readers.read(readers.source_file(part.source, part.source), ReadOptions())
    end = float("inf") if part.end is None else part.end
    for item in file_items:
        start, stop = item.locator.start or 0.0, item.locator.end
        if start < end and (stop is None or stop > part.start):
            yield item


def _name(part: Audio | Video) -> str:
    return Path(part.source).name if isinstance(part.source, str) else "the recording"

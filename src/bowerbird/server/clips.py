"""Sounds and clips of a query, read in a process of their own (isolated.py) into parts that encoders take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from bowerbird.encoders.base import Input
from bowerbird.errors import BowerbirdError
from bowerbird.items import Audio, Parts, Query, Video
from bowerbird.pipeline.media import expand
from bowerbird.readers.media import about, film, opened, sound
from bowerbird.server.isolated import isolated


def read_clip(content: bytes, kind: Literal["audio", "video"], inputs: frozenset[Input], seconds: float) -> Parts:
    """The parts of a query that a sound or clip stands for: itself where an encoder takes it, else what is seen and
    said in it. Raises BowerbirdError if it is no recording, or longer than `seconds`."""
    with NamedTemporaryFile(suffix=".bin") as file:
        file.write(content)
        file.flush()
        try:
            parts = isolated(clip_parts, file.name, kind, inputs, seconds)
        except BowerbirdError as error:
            raise type(error)(str(error).replace(file.name, "the clip").replace(Path(file.name).name, "the clip")) \
                from None  # fmt: skip
    return tuple(replace(part, source=content) if isinstance(part, Audio | Video) else part for part in parts)


def clip_parts(path: str, kind: Literal["audio", "video"], inputs: frozenset[Input], seconds: float) -> Parts:
    """As `read_clip`, of a file; a part that stays as it is names the file."""
    with opened(path, "the clip") as container:
        known = about(container).seconds
        moving = film(container) is not None
        if not known:  # a header that says nothing: what can be decoded says it
            known = sum(len(piece) for piece in sound(container, seconds + 1)) / 16_000
    if known > seconds:
        raise BowerbirdError(f"the clip lasts {known:.0f} s, the limit is {seconds:.0f} s; cut it")
    if kind == "video" and not moving:
        raise BowerbirdError("the clip has no moving pictures; send it as audio")
    part = Video(path) if kind == "video" else Audio(path)
    return expand(Query((part,)), inputs).parts

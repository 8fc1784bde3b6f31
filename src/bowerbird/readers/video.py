"""Films: shots with a poster each, subtitles, and what is said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bowerbird.errors import ReadError
from bowerbird.items import Image, Item, Part, Text, Video
from bowerbird.readers import subtitles
from bowerbird.readers.audio import heard, read_audio
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.media import about, film, metadata, opened, pictures, title_of
from bowerbird.readers.shots import SMALL, Look, Shot, find_shots
from bowerbird.readers.speech import Said, words_between

PER_SECOND = 5.0


def read_video(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document and its shots: poster, subtitles, transcript (with the extra 'speech').

    A container that holds only sound is read as a recording.
    """
    with opened(file.path, file.name) as container:
        moving = film(container) is not None
        silent = not container.streams.audio
        known = about(container)
        lines = subtitles.inside(container) if moving else []
        looks = [_look(seconds, frame) for seconds, frame in options.beating(pictures(container, PER_SECOND))]
    if not moving:
        yield from read_audio(file, options)
        return
    if not looks:
        raise ReadError("holds no picture that can be decoded; get it again")
    lines = lines or (subtitles.beside(file.path) if file.member is None else [])
    said = [] if silent else heard(file, options)
    seconds = known.seconds or looks[-1].seconds
    title = title_of(known, file.name.rsplit("/", 1)[-1])
    root = file.item("document", (), title=title, metadata={**metadata(known), "seconds": round(seconds, 2)})
    yield root
    shots = find_shots(looks, seconds)
    for shot, poster in zip(shots, posters(file, [shot.poster for shot in shots], options), strict=True):
        yield _item(file, root, shot, poster, lines, said)


def _look(seconds: float, frame: Any) -> Look:
    small = frame.to_ndarray(format="rgb24", width=SMALL[0], height=SMALL[1])
    return Look(seconds, small.astype(np.float32) / 255)


def posters(file: SourceFile, times: list[float], options: ReadOptions) -> Iterator[Image]:
    """The frames at some times, in order, upright, in one more pass over the film."""
    with opened(file.path, file.name) as container:
        waiting = sorted(times)
        last: Any = None
        for seconds, frame in options.beating(pictures(container, PER_SECOND)):
            last = frame
            while waiting and seconds >= waiting[0] - 1e-3:
                waiting.pop(0)
                yield _picture(frame, options)
        for _ in waiting:
            yield _picture(last, options)


def _picture(frame: Any, options: ReadOptions) -> Image:
    picture = frame.to_image()
    if frame.rotation:
        picture = picture.rotate(frame.rotation, expand=True)
    return Image.from_pil(picture, side=options.preview_side)


def _item(file: SourceFile, root: Item, shot: Shot, poster: Image, lines: list[Said], said: list[Said]) -> Item:
    parts: list[Part] = [Video(file.path, shot.start, shot.end), poster]
    written, spoken = words_between(lines, shot.start, shot.end), words_between(said, shot.start, shot.end)
    if written:
        parts.append(Text(written, "subtitle"))
    if spoken:
        parts.append(Text(spoken, "transcript"))
    return file.item("shot", parts, parent=root.id, title=root.title, start=shot.start, end=shot.end)

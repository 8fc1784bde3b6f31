"""Where a recording can be cut: at its silences."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.readers.media import RATE

FRAME = RATE // 20
"""Samples per loudness value: 50 ms."""
FLOOR = -50.0
"""dB relative to full scale below which a frame is silent whatever the rest is like."""
BELOW_SPEECH = 30.0
"""dB below the loud parts that count as silence too."""
SHORTEST_PAUSE = 0.4
SHORTEST, LONGEST = 5.0, 30.0
"""Seconds of a segment, if the recording allows."""


@dataclass(frozen=True, slots=True)
class Stretch:
    start: float
    end: float


def loudness(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """dB relative to full scale per 50 ms of a stream of samples."""
    rest, levels = np.zeros(0, np.float32), []
    for piece in pieces:
        joined = np.concatenate([rest, piece])
        whole = len(joined) // FRAME * FRAME
        if whole:
            levels.append(_level(joined[:whole].reshape(-1, FRAME)))
        rest = joined[whole:]
    if len(rest):
        levels.append(_level(rest.reshape(1, -1)))
    return np.concatenate(levels) if levels else np.zeros(0, np.float32)


def _level(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    level: NDArray[np.float32] = (10 * np.log10(power + 1e-12)).astype(np.float32)
    return level


def segments(levels: NDArray[np.float32], marks: Sequence[float] = ()) -> list[Stretch]:
    """Stretches with sound, 5 to 30 seconds long where possible, cut at pauses and at `marks` (chapters, seconds)."""
    sounding = levels > max(FLOOR, float(np.percentile(levels, 95)) - BELOW_SPEECH) if len(levels) else levels > 0
    pieces = _runs(sounding)
    found: list[Stretch] = []
    for piece in (part for run in pieces for part in _divided(run, levels, marks)):
        near = found and piece.start - found[-1].end < 2 * SHORTEST_PAUSE + 1
        marked = any(found and found[-1].end <= mark + 0.05 and mark - 0.05 <= piece.start for mark in marks)
        short = found and min(found[-1].end - found[-1].start, piece.end - piece.start) < SHORTEST
        if near and short and not marked and piece.end - found[-1].start <= LONGEST:
            found[-1] = Stretch(found[-1].start, piece.end)
        else:
            found.append(piece)
    return found


def _runs(sounding: NDArray[np.bool_]) -> list[Stretch]:
    """Runs of sound; pauses shorter than SHORTEST_PAUSE do not end one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sounding.astype(np.int8), [0]])))
    runs: list[Stretch] = []
    for start, end in edges.reshape(-1, 2) * (FRAME / RATE):
        if runs and start - runs[-1].end < SHORTEST_PAUSE:
            runs[-1] = Stretch(runs[-1].start, float(end))
        else:
            runs.append(Stretch(float(start), float(end)))
    return runs


def _divided(run: Stretch, levels: NDArray[np.float32], marks: Sequence[float]) -> list[Stretch]:
    """A run cut at chapters, and where it is quietest if it is too long."""
    cuts = [run.start, *(mark for mark in sorted(marks) if run.start < mark < run.end), run.end]
    found: list[Stretch] = []
    for start, end in itertools.pairwise(cuts):
        while end - start > LONGEST:
            low, high = (int((start + at) * RATE / FRAME) for at in (LONGEST / 2, LONGEST))
            at = (low + int(np.argmin(levels[low:high]))) * FRAME / RATE
            found.append(Stretch(start, at))
            start = at
        found.append(Stretch(start, end))
    return found

"""The loudness of a recording, to be drawn. Runs isolated (isolated.py)."""

from __future__ import annotations

import numpy as np

from bowerbird.readers.media import about, opened

BINS = 240
WINDOW = 180.0
"""Seconds that are drawn at most; of longer recordings, those around the moment."""
MARGIN = 15.0
RATE = 8_000


def waveform(path: str, start: float, end: float | None) -> dict[str, object]:
    """schemas.Waveform around a moment. Raises ReadError if it is no recording or has no sound."""
    import av

    with opened(path, "the recording") as container:
        seconds = about(container).seconds or (end or start) + MARGIN
        first, last = window(start, end if end is not None else start, seconds)
        peaks = np.zeros(BINS, np.float32)
        if container.streams.audio:
            container.seek(int(first * av.time_base))
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            for frame in container.decode(container.streams.audio[0]):
                if (frame.time or 0.0) > last:
                    break
                at = float(frame.time or 0.0)
                for piece in resampler.resample(frame):
                    samples = np.abs(np.nan_to_num(piece.to_ndarray().reshape(-1)))
                    times = at + np.arange(len(samples)) / RATE
                    bins = ((times - first) / (last - first) * BINS).astype(np.int64)
                    inside = (bins >= 0) & (bins < BINS)
                    np.maximum.at(peaks, bins[inside], samples[inside])
    loudest = float(peaks.max()) or 1.0
    return {"start": first, "end": last, "peaks": [round(float(peak) / loudest, 3) for peak in peaks]}


def window(start: float, end: float, seconds: float) -> tuple[float, float]:
    """The stretch to draw: all of a short recording, else the moment with some seconds around it."""
    if seconds <= WINDOW:
        return 0.0, max(seconds, 0.1)
    first = max(0.0, start - MARGIN)
    return first, min(seconds, max(first + 1, min(end + MARGIN, first + WINDOW)))

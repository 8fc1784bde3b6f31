"""A stretch of a sound file → samples, as audio models take them."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import ReadError
from bowerbird.items import Audio

MAX_SECONDS = 600.0
"""What lies beyond is not heard; readers cut recordings into far shorter segments."""


def decode(sound: Audio, rate: int) -> NDArray[np.float32]:
    """One channel at `rate` samples per second, -1 to 1. Silent or empty stretches give no samples.

    Raises ReadError if the bytes are no sound.
    """
    import av

    name = sound.source if isinstance(sound.source, str) else f"{len(sound.source)} bytes"
    end = min(sound.start + MAX_SECONDS, MAX_SECONDS + sound.start if sound.end is None else sound.end)
    pieces: list[NDArray[np.float32]] = []
    heard = 0
    limit = max(0, round((end - sound.start) * rate))
    try:
        source = sound.source if isinstance(sound.source, str) else io.BytesIO(sound.source)
        with av.open(source, metadata_errors="replace") as file:
            stream = file.streams.audio[0]
            resample = av.AudioResampler("flt", "mono", rate)
            if sound.start > 0:
                file.seek(int(sound.start / float(stream.time_base)), stream=stream)
            for frame in file.decode(stream):
                if frame.time is not None and frame.time >= end:
                    break
                began = frame.time if frame.time is not None else sound.start
                for piece in resample.resample(frame):
                    samples = piece.to_ndarray()[0]
                    early = max(0, round((sound.start - began) * rate)) if not pieces else 0
                    pieces.append(samples[early:])
                    heard += len(pieces[-1])
                if heard >= limit:
                    break
    except Exception as error:
        raise ReadError(f"not a readable sound: {name} ({error})") from error
    return np.concatenate(pieces)[:limit] if pieces else np.zeros(0, np.float32)

"""Where a film cuts from one shot to the next."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALL = (32, 18)
BINS = 8
SHORTEST, LONGEST = 0.7, 20.0
"""Seconds of a shot; longer ones are divided evenly."""
CUT = 0.35
"""Change between neighbouring frames, 0 to 1, that makes a cut, if it also stands out from its surroundings."""
STANDS_OUT = 3.0


@dataclass(frozen=True, slots=True)
class Look:
    """A frame made small: colours, and how sharp it is."""

    seconds: float
    pixels: NDArray[np.float32]
    """18 × 32 × 3, 0 to 1."""

    @property
    def sharpness(self) -> float:
        grey = self.pixels.mean(axis=2)
        return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


@dataclass(frozen=True, slots=True)
class Shot:
    start: float
    end: float
    poster: float
    """When its most telling frame is shown."""


def find_shots(looks: Sequence[Look], end: float) -> list[Shot]:
    """Shots of a film from frames sampled evenly over it."""
    if not looks:
        return []
    times = [look.seconds for look in looks]
    cuts = [0, *_cuts(looks), len(looks)]
    shots = []
    for first, last in itertools.pairwise(cuts):
        start = 0.0 if first == 0 else times[first]
        stop = times[last] if last < len(looks) else max(end, times[-1])
        pieces = max(1, int(np.ceil((stop - start) / LONGEST)))
        bounds = np.linspace(start, stop, pieces + 1)
        for low, high in itertools.pairwise(bounds):
            mine = looks[max(first, bisect_left(times, low)) : min(last, bisect_left(times, high))] or [looks[first]]
            shots.append(Shot(round(float(low), 3), round(float(high), 3), _poster(mine)))
    return shots


def _cuts(looks: Sequence[Look]) -> list[int]:
    """Numbers of the frames that begin a new shot."""
    change = np.array([_difference(one, other) for one, other in itertools.pairwise(looks)])
    found: list[int] = []
    for at, amount in enumerate(change):
        around = np.concatenate([change[max(0, at - 6) : at], change[at + 1 : at + 7]])
        usual = float(np.median(around)) if len(around) else 0.0
        far_enough = looks[at + 1].seconds - looks[found[-1] if found else 0].seconds >= SHORTEST
        if amount > CUT and amount > STANDS_OUT * usual and far_enough:
            found.append(at + 1)
    return found


def _difference(one: Look, other: Look) -> float:
    """0 for equal frames, about 1 for unlike ones: colours anywhere, and colours in place."""
    colours = 0.5 * np.abs(_histogram(one) - _histogram(other)).sum()
    in_place = np.abs(one.pixels - other.pixels).mean() * 3
    return float(0.6 * colours + 0.4 * min(in_place, 1.0))


def _histogram(look: Look) -> NDArray[np.float64]:
    codes = (look.pixels * (BINS - 1e-3)).astype(np.int64)
    flat = codes[..., 0] * BINS * BINS + codes[..., 1] * BINS + codes[..., 2]
    return np.bincount(flat.reshape(-1), minlength=BINS**3).astype(np.float64) / flat.size


def _poster(looks: Sequence[Look]) -> float:
    """The sharpest frame of the middle half."""
    quarter = len(looks) // 4
    middle = looks[quarter : len(looks) - quarter] or looks
    return max(middle, key=lambda look: look.sharpness).seconds

"""What a search sees of an index at one time: segments, and which of their documents are left.

A bitmap of the documents that are left lies beside a segment, in a file that is named after its bytes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import CollectionError
from bowerbird.index.multivector.search import Mask
from bowerbird.index.multivector.segment import Segment
from bowerbird.storage.files import write_atomically

TIER = 8
"""Segments of like size that are merged into one."""


@dataclass(frozen=True)
class State:
    """alive: per segment which documents are left, None for all."""

    segments: tuple[Segment, ...]
    alive: tuple[Mask | None, ...]

    def __len__(self) -> int:
        pairs = zip(self.segments, self.alive, strict=True)
        return sum(len(segment) if alive is None else int(alive.sum()) for segment, alive in pairs)

    def without(self, keys: NDArray[np.int64]) -> State:
        """The same when some keys are gone."""
        pairs = zip(self.segments, self.alive, strict=True)
        return State(self.segments, tuple(_without(segment, alive, keys) for segment, alive in pairs))

    def usable(self, allowed: Mask | None) -> list[Mask | None]:
        """Per segment the documents that may be found. allowed: a mask over keys."""
        pairs = zip(self.segments, self.alive, strict=True)
        return [alive if allowed is None else _allowed(segment, alive, allowed) for segment, alive in pairs]

    def mask(self, at: int) -> Mask:
        """What is left in a segment."""
        alive = self.alive[at]
        return np.ones(len(self.segments[at]), bool) if alive is None else alive

    def tier(self) -> list[int]:
        """Segments to merge: TIER or more whose sizes lie within a power of TIER; or one that is mostly deleted."""
        by_tier: dict[int, list[int]] = {}
        for at, segment in enumerate(self.segments):
            by_tier.setdefault(int(np.log(max(len(segment), 1)) / np.log(TIER)), []).append(at)
            if self.mask(at).sum() * 2 < len(segment):
                return [at]
        return next((places for places in by_tier.values() if len(places) >= TIER), [])


def _allowed(segment: Segment, alive: Mask | None, allowed: Mask) -> Mask:
    inside = segment.keys < len(allowed)
    mask = np.zeros(len(segment), bool)
    mask[inside] = allowed[segment.keys[inside]]
    return mask if alive is None else mask & alive


def _without(segment: Segment, alive: Mask | None, keys: NDArray[np.int64]) -> Mask | None:
    gone = np.isin(segment.keys, keys)
    if not gone.any():
        return alive
    return ~gone if alive is None else alive & ~gone


def write_alive(folder: Path, alive: Mask | None) -> str:
    """A file of bits, one per document; empty where nothing is deleted. The file that is there already is kept."""
    if alive is None:
        return ""
    packed = np.packbits(alive).tobytes()
    name = _name(packed, len(alive))
    if not (folder / name).exists():
        write_atomically(folder / name, packed)
    return name


def read_alive(folder: Path, name: str) -> Mask | None:
    """Raises CollectionError if the file is missing or its bytes are not those of its name."""
    if not name:
        return None
    count = int(name.rsplit("-", 1)[1].split(".")[0])
    try:
        packed = (folder / name).read_bytes()
    except OSError as error:
        raise CollectionError(f"{folder / name} cannot be read ({error}); build the index again") from error
    if len(packed) != -(-count // 8) or name != _name(packed, count):
        raise CollectionError(f"{folder / name} is damaged; build the index again")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(bool)


def _name(packed: bytes, count: int) -> str:
    return f"{uuid.uuid5(uuid.NAMESPACE_OID, packed.hex()).hex}-{count}.alive"

"""A segment as an index holds it: what is left of its rows, and the files that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.index.base import Keys, Mask
from bowerbird.index.drafts import Draft
from bowerbird.index.tiers import one_tier
from bowerbird.storage.packs import Pack

Arrays = Mapping[str, NDArray[Any]]


class Segment(Protocol):
    """Some vectors, written once. arrays: all that has to be kept, among them `keys`."""

    @property
    def keys(self) -> Keys: ...

    @property
    def arrays(self) -> Arrays: ...


S = TypeVar("S", bound=Segment)


@dataclass(frozen=True)
class Held(Generic[S]):
    """A segment and which of its rows are left, all if None. name, mask: their files, empty where there are none.

    pack: what the segment was mapped from, None in memory.
    """

    segment: S
    alive: Mask | None = None
    name: str = ""
    mask: str = ""
    pack: Pack | None = None

    def __len__(self) -> int:
        return len(self.segment.keys) if self.alive is None else int(np.count_nonzero(self.alive))

    @property
    def left(self) -> Mask:
        return np.ones(len(self.segment.keys), bool) if self.alive is None else self.alive

    @property
    def keys(self) -> Keys:
        return self.segment.keys if self.alive is None else self.segment.keys[self.alive]

    def without(self, keys: Keys) -> Held[S]:
        gone = self.left & np.isin(self.segment.keys, keys)
        return replace(self, alive=self.left & ~gone, mask="") if gone.any() else self

    def verify(self) -> None:
        """Before its arrays are written again: damaged, they would get a digest that fits their wrong bytes.

        Raises CollectionError if they are not what was written.
        """
        if self.pack is not None:
            self.pack.verify()

    def usable(self, allowed: Mask | None) -> Mask | None:
        """The rows that a search may find, None for all. allowed: a mask over keys.

        Raises ValueError if it is something else, such as a list of keys.
        """
        if allowed is None:
            return self.alive
        if allowed.dtype != bool or allowed.ndim != 1:
            raise ValueError(
                f"allowed is a mask over keys, true where one may be found; got {allowed.dtype}, shape {allowed.shape}"
            )
        inside = self.segment.keys < len(allowed)
        mask = np.zeros(len(inside), bool)
        mask[inside] = allowed[self.segment.keys[inside]]
        return mask if self.alive is None else mask & self.alive


def to_merge(held: Sequence[Held[S]]) -> list[Held[S]]:
    """One segment that is mostly deleted; or the segments of a tier that has TIER of them, small ones first."""
    return [held[number] for number in one_tier([(len(one), len(one.segment.keys)) for one in held])]


def with_mask(one: Held[S], new: Draft) -> Held[S]:
    """With its mask written."""
    if one.alive is None or one.mask:
        return one
    return replace(one, mask=new.write({"alive": np.packbits(one.alive)}))

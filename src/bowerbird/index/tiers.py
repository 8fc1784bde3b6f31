"""When small segments are merged: as soon as there are several of about one size (size-tiered, as in LSM trees)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TIER = 4
"""Segments of about one size that are merged into one; sizes are about the same within this factor."""
SMALL = 64
"""Segments up to this size are of one tier, as most additions are small."""


def one_tier(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """The numbers of segments to merge: one that is mostly deleted, or those of a full tier, small ones first.

    sizes: per segment how many rows are left of how many.
    """
    tiers: dict[int, list[int]] = {}
    for number, (left, rows) in enumerate(sizes):
        if 2 * left < rows:
            return [number]
        tiers.setdefault(int(np.log(max(left / SMALL, 1)) / np.log(TIER)), []).append(number)
    return next((tiers[tier] for tier in sorted(tiers) if len(tiers[tier]) >= TIER), [])

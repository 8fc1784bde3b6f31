"""Memory of a process that lives long and works in many threads."""

from __future__ import annotations

import ctypes
import sys

ARENA_MAX, MMAP_THRESHOLD = -8, -3
"""Parameters of glibc's mallopt."""
ARENAS = 2
LARGE = 1 << 20
"""Bytes from which a block goes back to the system when it is freed."""


def keep_small() -> None:
    """Give freed memory back; call before threads start. Does nothing where the C library is not glibc.

    glibc gives threads pools of their own and raises its limit for large blocks with every one that is freed, so the
    arrays of versions that nobody searches any more stay with the process. On 100,000 items that grow, this leaves
    920 MB where it was 1,160 (benchmarks/server.py), at the same speed.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(ARENA_MAX, ARENAS)
        mallopt(MMAP_THRESHOLD, LARGE)

"""Packs that nothing refers to: left by a crash before its commit, or by files that were replaced or taken out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from bowerbird.errors import CollectionError


def drop_orphans(folder: Path, versions: Iterable[Any], grace: timedelta) -> None:
    """Delete packs that are older than `grace` and that no row of these versions names.

    versions: every dataset that can still be opened, newest first. Only for the holder of the writer's lock: a pack
    that a writer has not committed yet looks like an orphan. If a version cannot be read, everything stays.
    """
    latest = time.time() - grace.total_seconds()
    orphans = {path.name: path for path in folder.glob("*.pack*") if path.stat().st_mtime <= latest}
    seen: set[str] = set()
    try:
        for dataset in versions:
            for name in _packs_of(dataset, seen):
                orphans.pop(name, None)
            if not orphans:
                return
    except (OSError, ValueError, CollectionError):
        return
    for path in orphans.values():
        with suppress(OSError):
            path.unlink()


def _packs_of(dataset: Any, seen: set[str]) -> set[str]:
    """Packs that live rows of a version name; fragments that another version showed in the same state are skipped."""
    used: set[str] = set()
    for fragment in dataset.get_fragments():
        state = f"{fragment.fragment_id} {fragment.metadata.files} {fragment.metadata.deletion_file}"
        if state not in seen:
            seen.add(state)
            used.update(fragment.to_table(columns=["pack"])["pack"].unique().to_pylist())
    return used

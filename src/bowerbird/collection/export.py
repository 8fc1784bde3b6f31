"""A collection as files that any program reads."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bowerbird.collection.snapshot import Snapshot

BATCH = 1000


def export(snapshot: Snapshot, folder: Path) -> int:
    """items.jsonl with one item per line, which names its file in pictures/. How many items were written."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w", encoding="utf8") as file:
        for start in range(0, len(snapshot), BATCH):
            rows = np.arange(start, min(start + BATCH, len(snapshot)))
            for row, item in zip(rows, snapshot.items(rows), strict=True):
                picture = snapshot.thumbnail(int(row))
                if picture:
                    (folder / _picture_name(item.id)).write_bytes(picture)
                line = {
                    "id": item.id,
                    "kind": item.kind,
                    "parent": item.parent,
                    "source": item.locator.source,
                    "locator": item.locator.place(),
                    "title": item.title,
                    "text": item.text,
                    "metadata": dict(item.metadata),
                    "picture": _picture_name(item.id) if picture else None,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(snapshot)


def _picture_name(id: str) -> str:
    """Where an item's picture is written: by its id, or by a digest of an id that could be a path."""
    plain = re.fullmatch(r"[A-Za-z0-9_-]{1,100}", id)
    return f"pictures/{id if plain else blake2b(id.encode(), digest_size=12).hexdigest()}.webp"

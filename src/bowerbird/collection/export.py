"""A collection as files that any program reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bowerbird.collection.snapshot import Snapshot

BATCH = 1000


def export(snapshot: Snapshot, folder: Path) -> int:
    """items.jsonl with one item per line, and pictures/ID.webp. How many items were written."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w", encoding="utf8") as file:
        for start in range(0, len(snapshot), BATCH):
            rows = np.arange(start, min(start + BATCH, len(snapshot)))
            for row, item in zip(rows, snapshot.items(rows), strict=True):
                picture = snapshot.thumbnail(int(row))
                if picture:
                    (pictures / f"{item.id}.webp").write_bytes(picture)
                line = {
                    "id": item.id,
                    "kind": item.kind,
                    "parent": item.parent,
                    "source": item.locator.source,
                    "locator": item.locator.place(),
                    "title": item.title,
                    "text": item.text,
                    "metadata": dict(item.metadata),
                    "picture": f"pictures/{item.id}.webp" if picture else None,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return len(snapshot)

"""A hit as other libraries want it: its words, a flat dictionary about it, and its picture."""

from __future__ import annotations

import base64
from typing import Any

from bowerbird.pipeline.results import Hit


def words_of(hit: Hit) -> str:
    """The text of the best place inside a hit; that of the whole page, photo or shot where the place has none."""
    return hit.best.text or hit.item.text


def facts_of(hit: Hit) -> dict[str, Any]:
    """Where a hit is from and how well it matched, beside the item's own metadata: JSON values only.

    id, source, title, modality, score, snippet, matched (score per source of evidence), and those of page, box, chars,
    rows, start, end and member that are known.
    """
    known = hit.to_json()
    mine = {name: known[name] for name in ("id", "source", "title", "modality", "score", "snippet", "matched")}
    return {**hit.item.metadata, **hit.best.metadata, **known["locator"], **mine}


def picture_of(hit: Hit) -> str:
    """The hit's small picture as base64 of WebP; empty where it has none."""
    return base64.b64encode(hit.thumbnail).decode() if hit.thumbnail else ""

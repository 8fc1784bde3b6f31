"""Places in words: 'page 3', '0:12–0:17'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def place_in_words(place: Mapping[str, Any]) -> str:
    """The parts of a locator that people read."""
    words = []
    if "member" in place:
        words.append(str(place["member"]))
    if "page" in place:
        words.append(f"page {place['page']}")
    if "rows" in place:
        words.append(f"rows {place['rows'][0]}–{place['rows'][1]}")
    if "start" in place:
        words.append(f"{clock(place['start'])}–{clock(place.get('end', place['start']))}")
    return ", ".join(words)


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

"""The weights that are shipped, and what identifies them; all are made by tools/build_weights.py."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


@cache
def _manifest() -> dict[str, str]:
    found: dict[str, str] = json.loads((files(__package__) / "manifest.json").read_text())
    return found


def fingerprint(name: str) -> str:
    """The BLAKE2b-128 hex digest of a shipped file, as recorded when it was built."""
    return _manifest()[name]

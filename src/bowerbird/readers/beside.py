"""Pictures that a document names: from data: addresses, or from files in the document's own folder; never fetched."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bowerbird.readers.base import SourceFile

MAX_BYTES = 30 << 20


def picture_beside(file: SourceFile, address: str) -> bytes | None:
    """The bytes of a picture that a document refers to; None unless it is inline or lies in or below its folder."""
    if address.startswith("data:image/"):
        head, _, data = address.partition(",")
        try:
            return base64.b64decode(data, validate=False) if head.endswith(";base64") else None
        except (binascii.Error, ValueError):
            return None
    try:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or file.member is not None:
            return None
        home = Path(file.path).resolve().parent
        target = (home / unquote(parts.path)).resolve()
        if not target.is_relative_to(home) or not target.is_file() or target.stat().st_size > MAX_BYTES:
            return None
        return target.read_bytes()
    except (OSError, ValueError):
        return None

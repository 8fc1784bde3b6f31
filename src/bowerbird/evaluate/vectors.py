"""Encoding what experiments encode again and again: vectors are kept on disk under a hash of encoder and content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bowerbird.embeddings import Dense
from bowerbird.encoders.base import Encoder
from bowerbird.items import Audio, Image, Parts, Video


def cache_folder() -> Path:
    """BOWERBIRD_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BOWERBIRD_CACHE") or Path(base) / "bowerbird")


def item_vectors(encoder: Encoder, batch: Sequence[Parts]) -> Dense:
    """As the dense vectors of `encoder.encode_items(batch)`, n × dim, from disk if they were made before.

    Raises ValueError for an encoder without dense vectors.
    """
    path = cache_folder() / "vectors" / f"{_key(encoder, batch)}.npy"
    if path.exists():
        return Dense(np.load(path))
    dense = encoder.encode_items(batch).dense
    if dense is None:
        raise ValueError(f"encoder {encoder.id} gives token vectors only, no dense ones")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.npy")
    np.save(part, dense.vectors)
    part.replace(path)
    return dense


def _key(encoder: Encoder, batch: Sequence[Parts]) -> str:
    digest = blake2b(str(encoder.id).encode(), digest_size=16)
    for parts in batch:
        digest.update(f"|{len(parts)}".encode())
        for part in parts:
            digest.update(_content(part))
    return digest.hexdigest()


def _content(part: object) -> bytes:
    if isinstance(part, Image | Audio | Video):
        raw = part.source if isinstance(part.source, bytes) else Path(part.source).read_bytes()
        rest = "" if isinstance(part, Image) else f"{part.start} {part.end}"
        return blake2b(raw + rest.encode()).digest()
    return blake2b(repr(part).encode()).digest()

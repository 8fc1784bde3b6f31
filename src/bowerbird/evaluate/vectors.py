"""Encoding what experiments encode again and again: each vector is kept on disk under a hash of encoder and content.

Experiments thus share what they have in common, and one that was cut short goes on where it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Embedding, MultiVector
from bowerbird.encoders.base import Encoder
from bowerbird.items import Audio, Image, Parts, Text, Video

PORTION = 128
"""Contents that are encoded before their vectors are kept."""


def cache_folder() -> Path:
    """BOWERBIRD_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BOWERBIRD_CACHE") or Path(base) / "bowerbird")


def item_vectors(encoder: Encoder, batch: Sequence[Parts]) -> Dense:
    """As the dense vectors of `encoder.encode_items(batch)`, n × dim float32, from disk where they were made before.

    Raises ValueError for an encoder without dense vectors.
    """
    return kept(f"{encoder.id} items", batch, lambda some: _dense(encoder, encoder.encode_items(some)))


def query_vectors(encoder: Encoder, batch: Sequence[Parts]) -> Dense:
    """As `item_vectors`, of `encoder.encode_queries`."""
    return kept(f"{encoder.id} queries", batch, lambda some: _dense(encoder, encoder.encode_queries(some)))


def text_vectors(space: str, texts: Sequence[str], make: Callable[[Sequence[str]], NDArray[Any]]) -> Dense:
    """What `make` makes of texts, n × dim, from disk where it was made before.

    space: names `make` and its weights, so that no other's vectors are taken for it.
    """
    read = [(Text(text),) for text in texts]
    return kept(f"{space} texts", read, lambda some: make([part.text for (part,) in some if isinstance(part, Text)]))


def kept(space: str, batch: Sequence[Parts], make: Callable[[Sequence[Parts]], NDArray[Any]]) -> Dense:
    """The vectors of contents (n × dim float32), made by `make` for those that are not on disk yet."""
    return Dense(np.stack(_stored(space, batch, make, np.float32)))


def _stored(
    space: str, batch: Sequence[Parts], make: Callable[[Sequence[Parts]], Iterable[NDArray[Any]]], kind: type
) -> list[NDArray[Any]]:
    """An array per content, of numbers of a kind, made by `make` for those that are not on disk yet."""
    folder = cache_folder() / "vectors" / blake2b(space.encode(), digest_size=8).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_key(parts)}.npy" for parts in batch]
    missing = {path: parts for path, parts in zip(paths, batch, strict=True) if not path.exists()}
    places = list(missing)
    for start in range(0, len(places), PORTION):
        some = places[start : start + PORTION]
        for path, made in zip(some, make([missing[path] for path in some]), strict=True):
            _write(path, np.asarray(made, kind))
    return [np.load(path) for path in paths]


def _dense(encoder: Encoder, embedding: Embedding) -> NDArray[Any]:
    if embedding.dense is None:
        raise ValueError(f"encoder {encoder.id} gives token vectors only, no dense ones")
    return embedding.dense.vectors


def _write(path: Path, vector: NDArray[Any]) -> None:
    part = path.with_suffix(f".{os.getpid()}.npy")
    np.save(part, vector)
    part.replace(path)


def _key(parts: Parts) -> str:
    digest = blake2b(str(len(parts)).encode(), digest_size=16)
    for part in parts:
        digest.update(_content(part))
    return digest.hexdigest()


def _content(part: object) -> bytes:
    if isinstance(part, Image | Audio | Video):
        raw = part.source if isinstance(part.source, bytes) else Path(part.source).read_bytes()
        rest = "" if isinstance(part, Image) else f"{part.start} {part.end}"
        return blake2b(raw + rest.encode()).digest()
    return blake2b(repr(part).encode()).digest()


def item_embeddings(encoder: Encoder, batch: Sequence[Parts]) -> Embedding:
    """As `encoder.encode_items(batch)` of an encoder that gives both kinds of vectors, from disk where they were made.

    Token vectors are kept as float16. Raises ValueError for an encoder without dense or without token vectors.
    """
    return _both(encoder, "items and tokens", batch, encoder.encode_items)


def query_embeddings(encoder: Encoder, batch: Sequence[Parts]) -> Embedding:
    """As `item_embeddings`, of `encoder.encode_queries`."""
    return _both(encoder, "queries and tokens", batch, encoder.encode_queries)


def _both(
    encoder: Encoder, kind: str, batch: Sequence[Parts], encode: Callable[[Sequence[Parts]], Embedding]
) -> Embedding:
    """A content's file holds its dense vector, then those of its tokens: (1 + m) × dim."""

    def make(some: Sequence[Parts]) -> list[NDArray[Any]]:
        made = encode(some)
        if made.dense is None or made.tokens is None:
            raise ValueError(f"encoder {encoder.id} does not give both a vector and token vectors of an item")
        return [np.vstack([made.dense.vectors[row : row + 1], made.tokens[row]]) for row in range(len(some))]

    rows = _stored(f"{encoder.id} {kind}", batch, make, np.float16)
    return Embedding(
        Dense(np.stack([row[0] for row in rows]).astype(np.float32)), MultiVector.of([row[1:] for row in rows])
    )

"""From encoded items to the arrays of a pack, and pieces of a pack back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.fields import text_input
from bowerbird.embeddings import Embedding, MultiVector, Sparse
from bowerbird.errors import CollectionError
from bowerbird.index.analysis import term_counts
from bowerbird.index.language import guess_language
from bowerbird.items import Item, Parts, text_of
from bowerbird.storage.packs import Pack

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder


def encoded_arrays(field: str, encoder: Encoder, inputs: Sequence[Parts]) -> dict[str, NDArray[Any]]:
    """The arrays of one field, from what its encoder is given of every slot; slots with nothing stay outside."""
    slots = [slot for slot, parts in enumerate(inputs) if parts]
    return field_arrays(field, slots, encoder.encode_items([inputs[slot] for slot in slots])) if slots else {}


def word_arrays(items: Sequence[Item]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays of the lexical index, and the language of every item as it is guessed from its words."""
    texts = [text_of(text_input(item)) for item in items]
    languages = [guess_language(text) for text in texts]
    return lexical_arrays(term_counts(texts, languages)), languages


def field_arrays(field: str, slots: Sequence[int], embedding: Embedding) -> dict[str, NDArray[Any]]:
    """The arrays of one field: row i of the embedding belongs to slots[i]."""
    arrays: dict[str, NDArray[Any]] = {f"{field}.slots": np.array(slots, np.int32)}
    if embedding.dense is not None:
        arrays[f"{field}.dense"] = embedding.dense.vectors.astype(np.float16)
    if embedding.tokens is not None:
        codes, scales = quantize_tokens(embedding.tokens)
        offsets = embedding.tokens.offsets
        arrays[f"{field}.tokens"] = codes
        arrays[f"{field}.scales"] = scales
        arrays[f"{field}.offsets"] = offsets
        arrays[f"{field}.crc"] = _checks([codes[a:b] for a, b in pairwise(offsets)])
    return arrays


def quantize_tokens(tokens: MultiVector) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Token vectors → int8 codes and a scale per token; the error of an inner product is about 0.2 %."""
    peak = np.abs(tokens.vectors).max(axis=1) if len(tokens.vectors) else np.zeros(0, np.float32)
    scales = (np.maximum(peak, 1e-6) / 127).astype(np.float16)
    codes = np.round(tokens.vectors / scales[:, None].astype(np.float32)).clip(-127, 127)
    return codes.astype(np.int8), scales


def lexical_arrays(counts: Sparse) -> dict[str, NDArray[Any]]:
    return {
        "lexical.terms": counts.terms,
        "lexical.counts": counts.weights.clip(0, 65535).astype(np.uint16),
        "lexical.offsets": counts.offsets,
    }


def picture_arrays(pictures: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    sizes = [len(picture) for picture in pictures]
    return {
        "thumbs.bytes": np.frombuffer(b"".join(pictures), np.uint8),
        "thumbs.offsets": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        "thumbs.crc": _checks(pictures),
    }


def read_tokens(pack: Pack, field: str, row: int) -> NDArray[np.float32]:
    """The token vectors of one row of a field. Raises CollectionError if they are not what was written."""
    start, end = pack[f"{field}.offsets"][row : row + 2]
    codes = pack[f"{field}.tokens"][start:end]
    _expect(pack, codes, int(pack[f"{field}.crc"][row]), f"{field}.tokens")
    scales = pack[f"{field}.scales"][start:end].astype(np.float32)
    vectors: NDArray[np.float32] = codes.astype(np.float32) * scales[:, None]
    return vectors


def read_picture(pack: Pack, slot: int) -> bytes:
    """The thumbnail of one slot, empty if it has none. Raises CollectionError if it is damaged."""
    start, end = pack["thumbs.offsets"][slot : slot + 2]
    raw = pack["thumbs.bytes"][start:end]
    _expect(pack, raw, int(pack["thumbs.crc"][slot]), "thumbs.bytes")
    return raw.tobytes()


def _checks(pieces: Sequence[Any]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(bytes(piece)) for piece in pieces], np.uint32)


def _expect(pack: Pack, piece: NDArray[Any], crc: int, part: str) -> None:
    if zlib.crc32(piece.tobytes()) != crc:
        raise CollectionError(
            f"pack {pack.path.name} has a damaged part {part!r}; run 'bowerbird doctor --verify --repair'"
        )

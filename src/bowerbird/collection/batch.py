"""From encoded items to the arrays of a pack, and pieces of a pack back."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.fields import lexical_input
from bowerbird.embeddings import Embedding, MultiVector, Sparse
from bowerbird.errors import CollectionError, ReadError
from bowerbird.index.analysis import term_counts
from bowerbird.index.base import LARGEST, first_broken
from bowerbird.index.kernels import LANES, Blocks, quantize
from bowerbird.index.language import guess_language
from bowerbird.items import Item, Parts, text_of
from bowerbird.storage.packs import Pack

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder


def encoded_arrays(
    field: str, encoder: Encoder, items: Sequence[Item], inputs: Sequence[Parts]
) -> dict[str, NDArray[Any]]:
    """The arrays of one field, from what its encoder is given of every item; items with nothing stay outside.

    Raises ReadError for an item whose vectors are no numbers that can be kept.
    """
    slots = [slot for slot, parts in enumerate(inputs) if parts]
    if not slots:
        return {}
    embedding = encoder.encode_items([inputs[slot] for slot in slots])
    broken = _broken(embedding)
    if broken >= 0:
        raise ReadError(
            f"item {items[slots[broken]].id!r}: the encoder of field {field!r} gave a value that is no number, "
            f"or beyond {LARGEST:,.0f}; leave the file out, or use another encoder"
        )
    return field_arrays(field, slots, embedding)


def _broken(embedding: Embedding) -> int:
    """A row with a value that is no number that can be kept; -1 if there is none."""
    dense, tokens = embedding.dense, embedding.tokens
    singles = None if dense is None else MultiVector(dense.vectors, np.arange(len(dense) + 1))
    return max((first_broken(vectors) for vectors in (singles, tokens) if vectors is not None), default=-1)


def word_arrays(items: Sequence[Item]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The arrays of the lexical index, and the language of every item as it is guessed from its words."""
    texts = [text_of(lexical_input(item)) for item in items]
    languages = [guess_language(text) for text in texts]
    return lexical_arrays(term_counts(texts, languages)), languages


def field_arrays(field: str, slots: Sequence[int], embedding: Embedding) -> dict[str, NDArray[Any]]:
    """The arrays of one field: row i of the embedding belongs to slots[i]."""
    arrays: dict[str, NDArray[Any]] = {f"{field}.slots": np.array(slots, np.int32)}
    if embedding.dense is not None:
        arrays[f"{field}.dense"] = embedding.dense.vectors.astype(np.float16)
    if embedding.tokens is not None:
        values, scales = quantize(embedding.tokens.vectors)
        blocks, offsets = Blocks.of(values, scales.astype(np.float16)), embedding.tokens.offsets
        arrays[f"{field}.tokens"] = blocks.values
        arrays[f"{field}.scales"] = blocks.scales
        arrays[f"{field}.offsets"] = offsets
        arrays[f"{field}.crc"] = _checks([_touched(blocks.values, a, b) for a, b in pairwise(offsets)])
    return arrays


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


class Tokens:
    """The token vectors of a field in one pack. Rows are checked when they are first read.

    Raises CollectionError if what leads to the rows is damaged.
    """

    def __init__(self, pack: Pack, field: str) -> None:
        self._pack, self._name = pack, f"{field}.tokens"
        # offsets lead compiled loops, and a broken scale makes a token count thousandfold
        self.blocks = Blocks(pack[self._name], pack.checked(f"{field}.scales"))
        self.offsets: NDArray[np.int64] = pack.checked(f"{field}.offsets")
        self._crc = pack.checked(f"{field}.crc")
        self._unchecked = np.ones(len(self._crc), bool)

    def check(self, rows: NDArray[np.int32]) -> None:
        """Raises CollectionError if rows are not what was written."""
        for row in rows[self._unchecked[rows]].tolist():
            piece = _touched(self.blocks.values, self.offsets[row], self.offsets[row + 1])
            _expect(self._pack, piece, int(self._crc[row]), self._name)
            self._unchecked[row] = False

    def read(self, row: int, dim: int) -> NDArray[np.float32]:
        """The token vectors of one row, m × dim. Raises CollectionError if they are not what was written."""
        self.check(np.array([row], np.int32))
        start, end = int(self.offsets[row]), int(self.offsets[row + 1])
        scales = self.blocks.scales[start:end].astype(np.float32)
        vectors: NDArray[np.float32] = self.blocks.rows(start, end)[:, :dim].astype(np.float32) * scales[:, None]
        return vectors


def _touched(blocks: NDArray[np.uint8], start: int, end: int) -> NDArray[np.uint8]:
    """The blocks that some tokens lie in."""
    return blocks[start // LANES : -(-end // LANES)]


def read_picture(pack: Pack, slot: int) -> bytes:
    """The thumbnail of one slot, empty if it has none. Raises CollectionError if it is damaged."""
    start, end = pack["thumbs.offsets"][slot : slot + 2]
    raw = pack["thumbs.bytes"][start:end]
    _expect(pack, raw, int(pack["thumbs.crc"][slot]), "thumbs.bytes")
    return raw.tobytes()


def _checks(pieces: Sequence[Any]) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(piece) for piece in pieces], np.uint32)


def _expect(pack: Pack, piece: NDArray[Any], crc: int, part: str) -> None:
    if zlib.crc32(np.ascontiguousarray(piece).data) != crc:
        raise CollectionError(
            f"pack {pack.path.name} has a damaged part {part!r}; run 'bowerbird doctor --verify --repair'"
        )

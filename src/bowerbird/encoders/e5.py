"""The default text encoder: multilingual-e5-small (arXiv 2402.05672), int8, on two threads of a CPU.

One pass gives both a pooled vector (mean of the token vectors) and the token vectors themselves for late
interaction; all have unit length and 384 dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Embedding, Floats, MultiVector
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.e5_file import E5File
from bowerbird.encoders.weights import fingerprint
from bowerbird.items import Parts, text_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MAX_TOKENS = 512
BATCH_TOKENS = 4096
"""Padded tokens per run of the model: bounds memory, and keeps texts of like length together."""
THREADS = 2
REMEMBERED = 1024
"""Queries whose vectors are kept: about 30 MB."""
PREFIXES = {"query: ": 3, "passage: ": 2}
"""What the model was trained to read first, and how many tokens that is. These and the two special tokens are
left out of late interaction: nDCG@10 rises by 1 to 4 points (chinese questions, english passages: 0.826 to 0.868)."""


class E5:
    """multilingual-e5-small. Texts beyond 512 tokens are cut."""

    inputs: frozenset[Input] = frozenset({"text"})
    dim = 384

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads
        self._remembered: dict[str, tuple[Floats, Floats]] = {}

    @cached_property
    def id(self) -> EncoderId:
        return EncoderId("e5", fingerprint("e5.onnx"))

    @cached_property
    def _file(self) -> E5File:
        return E5File()

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return self._file.tokenizer()

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # threads that wait by turning round take a fifth more processor time where others work too
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        with as_file(files("bowerbird.encoders.weights") / "e5.onnx") as path:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × 384 and MultiVector of their tokens; contents without words give zero rows."""
        return self._encode([text_of(parts) for parts in batch], "passage: ")

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """As `encode_items`, with the model's prefix for questions, and each text in a run of its own.

        The scales of int8 activations are those of a whole run, so that vectors depend a little on what else is in it.
        A query is to have the same answer whatever is asked beside it. A search asks for the same query's vectors
        several times, so the latest ones are remembered.
        """
        found = [self._query(text_of(parts)) for parts in batch]
        while len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        if not found:
            return Embedding(Dense(np.zeros((0, self.dim), np.float32)))
        return Embedding(Dense(np.stack([dense for dense, _ in found])), MultiVector.of([each for _, each in found]))

    def _query(self, text: str) -> tuple[Floats, Floats]:
        """The pooled vector and the token vectors of a query."""
        if text not in self._remembered:
            fresh = self._encode([text], "query: ")
            assert fresh.dense is not None
            assert fresh.tokens is not None
            self._remembered[text] = fresh.dense.vectors[0], fresh.tokens[0]
        return self._remembered[text]

    def encode_texts(self, texts: Sequence[str], prefix: str = "query: ") -> NDArray[np.float32]:
        """n texts → n × 384 pooled vectors."""
        dense = self._encode(texts, prefix).dense
        assert dense is not None
        return np.asarray(dense.vectors, np.float32)

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(self._file.normalize(text), add_special_tokens=False).ids)

    def token_words(self, text: str) -> list[str]:
        """The pieces of a text, one for each row of its token vectors; word starts are marked '▁'."""
        pieces: list[str] = self._encoding("passage: " + text).tokens
        return pieces[PREFIXES["passage: "] : MAX_TOKENS - 2]

    def _encoding(self, text: str) -> Encoding:
        return self._tokenizer.encode(self._file.normalize(text), add_special_tokens=False)

    def _encode(self, texts: Sequence[str], prefix: str) -> Embedding:
        normal = [self._file.normalize(prefix + text) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(normal, add_special_tokens=False)
        ids = [[self._file.bos, *one.ids[: MAX_TOKENS - 2], self._file.eos] for one in encoded]
        empty = [not text.strip() for text in texts]
        dense = np.zeros((len(texts), self.dim), np.float32)
        tokens: list[NDArray[np.float32]] = [np.zeros((0, self.dim), np.float32)] * len(texts)
        for rows in batches([0 if blank else len(one) for blank, one in zip(empty, ids, strict=True)]):
            hidden = self._run([ids[row] for row in rows])
            for row, states in zip(rows, hidden, strict=True):
                pooled = states.mean(axis=0)
                dense[row] = pooled / np.linalg.norm(pooled)
                words = states[1 + PREFIXES[prefix] : -1]
                tokens[row] = words / np.linalg.norm(words, axis=1, keepdims=True)
        return Embedding(Dense(dense), MultiVector.of(tokens) if tokens else None)

    def _run(self, ids: Sequence[Sequence[int]]) -> Iterator[NDArray[np.float32]]:
        """Token ids per text → last hidden states per text, m × 384."""
        longest = max(map(len, ids))
        padded = np.full((len(ids), longest), self._file.pad, np.int64)
        mask = np.zeros((len(ids), longest), np.float32)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = one
            mask[row, : len(one)] = 1
        embedded = self._file.word_vectors(padded) + self._file.positions[:longest]
        (states,) = self._session.run(None, {"embedded": embedded, "mask": mask})
        return (states[row, : len(one)] for row, one in enumerate(ids))


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers in batches of like length, at most BATCH_TOKENS padded tokens each; rows of length 0 are left out."""
    rows = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: lengths[row])
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and (end + 1 - start) * lengths[rows[end]] <= BATCH_TOKENS:
            end += 1
        yield rows[start:end]
        start = end


@cache
def load(argument: str = "") -> E5:
    """The one instance of this process; it takes no argument."""
    if argument:
        raise ValueError(f"the encoder 'e5' takes no argument, got {argument!r}")
    return E5()


def token_counter() -> Callable[[str], int]:
    return load().count_tokens

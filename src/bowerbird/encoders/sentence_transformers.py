"""Any model of the sentence-transformers library, of text or of several modalities, from the hub or a folder.

Prompts and asymmetric towers are the model's own affair: its `encode_query` and `encode_document` apply them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Embedding
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.joint import BATCH, Content, Tower, compose, fingerprint, item_contents, query_contents
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.items import Image, Parts


class SentenceTransformers:
    """One dense vector per content. Words and pictures are composed as the sum of their unit vectors."""

    def __init__(self, name: str, model: Any) -> None:
        self._name = name
        self._model = model
        understood: frozenset[Input] = frozenset({"text", "image"})
        self.inputs: frozenset[Input] = understood & frozenset(model.modalities)

    @cached_property
    def id(self) -> EncoderId:
        prompts = tuple(sorted((f"prompt {name}", prompt) for name, prompt in self._model.prompts.items() if prompt))
        return EncoderId(f"sentence-transformers:{self._name}", fingerprint(self._model), prompts)

    @property
    def dim(self) -> int:
        return int(self._model.get_embedding_dimension())

    def count_tokens(self, text: str) -> int:
        return len(self._model.tokenizer.encode(text, add_special_tokens=False))

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim: pictures where there are any, else words; neither gives a zero row."""
        contents = [item_contents(parts, self.inputs) for parts in batch]
        return Embedding(compose(contents, self._towers(self._model.encode_document), self.dim))

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim, with the model's prompt for questions."""
        contents = [query_contents(parts, self.inputs) for parts in batch]
        return Embedding(compose(contents, self._towers(self._model.encode_query), self.dim))

    def _towers(self, encode: Callable[..., Any]) -> dict[Input, Tower]:
        return {kind: partial(_vectors, encode) for kind in self.inputs}


def _vectors(encode: Callable[..., Any], contents: Sequence[Content]) -> NDArray[np.float32]:
    inputs = [content.open() if isinstance(content, Image) else content for content in contents]
    return np.asarray(encode(inputs, batch_size=BATCH, show_progress_bar=False, convert_to_numpy=True), np.float32)


def load(argument: str) -> SentenceTransformers:
    """A name on the hub such as 'intfloat/multilingual-e5-base', or a folder, → encoder."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtra("sentence-transformers", "the encoder sentence-transformers") from error
    if not argument:
        raise BowerbirdError("the encoder sentence-transformers needs a model: sentence-transformers:NAME_OR_FOLDER")
    try:
        return SentenceTransformers(argument, SentenceTransformer(argument))
    except (OSError, ValueError) as error:
        raise BowerbirdError(f"no sentence-transformers model can be loaded from {argument!r}: {error}") from error

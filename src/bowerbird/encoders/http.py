"""Text vectors from any OpenAI-compatible server: POST BASE_URL/embeddings. The key is read from BOWERBIRD_API_KEY."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Embedding
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.endpoint import Endpoint, EndpointError
from bowerbird.items import Parts, text_of

BATCH = 64
"""Texts per request."""
PROBE = "bowerbird"
"""The text whose vector tells the dimension."""


class HttpEncoder:
    """A model behind an endpoint. Texts are sent as they are: prefixes are the server's business."""

    inputs: frozenset[Input] = frozenset({"text"})

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    @property
    def id(self) -> EncoderId:
        """A server does not show its weights: they are told by the model's name and the dimension."""
        return EncoderId(f"http:{self._endpoint.base_url}#{self._model}", f"{self._model}/{self.dim}")

    @cached_property
    def dim(self) -> int:
        (vector,) = self._ask([PROBE])
        return len(vector)

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim; contents without words give zero rows."""
        texts = [text_of(parts).strip() for parts in batch]
        rows = [row for row, text in enumerate(texts) if text]
        vectors = np.zeros((len(batch), self.dim), np.float32)
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            found = self._ask([texts[row] for row in some])
            if found.shape[1] != self.dim:
                raise EndpointError(
                    f"{self._model!r} at {self._endpoint.base_url} gave {found.shape[1]} numbers, before {self.dim}: "
                    "the model behind the name has changed; embed anew"
                )
            vectors[some] = found
        return Embedding(Dense(vectors).normalized())

    encode_queries = encode_items

    def _ask(self, texts: list[str]) -> NDArray[np.float32]:
        """n texts → n × m vectors as the server gives them."""
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        reply = self._endpoint.post_json("embeddings", body)
        try:
            return _vectors(reply, len(texts))
        except (KeyError, TypeError, ValueError) as error:
            raise EndpointError(
                f"{self._endpoint.url('embeddings')} gave no vectors ({error}): check that {self._model!r} embeds text"
            ) from error


def _vectors(reply: Any, count: int) -> NDArray[np.float32]:
    """The vectors of a reply in the order of the texts. Raises KeyError, TypeError, ValueError if it is malformed."""
    rows = sorted(reply["data"], key=lambda row: row["index"])
    if [row["index"] for row in rows] != list(range(count)):
        raise ValueError(f"{len(rows)} vectors for {count} texts")
    if len({len(row["embedding"]) for row in rows}) > 1:
        raise ValueError("vectors of unlike length")
    vectors = np.array([row["embedding"] for row in rows], np.float32)
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise ValueError("not lists of finite numbers")
    return vectors


def load(argument: str) -> HttpEncoder:
    """'http://localhost:8000/v1#MODEL' → encoder."""
    base_url, _, model = argument.rpartition("#")
    if not model or not base_url:
        raise EndpointError(f"{argument!r} names no endpoint and model: write http:BASE_URL#MODEL")
    return HttpEncoder(Endpoint(base_url, os.environ.get("BOWERBIRD_API_KEY", "").strip() or None), model)

"""What every encoder is: a named, fingerprinted function from batches of content to embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bowerbird.embeddings import Embedding
from bowerbird.items import Parts

Input = Literal["text", "image", "audio", "video"]


@dataclass(frozen=True, slots=True)
class EncoderId:
    """Two encoders with equal ids give comparable vectors; a collection never mixes others."""

    spec: str
    """What `encoders.load` takes, such as 'e5' or 'sentence-transformers:intfloat/multilingual-e5-base'."""
    weights: str
    """A hash of the weights."""
    settings: tuple[tuple[str, Any], ...] = field(default_factory=tuple)

    def __str__(self) -> str:
        options = "".join(f" {name}={value}" for name, value in self.settings)
        return f"{self.spec}@{self.weights[:12]}{options}"


class Encoder(Protocol):
    """Encodes batches. Rows come back in the order they were given, float32, ready for inner products."""

    @property
    def id(self) -> EncoderId: ...

    @property
    def dim(self) -> int: ...

    @property
    def inputs(self) -> frozenset[Input]:
        """Which parts it understands; others in a batch are ignored."""
        ...

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents of items → n rows."""
        ...

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents of queries → n rows. A mix of parts is composed into one row."""
        ...

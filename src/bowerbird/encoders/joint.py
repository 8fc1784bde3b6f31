"""Models with one space for several kinds of content (CLIP, CLAP, …): how their vectors are combined and told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense
from bowerbird.encoders.base import Input
from bowerbird.items import Audio, Image, Parts, text_of

BATCH = 32
"""Contents per run of a model."""

Content: TypeAlias = str | Image | Audio
Tower: TypeAlias = Callable[[Sequence[Any]], NDArray[np.float32]]
"""Up to BATCH contents of one kind → m × dim."""

MEDIA: Mapping[Input, type] = {"image": Image, "audio": Audio}


def item_contents(parts: Parts, inputs: frozenset[Input]) -> list[tuple[Input, Content]]:
    """What stands for an item: its pictures or sounds; its words only where there are none of these."""
    media = _media(parts, inputs)
    return media or _words(parts, inputs)


def query_contents(parts: Parts, inputs: frozenset[Input]) -> list[tuple[Input, Content]]:
    """What stands for a query: all of it. Words are those of text and tables, not the names of pictures."""
    media = _media(parts, inputs)
    written = tuple(part for part in parts if not isinstance(part, Image)) if media else parts
    return media + _words(written, inputs)


def compose(batch: Sequence[Sequence[tuple[Input, Content]]], towers: Mapping[Input, Tower], dim: int) -> Dense:
    """Contents of n rows → n × dim unit vectors: the sum of the unit vectors of each content. Empty rows stay zero."""
    total = np.zeros((len(batch), dim), np.float32)
    for kind, tower in towers.items():
        found = [(row, content) for row, contents in enumerate(batch) for name, content in contents if name == kind]
        for start in range(0, len(found), BATCH):
            rows, contents = zip(*found[start : start + BATCH], strict=True)
            np.add.at(total, list(rows), Dense(tower(contents)).normalized().vectors)
    return Dense(total).normalized()


def fingerprint(model: Any) -> str:
    """The BLAKE2b-128 hex digest of a torch module's named tensors, the same however their files were cut."""
    import torch

    digest = blake2b(digest_size=16)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def device() -> str:
    """Where torch models run: the GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _media(parts: Parts, inputs: frozenset[Input]) -> list[tuple[Input, Content]]:
    wanted = {kind: type_ for kind, type_ in MEDIA.items() if kind in inputs}
    return [(kind, part) for part in parts for kind, type_ in wanted.items() if isinstance(part, type_)]  # type: ignore[misc]


def _words(parts: Parts, inputs: frozenset[Input]) -> list[tuple[Input, Content]]:
    words = text_of(parts).strip()
    return [("text", words)] if words and "text" in inputs else []

"""Late interaction over page pictures (ColPali, arXiv 2407.01449): one vector per image patch and per query token.

ColPali, ColQwen2 and ColModernVBert run on transformers alone. Other members of the family run on colpali-engine;
as their checkpoints do not always name it, the class may stand before the name: 'ColIdefics3@vidore/colSmol-256M'.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Embedding, MultiVector
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.joint import Content, device, fingerprint, item_contents, query_contents
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.items import Parts

BATCH = 4
"""Pages or queries per run: a page is a thousand tokens of a language model."""
IN_TRANSFORMERS = {
    "colpali": ("ColPaliForRetrieval", "ColPaliProcessor"),
    "colqwen2": ("ColQwen2ForRetrieval", "ColQwen2Processor"),
    "colmodernvbert": ("ColModernVBertForRetrieval", "ColModernVBertProcessor"),
}
"""Type of model in config.json → classes."""


class ColPali:
    """Gives token vectors only. Documents are pictures; queries are words, pictures, or both side by side."""

    inputs: frozenset[Input] = frozenset({"text", "image"})

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self._name = name
        self._model = model.eval().to(device())
        self._processor = processor

    @cached_property
    def id(self) -> EncoderId:
        return EncoderId(f"colpali:{self._name}", fingerprint(self._model))

    @cached_property
    def dim(self) -> int:
        return int(self._texts(["a"])[0].shape[1])

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → MultiVector: the tokens of each picture. Items without pictures have no tokens."""
        pictures = self.inputs - {"text"}
        return self._encode([item_contents(parts, pictures) for parts in batch])

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → MultiVector: the tokens of words and of pictures in one set, so that MaxSim adds them up."""
        return self._encode([query_contents(parts, self.inputs) for parts in batch])

    def _encode(self, batch: Sequence[Sequence[tuple[Input, Content]]]) -> Embedding:
        if not batch:
            return Embedding()
        sets: list[list[NDArray[np.float32]]] = [[np.zeros((0, self.dim), np.float32)] for _ in batch]
        for kind, run in (("text", self._texts), ("image", self._images)):
            found = [(row, content) for row, contents in enumerate(batch) for name, content in contents if name == kind]
            for start in range(0, len(found), BATCH):
                rows, contents = zip(*found[start : start + BATCH], strict=True)
                for row, tokens in zip(rows, run(contents), strict=True):
                    sets[row].append(tokens)
        return Embedding(tokens=MultiVector.of([np.concatenate(some) for some in sets]))

    def _texts(self, texts: Sequence[Any]) -> list[NDArray[np.float32]]:
        return self._run(self._processor.process_queries(list(texts)))

    def _images(self, images: Sequence[Any]) -> list[NDArray[np.float32]]:
        return self._run(self._processor.process_images([image.open() for image in images]))

    def _run(self, inputs: Any) -> list[NDArray[np.float32]]:
        """Prepared inputs → per row the unit vectors of its tokens, padding left out."""
        import torch

        inputs = inputs.to(self._model.device)
        with torch.inference_mode():
            output = self._model(**inputs)
        vectors = getattr(output, "embeddings", output).float()
        vectors = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        mask = inputs["attention_mask"].bool().cpu().numpy()
        return [row[kept] for row, kept in zip(vectors, mask, strict=True)]


def load(argument: str) -> ColPali:
    """'vidore/colqwen2-v1.0-hf', a folder, or CLASS@NAME for colpali-engine → encoder."""
    family, at, name = argument.rpartition("@")
    if not name:
        raise BowerbirdError("the encoder colpali needs a model: colpali:vidore/colpali-v1.3-hf, or a folder")
    try:
        return ColPali(argument, *(_from_engine(family, name) if at else _from_transformers(name)))
    except (OSError, ValueError) as error:
        raise BowerbirdError(f"no ColPali model can be loaded from {name!r}: {error}") from error


def _from_transformers(name: str) -> tuple[Any, Any]:
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise MissingExtra("colpali", "the encoder colpali") from error
    config, _ = transformers.PretrainedConfig.get_config_dict(name)
    kind = config.get("model_type")
    if kind not in IN_TRANSFORMERS:
        raise BowerbirdError(f"{name!r} is no ColPali model of transformers: write colpali:CLASS@{name} with its class "
                             "in colpali-engine, such as ColQwen2_5 or ColIdefics3")  # fmt: skip
    model, processor = (getattr(transformers, one) for one in IN_TRANSFORMERS[kind])
    return model.from_pretrained(name), processor.from_pretrained(name)


def _from_engine(family: str, name: str) -> tuple[Any, Any]:
    try:
        from colpali_engine import models
    except ImportError as error:
        raise MissingExtra("colpali", f"the encoder colpali:{family}") from error
    except RuntimeError as error:  # a torchvision built for another torch
        raise BowerbirdError(
            f"colpali-engine cannot be imported ({error}): install torch and torchvision together"
        ) from error
    processors = {one.replace("Processor", "").rstrip("_"): one for one in dir(models) if "Processor" in one}
    if not hasattr(models, family) or family not in processors:
        raise BowerbirdError(f"colpali-engine has no model {family!r}: it has {', '.join(sorted(processors))}")
    return getattr(models, family).from_pretrained(name), getattr(models, processors[family]).from_pretrained(name)

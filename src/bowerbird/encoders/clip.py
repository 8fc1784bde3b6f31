"""CLIP, SigLIP and their kin (arXiv 2103.00020, 2303.15343) from the hub or a folder, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Embedding
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.joint import Tower, compose, device, fingerprint, item_contents, query_contents
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.items import Image, Parts


class Clip:
    """Texts and pictures in one space. Texts beyond the model's length are cut."""

    inputs: frozenset[Input] = frozenset({"text", "image"})

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self._name = name
        self._model = model.eval().to(device())
        self._processor = processor

    @cached_property
    def id(self) -> EncoderId:
        return EncoderId(f"clip:{self._name}", fingerprint(self._model))

    @cached_property
    def dim(self) -> int:
        return int(self._texts(["a"]).shape[1])

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim: pictures where there are any, else words; neither gives a zero row."""
        return Embedding(compose([item_contents(parts, self.inputs) for parts in batch], self._towers, self.dim))

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim; words and pictures together give the sum of their unit vectors."""
        return Embedding(compose([query_contents(parts, self.inputs) for parts in batch], self._towers, self.dim))

    @property
    def _towers(self) -> dict[Input, Tower]:
        return {"text": self._texts, "image": self._images}

    def _texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # SigLIP was trained on texts padded to their full length and has no mask; CLIP does not mind.
        length = self._model.config.text_config.max_position_embeddings
        inputs = self._processor.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return self._run(self._model.get_text_features, inputs)

    def _images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        pictures = [image.open() for image in images]
        return self._run(self._model.get_image_features, self._processor.image_processor(pictures, return_tensors="pt"))

    def _run(self, features: Any, inputs: Any) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            return pooled(features(**inputs.to(self._model.device)))


def pooled(output: Any) -> NDArray[np.float32]:
    """The vectors of `get_…_features`: a tensor up to transformers 4, a field of an output since 5."""
    tensor = getattr(output, "pooler_output", output)
    vectors: NDArray[np.float32] = tensor.float().cpu().numpy()
    return vectors


def load(argument: str) -> Clip:
    """A name on the hub such as 'google/siglip-base-patch16-224', or a folder, → encoder."""
    try:
        import torch  # noqa: F401
        from transformers import AutoModel, AutoProcessor
    except ImportError as error:
        raise MissingExtra("clip", "the encoder clip") from error
    if not argument:
        raise BowerbirdError("the encoder clip needs a model: clip:openai/clip-vit-base-patch32, or a folder")
    try:
        return Clip(argument, AutoModel.from_pretrained(argument), AutoProcessor.from_pretrained(argument))
    except (OSError, ValueError) as error:
        raise BowerbirdError(f"no CLIP model can be loaded from {argument!r}: {error}") from error

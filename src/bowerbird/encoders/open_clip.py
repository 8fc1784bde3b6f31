"""CLIP models of the open_clip library: an architecture, and the tag or file of its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Embedding
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.joint import Tower, compose, device, fingerprint, item_contents, query_contents
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.items import Image, Parts


class OpenClip:
    """Texts and pictures in one space. Texts beyond the model's length are cut."""

    inputs: frozenset[Input] = frozenset({"text", "image"})

    def __init__(self, name: str, model: Any, preprocess: Callable[[Any], Any], tokenize: Callable[..., Any]) -> None:
        self._name = name
        self._device = device()
        self._model = model.eval().to(self._device)
        self._preprocess = preprocess
        self._tokenize = tokenize

    @cached_property
    def id(self) -> EncoderId:
        return EncoderId(f"open_clip:{self._name}", fingerprint(self._model))

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
        return self._run(self._model.encode_text, self._tokenize(list(texts)))

    def _images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        import torch

        return self._run(self._model.encode_image, torch.stack([self._preprocess(image.open()) for image in images]))

    def _run(self, encode: Callable[[Any], Any], inputs: Any) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            vectors: NDArray[np.float32] = encode(inputs.to(self._device)).float().cpu().numpy()
        return vectors


def load(argument: str) -> OpenClip:
    """'ViT-B-32/laion2b_s34b_b79k', 'ViT-B-32/path/to/weights.safetensors' or 'hf-hub:ORG/NAME' → encoder."""
    try:
        import open_clip
    except ImportError as error:
        raise MissingExtra("open-clip", "the encoder open_clip") from error
    except RuntimeError as error:  # a torchvision built for another torch
        raise BowerbirdError(
            f"open_clip cannot be imported ({error}): install torch and torchvision together"
        ) from error
    on_hub = argument.startswith(("hf-hub:", "local-dir:"))
    architecture, _, weights = (argument, "", "") if on_hub else argument.partition("/")
    if not on_hub and not weights:
        raise BowerbirdError(f"open_clip:{argument} names no weights: write open_clip:ARCHITECTURE/TAG_OR_FILE")
    try:
        model, _, preprocess = open_clip.create_model_and_transforms(architecture, pretrained=weights or None)
        return OpenClip(argument, model, preprocess, open_clip.get_tokenizer(architecture))
    except (OSError, RuntimeError, ValueError) as error:
        raise BowerbirdError(f"no open_clip model can be loaded from {argument!r}: {error}") from error

"""CLAP (arXiv 2211.06687), text and sound in one space, from the hub or a folder, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Embedding
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.clip import pooled
from bowerbird.encoders.joint import BATCH, Tower, compose, device, fingerprint, item_contents, query_contents
from bowerbird.encoders.sound import decode
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.items import Audio, Parts


class Clap:
    """Texts and sounds in one space. A long sound is the mean of its stretches of the model's length."""

    inputs: frozenset[Input] = frozenset({"text", "audio"})

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self._name = name
        self._model = model.eval().to(device())
        self._tokenizer = processor.tokenizer
        self._features = processor.feature_extractor

    @cached_property
    def id(self) -> EncoderId:
        return EncoderId(f"clap:{self._name}", fingerprint(self._model))

    @property
    def dim(self) -> int:
        return int(self._model.config.projection_dim)

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim: sounds where there are any, else words; neither gives a zero row."""
        return Embedding(compose([item_contents(parts, self.inputs) for parts in batch], self._towers, self.dim))

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × dim; words and sounds together give the sum of their unit vectors."""
        return Embedding(compose([query_contents(parts, self.inputs) for parts in batch], self._towers, self.dim))

    @property
    def _towers(self) -> dict[Input, Tower]:
        return {"text": self._texts, "audio": self._sounds}

    def _texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        inputs = self._tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return self._run(self._model.get_text_features, inputs)

    def _sounds(self, sounds: Sequence[Audio]) -> NDArray[np.float32]:
        return np.stack([self._sound(sound) for sound in sounds])

    def _sound(self, sound: Audio) -> NDArray[np.float32]:
        """One sound → its vector. Stretches are cut here because the model's own cut is a random one."""
        rate, length = self._features.sampling_rate, self._features.nb_max_samples
        wave = decode(sound, rate)
        stretches = [wave[start : start + length] for start in range(0, len(wave), length)]
        if len(stretches) > 1 and len(stretches[-1]) < length // 2:
            stretches.pop()  # a short rest would be repeated until it weighs as much as a full stretch
        total = np.zeros(self.dim, np.float32)
        for start in range(0, len(stretches), BATCH):
            inputs = self._features(stretches[start : start + BATCH], sampling_rate=rate, return_tensors="pt")
            total += Dense(self._run(self._model.get_audio_features, inputs)).normalized().vectors.sum(axis=0)
        return total

    def _run(self, features: Any, inputs: Any) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            return pooled(features(**inputs.to(self._model.device)))


def load(argument: str) -> Clap:
    """A name on the hub such as 'laion/clap-htsat-unfused', or a folder, → encoder."""
    try:
        import torch  # noqa: F401
        from transformers import ClapModel, ClapProcessor
    except ImportError as error:
        raise MissingExtra("clap", "the encoder clap") from error
    if not argument:
        raise BowerbirdError("the encoder clap needs a model: clap:laion/clap-htsat-unfused, or a folder")
    try:
        return Clap(argument, ClapModel.from_pretrained(argument), ClapProcessor.from_pretrained(argument))
    except (OSError, ValueError) as error:
        raise BowerbirdError(f"no CLAP model can be loaded from {argument!r}: {error}") from error

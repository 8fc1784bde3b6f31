"""The default image encoder: EfficientNet-Lite2 and a bridge into the space of the default text encoder.

It is basic: it knows the 1,000 things of ImageNet and what clip art taught it, not people, actions or counts. For
more, open a library with a CLIP or SigLIP model (docs/encoders.md).

A picture's bridge vector is built in three steps (measured in tools/weights/bridge.py):

    ConSE   the mean of its likeliest classes' text vectors, weighted by their probabilities (arXiv 1312.5650)
    ridge   a linear map from features to text, solved from the classifier's own rows and the classes' texts
    adapter a residual on both, learned from drawings and emoji with titles, keywords and names in 22 languages;
            it counts for pictures that look drawn, as it would spoil photos

A row is [bridge vector 384 | visual vector 256]. Words have only the first half, so that they meet pictures there;
pictures meet pictures in both; a picture with words is the sum of the two queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

from bowerbird.embeddings import Dense, Embedding, Floats
from bowerbird.encoders import e5
from bowerbird.encoders.base import EncoderId, Input
from bowerbird.encoders.weights import fingerprint
from bowerbird.items import Image, Parts, Text, text_of

SIDE = 260
BATCH = 16
THREADS = 2
RIDGE_SHARE = 0.08
ADAPTER_SHARE = 1.5
DRAWN, DRAWN_WIDTH = 0.6, 0.02
"""Share of the four commonest colours: below 0.44 for nine of ten photos, above 0.56 for nine of ten drawings."""
VISUAL_SHARE = 1.0
TEXT_SHARE = 1.0
"""How much a picture's look, and added words, count in a query, against its bridge vector."""

Array = NDArray[np.float32]


class Lite:
    """EfficientNet-Lite2 bridged into the space of e5."""

    inputs: frozenset[Input] = frozenset({"text", "image"})

    def __init__(self, threads: int = THREADS) -> None:
        self._threads = threads

    @cached_property
    def id(self) -> EncoderId:
        weights = fingerprint("lite2.onnx")[:16] + fingerprint("bridge.npz")[:16]
        return EncoderId("lite", weights)

    @property
    def dim(self) -> int:
        return int(self._bridge["classes"].shape[1] + self._bridge["visual"].shape[1])

    @cached_property
    def _bridge(self) -> dict[str, Array]:
        with as_file(files("bowerbird.encoders.weights") / "bridge.npz") as path, np.load(path) as stored:
            return {name: stored[name].astype(np.float32) for name in stored.files}

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # threads that wait by turning round take a fifth more processor time where others work too
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        with as_file(files("bowerbird.encoders.weights") / "lite2.onnx") as path:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × 640 of their first picture; rows without one are zero."""
        rows = np.zeros((len(batch), self.dim), np.float32)
        pictured = [(row, image) for row, parts in enumerate(batch) if (image := _first_image(parts)) is not None]
        for start in range(0, len(pictured), BATCH):
            some = pictured[start : start + BATCH]
            rows[[row for row, _ in some]] = self._pictures([image for _, image in some])
        return Embedding(Dense(rows))

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        """n contents → Dense n × 640: their words and their pictures, added."""
        rows = np.zeros((len(batch), self.dim), np.float32)
        texts = [text_of(parts) for parts in batch]
        spoken = [row for row, text in enumerate(texts) if text.strip()]
        if spoken:
            rows[spoken, : self.text_dim] = TEXT_SHARE * self.text_vectors([texts[row] for row in spoken])
        for row, parts in enumerate(batch):
            images = [part for part in parts if isinstance(part, Image)]
            if images:
                rows[row] += self._pictures(images).mean(axis=0, dtype=np.float32)
        return Embedding(Dense(rows))

    @property
    def text_dim(self) -> int:
        """How many of the first numbers of a vector lie in the space of words."""
        return int(self._bridge["classes"].shape[1])

    def text_vectors(self, texts: Sequence[str]) -> Array:
        """n texts → n × 384 unit vectors that bridge vectors of pictures are compared with."""
        return self.centred(self.raw_text_vectors(texts))

    def centred(self, raw: Array) -> Array:
        """Raw text vectors less the mean of all texts, n × 384, of unit length."""
        return unit(raw - self._bridge["text_mean"])

    def raw_text_vectors(self, texts: Sequence[str]) -> Array:
        """n texts → n × 384: the mean of their token vectors, of unit length."""
        tokens = e5.load().encode_queries([(Text(text),) for text in texts]).tokens
        assert tokens is not None
        return unit(np.stack([tokens[row].sum(axis=0) for row in range(len(texts))]))

    def _pictures(self, images: Sequence[Image]) -> Array:
        opened = [image.open() for image in images]
        logits, pooled = self.see(opened)
        bridge = bridge_vectors(logits, pooled, drawn(opened), self._bridge)
        return np.concatenate([bridge, VISUAL_SHARE * visual_vectors(pooled, self._bridge)], axis=1)

    def see(self, pictures: Sequence[pil.Image]) -> tuple[Array, Array]:
        """Class scores n × 1000 and features n × 1280, each the mean of two views: all of it, and its middle."""
        pixels = np.stack([view for picture in pictures for view in views(picture)])
        logits, pooled = self._session.run(None, {"image": pixels})
        return logits.reshape(len(pictures), 2, -1).mean(axis=1), pooled.reshape(len(pictures), 2, -1).mean(axis=1)


def views(picture: pil.Image) -> tuple[Array, Array]:
    """The whole picture squeezed into a square, and its middle square: 3 × 260 × 260 each."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = (left, top, left + side, top + side)
    return _pixels(picture, (0, 0, *picture.size)), _pixels(picture, middle)


def _pixels(picture: pil.Image, box: tuple[int, int, int, int]) -> Array:
    small = picture.convert("RGB").resize((SIDE, SIDE), pil.Resampling.BICUBIC, box)
    return ((np.asarray(small, np.float32).transpose(2, 0, 1) - 127) / 128).astype(np.float32)


def drawn(pictures: Sequence[pil.Image]) -> Array:
    """How much each picture looks drawn rather than photographed, 0 to 1: drawings have few colours.

    Colours are counted among 4,096, on 64 × 64 pixels, so that JPEG's noise does not count.
    """
    shares = []
    for picture in pictures:
        small = np.asarray(picture.convert("RGB").resize((64, 64), pil.Resampling.BOX), np.int32) >> 4
        counts = np.bincount((small @ (256, 16, 1)).ravel(), minlength=4)
        shares.append(np.partition(counts, -4)[-4:].sum() / counts.sum())
    few: Array = 1 / (1 + np.exp((DRAWN - np.array(shares, np.float32)) / DRAWN_WIDTH))
    return few


def bridge_vectors(logits: Array, pooled: Array, drawings: Array, weights: dict[str, Array]) -> Array:
    """Class scores, features and how drawn they look → n × 384 unit vectors in the text space."""
    base = base_vectors(logits, pooled, weights)
    features = unit((pooled - weights["feature_mean"]) / weights["feature_scale"])
    adapted = unit(base + np.concatenate([features, base], axis=1) @ weights["adapter"])
    return unit(base + ADAPTER_SHARE * drawings[:, None] * adapted)


def base_vectors(logits: Array, pooled: Array, weights: dict[str, Array]) -> Array:
    """The part of the bridge that needs no training: ConSE plus ridge."""
    top, temperature = int(weights["conse"][0]), float(weights["conse"][1])
    scaled = logits / temperature
    floor = np.partition(scaled, -top, axis=1)[:, -top:].min(axis=1, keepdims=True)
    likely = np.exp(scaled - scaled.max(axis=1, keepdims=True)) * (scaled >= floor)
    conse = unit(likely @ weights["classes"])
    ridge = unit((pooled - weights["feature_mean"]) @ weights["ridge"])
    return unit(conse + RIDGE_SHARE * ridge)


def visual_vectors(pooled: Array, weights: dict[str, Array]) -> Array:
    """Features n × 1280 → n × 256 unit vectors: how a picture looks."""
    return unit(((pooled - weights["feature_mean"]) / weights["feature_scale"]) @ weights["visual"])


def unit(vectors: Floats) -> Array:
    """Rows scaled to unit length."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Array = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


def _first_image(parts: Parts) -> Image | None:
    return next(_images(parts), None)


def _images(parts: Parts) -> Iterator[Image]:
    return (part for part in parts if isinstance(part, Image))


@cache
def load(argument: str = "") -> Lite:
    """The one instance of this process; it takes no argument."""
    if argument:
        raise ValueError(f"the encoder 'lite' takes no argument, got {argument!r}")
    return Lite()

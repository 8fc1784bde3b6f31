"""What the towers are trained on: emoji as patches of image features, and as token ids of what they are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders import lite
from bowerbird.encoders.e5_file import E5File
from bowerbird.encoders.lite import views
from bowerbird.evaluate.vectors import kept
from bowerbird.items import Image, Parts

Array = NDArray[np.float32]
Rows = NDArray[np.int64]

GRID = 3
"""Patches of a picture along each side."""
LENGTH = 16
"""Tokens of a text, with those of start and end."""
TEMPLATE = "a picture of"
MAP = b"/_swish_1/Clip_output_0"
"""The tensor of the default image model before its mean over places: n × 1280 × 9 × 9."""


@dataclass(frozen=True)
class Emoji:
    """n emoji. patches: n × 9 × 256. texts: n × variants × LENGTH token ids; the first variant is the template with the
    name. labels: n, the number of the subgroup. pads: the ids of no token, of start and of end. prefix: the template's.
    words: ids → 384.
    """

    patches: Array
    texts: Rows
    labels: Rows
    prefix: Rows
    end: int
    words: Array

    def __len__(self) -> int:
        return len(self.patches)


def load(folder: Path, entries: Sequence[dict[str, Any]]) -> Emoji:
    """From items as in images/emoji-styles/items.jsonl, in the style of Twemoji."""
    patches = seen([(Image(str(folder / entry["images"]["twitter"])),) for entry in entries])
    said = [_said(entry) for entry in entries]
    file = E5File()
    tokenizer = file.tokenizer()

    def ids(text: str) -> list[int]:
        return [file.bos, *tokenizer.encode(file.normalize(text), add_special_tokens=False).ids[: LENGTH - 2]]

    raw = np.full((len(said), len(said[0]), LENGTH), file.eos, np.int64)
    for row, variants in enumerate(said):
        for column, text in enumerate(variants):
            found = ids(text)
            raw[row, column, : len(found)] = found
    prefix = np.array(ids(TEMPLATE))
    known, compact = np.unique(np.concatenate([raw.ravel(), prefix]), return_inverse=True)
    texts, prefix = compact[: raw.size].reshape(raw.shape), compact[raw.size :]
    groups = sorted({entry["subgroup"] for entry in entries})
    labels = np.array([groups.index(entry["subgroup"]) for entry in entries])
    return Emoji(patches, texts, labels, prefix, int(np.searchsorted(known, file.eos)), file.word_vectors(known))


def read(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]


def _said(entry: dict[str, Any]) -> list[str]:
    """Name, keywords and tags; first behind the template, then alone."""
    alone = [entry["names"]["en"], " ".join(entry["keywords"]["en"]), entry["openmoji_tags"].replace(",", "")]
    alone = [text or alone[0] for text in alone]
    return [*(f"{TEMPLATE} {text}" for text in alone), *alone]


def seen(batch: Sequence[Parts]) -> Array:
    """Pictures → n × 9 × 256: the features of each ninth of a picture, in the encoder's visual projection."""
    weights = lite.load()._bridge

    def see(some: Sequence[Parts]) -> Array:
        pictures = [part.open() for parts in some for part in parts if isinstance(part, Image)]
        (places,) = _session().run([MAP.decode()], {"image": np.stack([views(picture)[0] for picture in pictures])})
        side = places.shape[2] // GRID
        cells = places.reshape(len(pictures), -1, GRID, side, GRID, side).mean(axis=(3, 5))
        flat = cells.reshape(len(pictures), -1, GRID * GRID).transpose(0, 2, 1).reshape(-1, cells.shape[1])
        return lite.visual_vectors(flat, weights).reshape(len(pictures), -1)

    flat = kept(
        f"{lite.load().id} patches",
        batch,
        lambda some: np.concatenate([see(some[i : i + 16]) for i in range(0, len(some), 16)]),
    )
    return flat.vectors.reshape(len(batch), GRID * GRID, -1)


@cache
def _session() -> Any:
    """The default image model with one more output: a message of the file's format, appended, adds to its lists."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = lite.THREADS
    options.log_severity_level = 3
    model = (files("bowerbird.encoders.weights") / "lite2.onnx").read_bytes()
    named = model + _field(7, _field(12, _field(1, MAP)))  # graph, output, name
    return onnxruntime.InferenceSession(named, options, providers=["CPUExecutionProvider"])


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of protocol buffers; payloads here are shorter than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload

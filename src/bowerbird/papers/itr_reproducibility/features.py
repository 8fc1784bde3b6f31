"""Frozen features of photos and of their captions, by three text encoders."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from bowerbird.encoders import lite
from bowerbird.encoders.lite import unit
from bowerbird.evaluate.vectors import kept, text_vectors
from bowerbird.items import Image, Parts
from bowerbird.papers.itr_reproducibility.towers import Array, Rows
from bowerbird.papers.page import Run


def photos(run: Run) -> tuple[Array, list[list[str]]]:
    folder = run.folder("images/flickr8k-ml")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    run.say(f"looking at {len(entries)} photos")
    pictures = features([(Image(str(folder / entry["image"])),) for entry in entries])
    return pictures, [entry["captions_en"] for entry in entries]


def features(batch: Sequence[Parts]) -> Array:
    """Pictures → n × 1280: what the image model sees, each feature less its mean, in unit variance."""
    encoder = lite.load()

    def see(some: Sequence[Parts]) -> Array:
        return encoder.see([part.open() for parts in some for part in parts if isinstance(part, Image)])[1]

    seen = kept(f"{encoder.id} features", batch, see).vectors
    return unit((seen - seen.mean(axis=0)) / np.maximum(seen.std(axis=0), 1e-6))


def sentences(texts: Sequence[Sequence[str]]) -> Array:
    encoder = lite.load()
    flat = [text for some in texts for text in some]
    found = text_vectors(f"{encoder.id} raw words", flat, encoder.raw_text_vectors).vectors
    return unit(found - found.mean(axis=0)).reshape(len(texts), -1, found.shape[1])


def random_words(texts: Sequence[Sequence[str]], seed: int, width: int = 384) -> Array:
    """As an encoder that has learned nothing: the mean of a random vector for each word."""
    vocabulary = sorted({word for some in texts for text in some for word in _words(text)})
    table = np.random.default_rng(seed).standard_normal((len(vocabulary), width), np.float32)
    number = {word: row for row, word in enumerate(vocabulary)}
    return unit(np.stack([[table[[number[w] for w in _words(text)]].sum(axis=0) for text in some] for some in texts]))


def tf_idf(texts: Sequence[Sequence[str]], train: Rows) -> Array:
    """Counts of the words that two photos or more of the training part have, weighed by how rare they are."""
    holds = Counter(word for row in train for word in {word for text in texts[row] for word in _words(text)})
    vocabulary = {word: column for column, word in enumerate(sorted(w for w, count in holds.items() if count > 1))}
    rarity = {word: float(np.log(len(train) / holds[word])) for word in vocabulary}
    out = np.zeros((len(texts), len(texts[0]), len(vocabulary)), np.float32)
    for row, some in enumerate(texts):
        for column, text in enumerate(some):
            for word in _words(text):
                if word in vocabulary:
                    out[row, column, vocabulary[word]] += rarity[word]
    return unit(out)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower()) or ["-"]

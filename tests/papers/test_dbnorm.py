"""Hubs are pushed down on real data: Portuguese names of emoji look for the Spanish ones by their spelling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from zlib import crc32

import numpy as np

from bowerbird.embeddings import Dense
from bowerbird.papers.dbnorm import (
    Split,
    _banks,
    _first,
    _found_first,
    _hub_rate,
    _methods,
    _sharpness,
    _skewness,
)
from bowerbird.pipeline.hubness import Bank
from tests.shared import shared


def spelling(texts: Sequence[str]) -> Dense:
    """Counts of their trigrams, hashed."""
    counts = np.zeros((len(texts), 256), np.float32)
    for row, text in enumerate(texts):
        padded = f" {text.lower()} "
        for start in range(len(padded) - 2):
            counts[row, crc32(padded[start : start + 3].encode()) % 256] += 1
    return Dense(counts).normalized()


def test_hubness_falls_by_half_and_only_with_densities_of_the_right_items() -> None:
    lines = (shared("images/emoji-styles") / "items.jsonl").read_text("utf8").splitlines()
    entries = [json.loads(line) for line in lines[::3]]
    asked, gallery = (spelling([entry["names"][language] for entry in entries]) for language in ("pt", "es"))
    split = Split.of(asked, gallery, 0)
    banks = _banks(split)
    found = _methods(split, spelling([f"{number}" for number in range(100)]), *banks)
    hubness = {method: _skewness(scores) for method, scores in found.items()}
    rates = {method: _hub_rate(scores) for method, scores in found.items()}
    assert rates["DualIS"] < rates["raw"] / 2
    assert hubness["DualIS"] < hubness["raw"] / 2
    assert hubness["DualDIS"] < hubness["raw"] / 2
    assert hubness["IS, densities shuffled"] > hubness["raw"]
    assert hubness["IS, strange bank"] > 1.5 * hubness["IS"]
    assert _first(found["DualIS"]).mean() > _first(found["raw"]).mean() - 0.02
    assert np.abs(_found_first(split.test, *banks) - _first(found["DualIS"])).mean() < 0.02


def test_notes_say_how_sharp_the_banks_are_and_where_the_gallery_bank_is_off() -> None:
    asked, on, off = (Bank(beta, np.zeros(2, np.float32), np.zeros(2, bool)) for beta in (20.0, 0.5, 0.0))
    (said,) = _sharpness({"centred emoji en": (asked, on)})
    assert said.endswith(": centred emoji en 20 and 0.5")
    _, turned_off = _sharpness({"centred emoji en": (asked, on), "centred emoji de": (asked, off)})
    assert turned_off.startswith("validation turned the gallery bank off")
    assert turned_off.endswith(": centred emoji de")

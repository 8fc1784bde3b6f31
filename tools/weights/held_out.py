"""How well the bridge finds drawings and emoji that it has not learned from, by their names.

python -m tools.weights.held_out
"""

from __future__ import annotations

import io

import numpy as np
from PIL.Image import Image as Picture

from bowerbird.encoders.lite import load
from bowerbird.items import Image, Query
from tools.weights.bridge import SEED, kept
from tools.weights.pairs import Pair, clipart, emoji


def held_out(pairs: list[Pair], random: np.random.Generator) -> list[Pair]:
    """The pictures that `train` leaves out, one per name."""
    others = np.setdiff1d(np.arange(len(pairs)), kept(len(pairs), random))
    return list({pairs[at].texts[0].lower(): pairs[at] for at in others}.values())


def png(picture: Picture) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def recall(pairs: list[Pair]) -> list[float]:
    """Share of names whose picture is among the first 1, 5 and 10."""
    encoder = load()
    pictures = encoder.encode_items([(Image(png(pair.picture)),) for pair in pairs]).dense
    names = encoder.encode_queries([Query.of(pair.texts[0]).parts for pair in pairs]).dense
    assert pictures is not None
    assert names is not None
    scores = names.vectors @ pictures.vectors.T
    rank = (scores > scores.diagonal()[:, None]).sum(axis=1)
    return [float((rank < k).mean()) for k in (1, 5, 10)]


if __name__ == "__main__":
    random = np.random.default_rng(SEED)  # `train` draws its pictures in this order
    for name, pairs in {"clip art": list(clipart()), "emoji": list(emoji())}.items():
        chosen = held_out(pairs, random)
        print(f"{name:9} {len(chosen):5} pictures  R@1/5/10 " + " ".join(f"{share:.3f}" for share in recall(chosen)))

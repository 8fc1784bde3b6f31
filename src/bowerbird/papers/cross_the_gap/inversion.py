"""Modality inversion: what would the other tower have to read, or to see, to give this vector? (section 3)

OTI seeks pseudo-tokens whose text vector is that of a picture; OVI seeks pseudo-patches whose picture vector is that of
a text. Both are found by gradient descent through a frozen tower, for all queries at once and each on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bowerbird.encoders.lite import unit
from bowerbird.papers.cross_the_gap.emoji import Array, Rows
from bowerbird.papers.cross_the_gap.towers import WIDTH, PictureTower, TextTower

RATE, DECAY, SPREAD = 2e-2, 0.01, 0.02


@dataclass(frozen=True)
class Inverted:
    """features: after each of `steps`, n × DIM of unit length. cosine: mean cosine to what was sought, likewise."""

    steps: tuple[int, ...]
    features: tuple[Array, ...]
    cosine: tuple[float, ...]

    @property
    def last(self) -> Array:
        return self.features[-1]


def textual(
    wanted: Array, tower: TextTower, prefix: Rows, steps: Sequence[int], tokens: int = 1, seed: int = 0
) -> Inverted:
    """OTI. wanted: n × DIM vectors of pictures → vectors of "prefix v1 … vR", R = `tokens`.

    The pseudo-tokens take the place of word embeddings before positions are added.
    """
    before = tower.embed(torch.from_numpy(prefix)).expand(len(wanted), -1, WIDTH)
    after = tower.embed(torch.tensor([tower.end])).expand(len(wanted), 1, WIDTH)
    ends = torch.full((len(wanted),), len(prefix) + tokens)

    def encode(sought: Tensor) -> Tensor:
        return tower.from_tokens(torch.cat([before, sought, after], 1), ends)

    return _descend(wanted, encode, tokens, steps, seed)


def visual(wanted: Array, tower: PictureTower, steps: Sequence[int], patches: int = 1, seed: int = 0) -> Inverted:
    """OVI. wanted: n × DIM vectors of texts → vectors of pictures of P = `patches` pseudo-patches, each repeated."""
    each = torch.arange(tower.patches) * patches // tower.patches
    return _descend(wanted, lambda sought: tower.from_patches(sought[:, each]), patches, steps, seed)


def _descend(
    wanted: Array, encode: Callable[[Tensor], Tensor], count: int, steps: Sequence[int], seed: int
) -> Inverted:
    """Minimise 1 - cosine with AdamW over `count` embeddings a query, which start near zero."""
    target = torch.from_numpy(wanted)
    start = torch.randn((len(wanted), count, WIDTH), generator=torch.Generator().manual_seed(seed))
    sought = (SPREAD * start).requires_grad_()
    optimizer = torch.optim.AdamW([sought], lr=RATE, weight_decay=DECAY)
    features, cosine = [], []
    for step in range(max(steps) + 1):
        found = encode(sought)
        alike = (found * target).sum(1)
        if step in steps:
            features.append(found.detach().numpy().copy())
            cosine.append(float(alike.detach().mean()))
        optimizer.zero_grad()
        (1 - alike).sum().backward()
        optimizer.step()
    return Inverted(tuple(sorted(steps)), tuple(features), tuple(cosine))


def gap(pictures: Array, texts: Array) -> float:
    """The modality gap: the distance between the means of unit vectors (Liang et al. 2022, arXiv 2203.02053)."""
    return float(np.linalg.norm(pictures.mean(axis=0) - texts.mean(axis=0)))


def shifted(vectors: Array, own: Array, other: Array) -> Array:
    """A cheap stand-in for inversion: less the mean of its own modality, plus that of the other."""
    return unit(vectors - own.mean(axis=0) + other.mean(axis=0))

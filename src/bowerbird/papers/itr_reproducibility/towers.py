"""Two linear towers over frozen features of pictures and words, trained with one of three losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders.lite import unit
from bowerbird.errors import MissingExtra

Array = NDArray[np.float32]
Rows = NDArray[np.int64]
Loss: TypeAlias = Callable[[Any], Any]
"""Similarities of a batch of pairs, b × b torch, pair i at (i, i) → a number to be made small."""

STEPS, EVERY = 120, 30
BATCH = 128
DIM = 128
RATE = 3e-3
MARGIN, TEMPERATURE = 0.2, 0.07


def hinge_sum(similarities: Any) -> Any:
    """Every wrong partner that comes within the margin costs (VSE0), the mean over pairs."""
    over = _over(similarities)
    return (over[0].sum(1) + over[1].sum(0)).mean()


def hinge_max(similarities: Any) -> Any:
    """Only the hardest wrong partner costs (VSE++, arXiv 1707.05612, equation 6)."""
    over = _over(similarities)
    return (over[0].max(1).values + over[1].max(0).values).mean()


def infonce(similarities: Any) -> Any:
    """Cross entropy of finding the partner in the batch, both ways (CLIP, arXiv 2103.00020)."""
    import torch
    from torch.nn.functional import cross_entropy

    own = torch.arange(len(similarities))
    scaled = similarities / TEMPERATURE
    return cross_entropy(scaled, own) + cross_entropy(scaled.T, own)


def _over(similarities: Any) -> tuple[Any, Any]:
    """By how much wrong partners exceed right ones less the margin, for pictures (rows) and words (columns)."""
    import torch

    right = similarities.diag()
    wrong = 1 - torch.eye(len(similarities))
    by_row = (MARGIN + similarities - right[:, None]).clamp(min=0) * wrong
    return by_row, (MARGIN + similarities - right[None]).clamp(min=0) * wrong


LOSSES: Mapping[str, Loss] = {"hinge-sum": hinge_sum, "hinge-max": hinge_max, "InfoNCE": infonce}


@dataclass(frozen=True)
class Pairs:
    """n pictures (n × features) and as many captions of each (n × captions × features), of unit length."""

    pictures: Array
    captions: Array

    def __getitem__(self, rows: Rows) -> Pairs:
        return Pairs(self.pictures[rows], self.captions[rows])

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Towers:
    """Two linear maps into one space: features × DIM each."""

    picture: Array
    words: Array

    def similarities(self, pairs: Pairs) -> Array:
        """n pictures × (n · captions) cosines; the captions of a picture stand side by side."""
        words = pairs.captions.reshape(-1, pairs.captions.shape[2])
        found: Array = unit(pairs.pictures @ self.picture) @ unit(words @ self.words).T
        return found


def trained(pairs: Pairs, loss: Loss, seed: int, steps: int = STEPS) -> list[Towers]:
    """The towers after every EVERY steps of AdamW. The seed draws first weights, batches, and captions of pictures."""
    torch = single_threaded_torch()
    generator = torch.Generator().manual_seed(seed)
    pictures, captions = torch.from_numpy(pairs.pictures), torch.from_numpy(pairs.captions)
    widths = pairs.pictures.shape[1], pairs.captions.shape[2]
    maps = [(torch.randn(width, DIM, generator=generator) / width**0.5).requires_grad_() for width in widths]
    optimizer = torch.optim.AdamW(maps, lr=RATE)
    found = []
    for step in range(1, steps + 1):
        rows = torch.randperm(len(pairs), generator=generator)[:BATCH]
        chosen = torch.randint(captions.shape[1], (len(rows),), generator=generator)
        seen, read = (
            torch.nn.functional.normalize(features @ map_, dim=1)
            for features, map_ in zip((pictures[rows], captions[rows, chosen]), maps, strict=True)
        )
        optimizer.zero_grad()
        loss(seen @ read.T).backward()
        optimizer.step()
        if step % EVERY == 0:
            found.append(Towers(*(map_.detach().numpy().copy() for map_ in maps)))
    return found


def single_threaded_torch() -> Any:
    """On one thread: for matrices this small, others only wait for each other."""
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "the page itr-reproducibility") from None
    torch.set_num_threads(1)
    return torch

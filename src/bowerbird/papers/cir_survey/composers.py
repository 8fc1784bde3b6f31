"""Ways to make one query of a picture and words, in a space that both share.

Every composer maps pictures (q × dim) and words (q × dim), of unit length, to queries (q × dim).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders.lite import unit
from bowerbird.pipeline.compose import weighted

Array = NDArray[np.float32]
Composer: TypeAlias = Callable[[Array, Array], Array]

SHARES = tuple(step / 20 for step in range(21))
HIDDEN, STEPS, BATCH, RATE, DECAY, SCALE = 256, 100, 128, 1e-3, 1e-2, 20.0
RIDGE = 1.0
SAME = 0.9999
"""The cosine from which two vectors are of one picture."""


def picture_only(pictures: Array, words: Array) -> Array:
    return pictures


def words_only(pictures: Array, words: Array) -> Array:
    return words


def summed(pictures: Array, words: Array) -> Array:
    return weighted(pictures, words, 0.5)


def fit_weighted(pictures: Array, words: Array, targets: Array) -> tuple[Composer, float]:
    """The weighted sum whose share of words finds most targets (q × dim) among those of the other queries."""
    share = best_share(pictures, words, targets, pictures)
    return (lambda seen, said: weighted(seen, said, share)), share


def best_share(pictures: Array, words: Array, targets: Array, references: Array) -> float:
    """By R@5; the reference of a query (q × dim) is left out where it is the target of another."""
    others = references @ targets.T < SAME

    def found(share: float) -> float:
        scores = np.where(others, weighted(pictures, words, share) @ targets.T, -np.inf)
        unlike = scores > np.diagonal(scores)[:, None] + 1e-6
        return float((unlike.sum(axis=1) < 5).mean())

    return max(SHARES, key=found)


def fit_inversion(shown: Array, named: Array, pictures: Array, words: Array, targets: Array) -> Composer:
    """Textual inversion, linear: a picture's vector is mapped to that of its name, then words are added.

    shown, named: n × dim, pictures and what they are called; the map is solved by ridge regression.
    """
    gram = shown.T @ shown + RIDGE * np.eye(shown.shape[1], dtype=np.float32)
    map_ = np.linalg.solve(gram, shown.T @ named).astype(np.float32)
    share = best_share(unit(pictures @ map_), words, targets, pictures)
    return lambda seen, said: weighted(unit(seen @ map_), said, share)


def fit_combiner(pictures: Array, words: Array, targets: Array, seed: int) -> Composer:
    """The Combiner of CLIP4CIR (Baldrati et al., CVPRW 2022): a learned share of each, and a learned mixture.

    It begins as the best weighted sum, and is trained with the batch-based classification loss: the target of a query
    against those of the others.
    """
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy, normalize

    torch.manual_seed(seed)
    dim = pictures.shape[1]
    parts = nn.ModuleDict(
        {
            "picture": nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Dropout(0.5)),
            "words": nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Dropout(0.5)),
            "mixture": nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, dim)),
            "share": nn.Sequential(nn.Linear(2 * HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Sigmoid()),
        }
    )
    share = min(max(fit_weighted(pictures, words, targets)[1], 0.05), 0.95)
    nn.init.zeros_(parts["mixture"][-1].weight)
    nn.init.zeros_(parts["share"][-2].weight)
    nn.init.constant_(parts["share"][-2].bias, float(np.log(share / (1 - share))))

    def compose(seen: Any, said: Any) -> Any:
        both = torch.cat([parts["picture"](seen), parts["words"](said)], 1)
        share = parts["share"](both)
        return normalize(parts["mixture"](both) + share * said + (1 - share) * seen, dim=1)

    given = [torch.from_numpy(np.ascontiguousarray(side)) for side in (pictures, words, targets)]
    optimizer = torch.optim.AdamW(parts.parameters(), lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        rows = torch.randperm(len(pictures))[:BATCH]
        seen, said, wanted = (side[rows] for side in given)
        loss = cross_entropy(SCALE * compose(seen, said) @ wanted.T, torch.arange(len(rows)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    parts.eval()

    def composed(seen: Array, said: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(compose(torch.from_numpy(seen), torch.from_numpy(said)).numpy())

    return composed

"""Two small towers with one space, as CLIP's (arXiv 2103.00020), that can be entered behind the first layer.

A picture is nine patches, a text word pieces; each goes through a transformer of its own. `from_patches` and
`from_tokens` take embeddings in place of a picture or of words: what is sought there need not be either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from bowerbird.papers.cross_the_gap.emoji import Array, Emoji, Rows

WIDTH, LAYERS, HEADS, DIM = 64, 2, 4, 64
BATCH, STEPS, RATE, DECAY = 128, 300, 2e-3, 0.1
KEPT_PATCHES = 6
"""Patches of nine that a look at a picture keeps where two looks at it are to agree."""


class Blocks(nn.Module):  # type: ignore[misc]
    """Positions, pre-norm transformer layers, a last norm, and a projection of one place into the joint space."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(0.02 * torch.randn(length, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.projection = nn.Linear(WIDTH, DIM, bias=False)

    def forward(self, embedded: Tensor, pooled: Tensor, mask: Tensor | None = None) -> Tensor:
        """n × length × WIDTH, and which place of each stands for it (n) → n × DIM of unit length."""
        hidden = self.layers(embedded + self.positions[: embedded.shape[1]], mask=mask)
        return normalize(self.projection(hidden[torch.arange(len(hidden)), pooled]), dim=1)


class PictureTower(nn.Module):  # type: ignore[misc]
    def __init__(self, patches: int, features: int) -> None:
        super().__init__()
        self.patch = nn.Linear(features, WIDTH)
        self.whole = nn.Parameter(0.02 * torch.randn(WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.blocks = Blocks(patches + 1)
        self.patches = patches

    def forward(self, patches: Tensor) -> Tensor:
        """n × patches × features → n × DIM."""
        return self.from_patches(self.patch(patches))

    def from_patches(self, embedded: Tensor) -> Tensor:
        """n × patches × WIDTH, as the patch layer gives them → n × DIM."""
        whole = self.whole.expand(len(embedded), 1, WIDTH)
        return self.blocks(self.norm(torch.cat([whole, embedded], 1)), torch.zeros(len(embedded), dtype=torch.long))


class TextTower(nn.Module):  # type: ignore[misc]
    def __init__(self, words: Tensor, end: int, length: int) -> None:
        super().__init__()
        self.register_buffer("words", words)
        self.token = nn.Linear(words.shape[1], WIDTH)
        self.blocks = Blocks(length)
        self.end = end

    def forward(self, ids: Tensor) -> Tensor:
        """n × length token ids → n × DIM; the first end counts, what follows it is padding."""
        return self.from_tokens(self.embed(ids), (ids == self.end).int().argmax(1))

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids → the embeddings that `from_tokens` takes, before positions are added."""
        return self.token(self.words[ids])

    def from_tokens(self, embedded: Tensor, ends: Tensor) -> Tensor:
        """n × length × WIDTH, and the place of each one's end → n × DIM. Attention looks back only, as CLIP's."""
        mask = nn.Transformer.generate_square_subsequent_mask(embedded.shape[1])
        return self.blocks(embedded, ends, mask)


@dataclass(frozen=True)
class Pair:
    """Both towers, trained, and frozen."""

    picture: PictureTower
    text: TextTower

    def pictures(self, patches: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(self.picture(torch.from_numpy(patches)).numpy())

    def texts(self, ids: Rows) -> Array:
        with torch.inference_mode():
            return np.asarray(self.text(torch.from_numpy(ids)).numpy())


def train(emoji: Emoji, rows: Rows, temperature: float, seed: int, steps: int = STEPS, looks: bool = False) -> Pair:
    """Towers trained with InfoNCE both ways on some of the emoji; every step draws one text for each picture.

    temperature: fixed; a low one keeps the gap between modalities, 1 closes it (Cross the Gap, section 5).
    looks: also let two looks at a picture agree, a loss within one modality as SLIP has.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    patches, texts = torch.from_numpy(emoji.patches), torch.from_numpy(emoji.texts)
    pair = Pair(
        PictureTower(patches.shape[1], patches.shape[2]),
        TextTower(torch.from_numpy(emoji.words), emoji.end, texts.shape[2]),
    )
    weights: list[Any] = [*pair.picture.parameters(), *pair.text.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        chosen = torch.from_numpy(random.choice(rows, min(BATCH, len(rows)), replace=False))
        said = texts[chosen, torch.from_numpy(random.integers(0, texts.shape[1], len(chosen)))]
        used = int((said == emoji.end).int().argmax(1).max()) + 1
        loss = contrast(pair.picture(patches[chosen]), pair.text(said[:, :used]), temperature)
        if looks:
            one, other = (_look(pair.picture, patches[chosen], random) for _ in range(2))
            loss = loss + contrast(one, other, temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    for weight in weights:
        weight.requires_grad_(False)
    return pair


def contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """InfoNCE of n pairs, both ways; a, b: n × DIM of unit length."""
    scores, own = a @ b.T / temperature, torch.arange(len(a))
    return (cross_entropy(scores, own) + cross_entropy(scores.T, own)) / 2


def _look(tower: PictureTower, patches: Tensor, random: np.random.Generator) -> Tensor:
    """A picture of which only some patches are seen; the others are blank."""
    order = random.random(patches.shape[:2]).argsort(axis=1)
    seen = torch.from_numpy((order < KEPT_PATCHES).astype(np.float32))
    return tower(patches * seen[..., None])

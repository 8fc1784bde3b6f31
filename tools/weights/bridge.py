"""From the image model's features into the space of the text encoder: bridge.npz (see encoders/lite.py for its use).

Measured choices, on 937 photos that are in no training set (R@10 of English captions, ../shared/data): class texts
without glosses 23.7, with them 28.9; the mean of token vectors without the prefix instead of the pooled vector +2;
a second, cropped view +1.5; whitening, hub correction, soft words instead of classes: nothing. Trained on drawings
alone the adapter spoils photos (18.9) and makes drawings (R@10 17 to 59), so `drawn` decides how much of it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders.lite import RIDGE_SHARE, Lite, base_vectors, unit
from tools.weights.pairs import Pair, class_texts, clipart, emoji

Array = NDArray[np.float32]
SEED = 0
HELD_OUT = 0.3
EPOCHS, BATCH, RATE, DECAY, DROPOUT = 12, 512, 2e-3, 5e-2, 0.2
VISUAL = 256
CONSE = (50, 2.0)
"""Likeliest classes that count, and the temperature of their scores."""


def build_bridge(head: Path, synsets: Path, out: Path) -> None:
    """head: the classifier's rows; synsets: one WordNet id per line. Writes every array in float16."""
    encoder = Lite()
    drawings, symbols = list(clipart()), list(emoji())
    rows = np.load(head)
    weights = untrained(rows, synsets, [*drawings, *symbols], encoder)
    weights["adapter"] = train(rows, drawings, symbols, weights, encoder)
    np.savez_compressed(out, **{name: array.astype(np.float16) for name, array in weights.items()})
    print(f"{out.name}: {out.stat().st_size / 1e6:.1f} MB")


_features: dict[int, tuple[Array, Array]] = {}


def features(pairs: list[Pair], encoder: Lite) -> tuple[Array, Array]:
    """Logits and pooled features of all pictures."""
    if id(pairs) not in _features:
        logits, pooled = zip(*(encoder.see([pair.picture]) for pair in pairs), strict=True)
        _features[id(pairs)] = np.concatenate(logits), np.concatenate(pooled)
    return _features[id(pairs)]


def untrained(rows: Array, synsets: Path, pairs: list[Pair], encoder: Lite) -> dict[str, Array]:
    """Everything that needs no training: class texts, ridge, statistics, the axes of a picture's look."""
    classes = class_texts(synsets)
    texts = {
        "name": [one.names[0] for one in classes],
        "names": [", ".join(one.names) for one in classes],
        "photo": [f"a photo of a {one.names[0]}, a kind of {one.kind}" for one in classes],
        "gloss": [one.gloss for one in classes],
    }
    raw = {name: encoder.raw_text_vectors(lines) for name, lines in texts.items()}
    titles = encoder.raw_text_vectors([pair.texts[0] for pair in pairs])
    mean = np.concatenate([raw["photo"], raw["gloss"], titles]).mean(axis=0)
    share = {"name": 1, "names": 1, "photo": 1, "gloss": 2}
    vectors = unit(sum(share[name] * unit(raw[name] - mean) for name in share))
    _, pooled = features(pairs, encoder)
    centre, scale = pooled.mean(axis=0), pooled.std(axis=0) + 1e-2
    _, spread, axes = np.linalg.svd(((pooled - centre) / scale).astype(np.float32), full_matrices=False)
    look = axes[:VISUAL].T * (spread[0] / spread[:VISUAL])  # every axis counts the same: outlines R@1 3.2 to 4.3
    return {
        "classes": vectors,
        "ridge": ridge(rows, vectors),
        "text_mean": mean,
        "feature_mean": centre,
        "feature_scale": scale,
        "visual": look,
        "conse": np.array(CONSE, np.float32),
    }


def ridge(rows: Array, vectors: Array) -> Array:
    """The linear map from features to text that sends the classifier's rows to their classes' texts."""
    x, y = rows - rows.mean(axis=0), vectors - vectors.mean(axis=0)
    gram = x @ x.T
    strength = 0.1 * np.trace(gram) / len(gram)
    solved: Array = x.T @ np.linalg.solve(gram + strength * np.eye(len(gram), dtype=np.float32), y)
    return solved


def train(rows: Array, drawings: list[Pair], symbols: list[Pair], weights: dict[str, Array], encoder: Lite) -> Array:
    """The adapter, (1280 + 384) × 384, by a contrastive loss over titles, keywords and names in many languages."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    random = np.random.default_rng(SEED)
    seen = [(pictures, kept(len(pictures), random)) for pictures in (drawings, symbols)]
    anchors = unit((rows - rows.mean(axis=0)) / rows.std(axis=0))
    anchor_base = unit(weights["classes"] + RIDGE_SHARE * unit((rows - rows.mean(axis=0)) @ weights["ridge"]))
    sets: list[tuple[Array, list[Array]]] = [
        (np.concatenate([anchors, anchor_base], axis=1), [weights["classes"]] * 6),
    ]
    for pictures, chosen in seen:
        logits, pooled = features(pictures, encoder)
        base = base_vectors(logits[chosen], pooled[chosen], weights)
        look = unit((pooled[chosen] - weights["feature_mean"]) / weights["feature_scale"])
        sets.append((np.concatenate([look, base], axis=1), captions([pictures[at] for at in chosen], weights, encoder)))
    inputs = torch.tensor(np.concatenate([x for x, texts in sets for _ in texts[:6]]))
    width = weights["classes"].shape[1]
    layer = torch.nn.Linear(inputs.shape[1], width, bias=False)
    torch.nn.init.zeros_(layer.weight)
    sharpness = torch.nn.Parameter(torch.tensor(3.0))
    optimizer = torch.optim.AdamW(
        [{"params": layer.parameters(), "weight_decay": DECAY}, {"params": [sharpness], "weight_decay": 0.0}], lr=RATE
    )
    steps = EPOCHS * (len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        # every epoch draws six of a picture's texts: titles, keywords, names in other languages
        drawn = [texts[at] for _, texts in sets for at in random.permutation(len(texts))[:6]]
        targets, order = torch.tensor(np.concatenate(drawn)), torch.tensor(random.permutation(len(inputs)))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            some = order[start : start + BATCH]
            x, y = inputs[some], targets[some]
            out = torch.nn.functional.normalize(layer(torch.nn.functional.dropout(x, DROPOUT)) + x[:, -width:], dim=1)
            scores = sharpness.exp().clamp(max=50) * out @ y.T
            right = torch.arange(len(some))
            loss = torch.nn.functional.cross_entropy(scores, right) + torch.nn.functional.cross_entropy(scores.T, right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    trained: Array = layer.weight.detach().numpy().T
    return trained


def kept(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The pictures to learn from; the others are for measuring (held_out.py)."""
    chosen: NDArray[np.int64] = random.permutation(count)[int(HELD_OUT * count) :]
    return chosen


def captions(pairs: Iterable[Pair], weights: dict[str, Array], encoder: Lite) -> list[Array]:
    """One array per kind of text; a missing text is replaced by the title. At least six arrays."""
    texts = [pair.texts for pair in pairs]
    longest = max(map(len, texts))
    columns = [[one[at] if at < len(one) and one[at] else one[0] for one in texts] for at in range(longest)]
    vectors = [unit(encoder.raw_text_vectors(column) - weights["text_mean"]) for column in columns]
    return (vectors * 6)[: max(6, len(vectors))]

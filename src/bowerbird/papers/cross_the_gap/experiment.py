"""Towers with and without a gap between modalities, and what inversion does to search within a modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.papers.cross_the_gap import emoji as data
from bowerbird.papers.cross_the_gap.emoji import Array, Emoji, Rows
from bowerbird.papers.cross_the_gap.inversion import Inverted, gap, shifted, textual, visual
from bowerbird.papers.cross_the_gap.towers import Pair, train
from bowerbird.papers.page import Check, Figure, Report, Run, certain

Floats = NDArray[np.float64]

LOW, HIGH = 0.01, 1.0
"""Temperatures, as in the paper: the low one keeps the gap, the high one closes it."""
HELD = 3
"""One emoji of so many is searched, not trained on."""
QUERIES = 600
"""The first third of them chooses when descent stops, the others are reported."""
OTI_STEPS, OVI_STEPS, FULL_OVI_STEPS = (0, 10, 25, 50, 100, 150), (0, 10, 25, 50, 100), (0, 10, 25, 50, 100, 300, 1000)


@dataclass
class Found:
    """Per method and measure, the average precisions of all queries of all seeds; and numbers that are no such."""

    precisions: dict[str, list[Floats]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, values: Floats) -> None:
        self.precisions.setdefault(name, []).append(values)

    def note(self, name: str, value: float) -> None:
        self.numbers.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        return float(np.mean(np.concatenate(self.precisions[name])))

    def gains(self, name: str, over: str) -> Floats:
        """By how much each query gains."""
        gained: Floats = np.concatenate(self.precisions[name]) - np.concatenate(self.precisions[over])
        return gained

    def number(self, name: str) -> float:
        return float(np.mean(self.numbers[name]))


def reproduce(run: Run) -> Report:
    folder = run.folder("images/emoji-styles")
    entries = data.read(folder)
    run.say(f"looking at {len(entries)} emoji")
    emoji = data.load(folder, entries)
    order = np.random.default_rng(run.seed).permutation(len(emoji))
    held, rest = np.split(order, [len(order) // HELD])
    models = {"gap": (LOW, False), "no gap": (HIGH, False)}
    if run.full:
        models["gap, looks agree"] = (LOW, True)
    found: dict[str, Found] = {}
    for name, (temperature, looks) in models.items():
        for seed in range(run.seed, run.seed + (3 if run.full else 1)):
            run.say(f"training towers: {name}, seed {seed}")
            pair = train(emoji, rest, temperature, seed, looks=looks)
            run.say(f"inverting: {name}, seed {seed}")
            measure(found.setdefault(name, Found()), pair, emoji, held, seed, run.full)
    figures = tuple(figure for name, one in found.items() for figure in _figures(name, one))
    return Report(
        data=f"{len(rest)} emoji with names, keywords and tags to train, {len(held)} to search, "
        f"{min(QUERIES, len(held))} of them queries (a third chooses when to stop); relevant is the same subgroup",
        figures=figures,
        checks=_checks(found),
        notes=(
            f"gap: InfoNCE at temperature {LOW:g}; no gap: at {HIGH:g}; a full run has three seeds, more tokens, and "
            "towers whose training lets two looks at a picture agree, as in SLIP",
            "the towers are small transformers over features of the default image model and its word vectors, trained "
            "here; what the paper shows on CLIP's own weights cannot be tried without them",
            "a gain counts as seen where its interval over queries lies above zero",
            _curve(found["gap"], "OTI R=1", OTI_STEPS),
            _curve(found["gap"], "OVI", FULL_OVI_STEPS if run.full else OVI_STEPS),
        ),
    )


def measure(found: Found, pair: Pair, emoji: Emoji, held: Rows, seed: int, full: bool = False) -> None:
    """Everything about one pair of towers."""
    labels, asked = emoji.labels[held], min(QUERIES, len(held))
    chosen, reported = np.arange(asked // 3), np.arange(asked // 3, asked)
    pictures, texts = pair.pictures(emoji.patches[held]), pair.texts(emoji.texts[held, 0])
    found.note("modality gap", gap(pictures, texts))

    def search(name: str, queries: Array, gallery: Array) -> None:
        values = precision(queries @ gallery.T, labels)[reported]
        found.add(name, values[~np.isnan(values)])

    def inverted(name: str, found_: Inverted, gallery: Array) -> Array:
        """The features after as many steps as are best for the queries that choose."""
        for step, features in zip(found_.steps, found_.features, strict=True):
            search(f"{name} {step}", features, gallery)
        worth = [np.nanmean(precision(one @ gallery.T, labels)[chosen]) for one in found_.features]
        best = int(np.argmax(worth))
        found.note(f"steps of {name}", found_.steps[best])
        return found_.features[best]

    search("pictures by picture", pictures[:asked], pictures)
    search("texts by text", texts[:asked], texts)
    search("texts by picture", pictures[:asked], texts)
    for count in (1, 2, 4) if full else (1,):
        oti = textual(pictures[:asked], pair.text, emoji.prefix, OTI_STEPS, count, seed)
        best = inverted(f"OTI R={count}", oti, pictures)
        search(f"pictures by picture, OTI R={count}", best, pictures)
        if count == 1:
            search("texts by picture, OTI", best, texts)
            found.note("cosine of OTI to its picture", oti.cosine[-1])
    ovi = visual(texts[:asked], pair.picture, FULL_OVI_STEPS if full else OVI_STEPS, seed=seed)
    search("texts by text, OVI", inverted("OVI", ovi, texts), texts)
    found.note("cosine of OVI to its text", ovi.cosine[-1])
    every = pair.texts(emoji.texts.reshape(-1, emoji.texts.shape[2]))
    found.note("cosine of the best real text", float((pictures[:asked] @ every.T).max(axis=1).mean()))
    search("pictures by picture, means moved", shifted(pictures[:asked], pictures, texts), pictures)
    search("texts by text, means moved", shifted(texts[:asked], texts, pictures), texts)


def precision(scores: Array, labels: Rows) -> Floats:
    """Average precision of each query (q × n scores, query i is item i, which is left out); relevant: the same label.

    NaN where no other item has the label.
    """
    asked = np.arange(len(scores))
    own = scores.copy()
    own[asked, asked] = -np.inf
    order = np.argsort(-own, axis=1, kind="stable")[:, :-1]
    hits = labels[order] == labels[: len(scores), None]
    precisions = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    total = hits.sum(axis=1)
    found: Floats = np.where(total > 0, (precisions * hits).sum(axis=1) / np.maximum(total, 1), np.nan)
    return found


SHOWN: Mapping[str, tuple[Literal["baseline", "ours", "ablation"], str, str]] = {
    "pictures by picture": ("baseline", "direct", "mAP pictures by picture"),
    "pictures by picture, OTI R=1": ("ours", "OTI", "mAP pictures by picture"),
    "OTI R=1 0": ("ablation", "pseudo-tokens not sought", "mAP pictures by picture"),
    "pictures by picture, OTI R=2": ("ablation", "OTI, two tokens", "mAP pictures by picture"),
    "pictures by picture, OTI R=4": ("ablation", "OTI, four tokens", "mAP pictures by picture"),
    "pictures by picture, means moved": ("ablation", "means moved", "mAP pictures by picture"),
    "texts by text": ("baseline", "direct", "mAP texts by text"),
    "texts by text, OVI": ("ours", "OVI", "mAP texts by text"),
    "OVI 0": ("ablation", "pseudo-patches not sought", "mAP texts by text"),
    "texts by text, means moved": ("ablation", "means moved", "mAP texts by text"),
    "texts by picture": ("baseline", "direct", "mAP texts by picture"),
    "texts by picture, OTI": ("ablation", "OTI where none is needed", "mAP texts by picture"),
}


GAINS = {
    "OTI": ("pictures by picture, OTI R=1", "pictures by picture"),
    "OVI": ("texts by text, OVI", "texts by text"),
}


def _figures(model: str, found: Found) -> list[Figure]:
    out = [
        Figure.over(part, f"{model}: {method}", measure_, np.concatenate(found.precisions[name]))
        for name, (part, method, measure_) in SHOWN.items()
        if name in found.precisions
    ]
    for method, (inverted, direct) in GAINS.items():
        out.append(Figure.over("ours", f"{model}: {method} - direct", "gain in mAP", found.gains(inverted, direct)))
    return out + [Figure.of("baseline", model, name, found.number(name)) for name in found.numbers]


def _checks(found: Mapping[str, Found]) -> tuple[Check, ...]:
    kept, closed = found["gap"], found["no gap"]

    curve = [kept.mean(f"OTI R=1 {step}") for step in OTI_STEPS]
    checks = [
        Check("a low temperature keeps modalities apart", kept.number("modality gap") > closed.number("modality gap")),
        Check(
            "pseudo-tokens come nearer to a picture than any real text does",
            kept.number("cosine of OTI to its picture") > kept.number("cosine of the best real text"),
        ),
        Check("with a gap, OTI finds pictures better than the picture itself", certain(kept.gains(*GAINS["OTI"]))),
        Check("and OVI finds texts better than the text itself", certain(kept.gains(*GAINS["OVI"]))),
    ]
    for method, pair in GAINS.items():
        more = kept.gains(*pair) - closed.gains(*pair)
        checks.append(Check(f"{method} gains more with a gap than without", certain(more)))
    checks += [
        Check("more steps are not better: the best of OTI is before the last", max(curve) > curve[-1]),
        Check(
            "where the task is between modalities, OTI harms",
            certain(kept.gains("texts by picture", "texts by picture, OTI")),
        ),
    ]
    if agreed := found.get("gap, looks agree"):
        more = kept.gains(*GAINS["OTI"]) - agreed.gains(*GAINS["OTI"])
        checks.append(Check("OTI gains less where looks at a picture were trained to agree", certain(more)))
    return tuple(checks)


def _curve(found: Found, name: str, steps: tuple[int, ...]) -> str:
    points = ", ".join(f"{step}: {found.mean(f'{name} {step}'):.3f}" for step in steps)
    return f"gap, mAP by steps of {name}: {points}"

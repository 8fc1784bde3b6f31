"""Where does the gain come from? (Rao et al., SIGIR 2022, arXiv 2203.03853): seeds, texts and protocols against losses.

Two linear towers over frozen features of photos and of captions are trained again and again: three losses, three text
encoders, ten seeds. Then the question is put that papers with one run cannot answer: is a gain larger than luck?
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders import lite
from bowerbird.encoders.lite import unit
from bowerbird.errors import MissingExtra
from bowerbird.evaluate.statistics import randomisation
from bowerbird.evaluate.vectors import kept, text_vectors
from bowerbird.items import Image, Parts
from bowerbird.papers.page import Check, Figure, Page, Report, Run

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Loss: TypeAlias = Callable[[Any], Any]
"""Similarities of a batch of pairs, b × b torch, pair i at (i, i) → a number to be made small."""

SEEDS, FULL_SEEDS = 10, 30
STEPS, EVERY = 120, 30
BATCH = 128
DIM = 128
RATE = 3e-3
MARGIN, TEMPERATURE = 0.2, 0.07
FOLDS = 5
CUTOFFS = (1, 5, 10)
SPLITS = 60
"""Ways to halve the seeds of one method that are tried when false wins are counted."""


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
class Split:
    train: Rows
    validation: Rows
    test: Rows

    @classmethod
    def of(cls, count: int, seed: int) -> Split:
        """Of photos, so that no photo has captions on two sides: 8, 2 and 5 of 15 parts."""
        order = np.random.default_rng(seed).permutation(count)
        return cls(*np.split(order, [count * 8 // 15, count * 10 // 15]))


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
    torch = _torch()
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


def recalls(similarities: Array) -> Floats:
    """n × 6: R@1, 5, 10 of pictures → words (the best caption counts), then of words → pictures (each caption counts).

    similarities: n × (n · captions). In percent, so that the sum of the means is rsum. Ties count against a query.
    """
    count = len(similarities)
    each = similarities.shape[1] // count
    own = similarities.reshape(count, count, each)[np.arange(count), np.arange(count)]
    wrong = similarities.copy().reshape(count, count, each)
    wrong[np.arange(count), np.arange(count)] = -np.inf
    to_words = 1 + (wrong >= own.max(axis=1)[:, None, None]).sum(axis=(1, 2))
    to_pictures = 1 + (wrong >= own[None]).sum(axis=0)
    both = [[(ranks <= k).reshape(count, -1).mean(axis=1) for k in CUTOFFS] for ranks in (to_words, to_pictures)]
    return 100 * np.stack([*both[0], *both[1]], axis=1)


def rsum(similarities: Array) -> Floats:
    """n: what each picture and its captions add to rsum, the sum of the six recalls; its mean is rsum."""
    total: Floats = recalls(similarities).sum(axis=1)
    return total


def difference(a: Floats, b: Floats, seed: int = 0, rounds: int = 1000) -> tuple[float, float, float]:
    """Mean of b less that of a, and its 95 % interval when both the seeds and the photos had been others.

    a, b: seeds × photos, the same photos. Seeds are drawn anew for each method, photos for both at once.
    """
    random = np.random.default_rng(seed)
    photos = random.multinomial(a.shape[1], np.full(a.shape[1], 1 / a.shape[1]), rounds) / a.shape[1]
    drawn = [
        ((random.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), rounds) / len(runs) @ runs) * photos).sum(1)
        for runs in (a, b)
    ]
    low, high = np.quantile(drawn[1] - drawn[0], [0.025, 0.975])
    return float(b.mean() - a.mean()), float(low), float(high)


def false_wins_of_runs(runs: Floats) -> float:
    """How often a paired randomisation test over photos (5 %) calls one of two runs better that differ in seed only."""
    pairs = list(combinations(range(len(runs)), 2))
    differences = np.stack([runs[b] - runs[a] for a, b in pairs], axis=1)
    return float((randomisation(differences, rounds=2000) < 0.05).mean())


def false_wins_of_seeds(runs: Floats, seed: int) -> float:
    """The same for `difference` between two halves of the seeds of one method."""
    random = np.random.default_rng(seed)
    half = len(runs) // 2
    wins = []
    for number in range(SPLITS):
        order = random.permutation(len(runs))
        _, low, high = difference(runs[order[:half]], runs[order[half:]], number)
        wins.append(low > 0 or high < 0)
    return float(np.mean(wins))


# --- the experiment


@dataclass(frozen=True)
class Trials:
    """One method trained with several seeds; each step is chosen on validation. All seeds × photos of the test part."""

    similarities: tuple[Array, ...]
    recalls: NDArray[np.float64]
    """seeds × photos × 6."""
    on_test: Floats
    """rsum per seed if the step had been chosen on the test part."""

    @property
    def runs(self) -> Floats:
        total: Floats = self.recalls.sum(axis=2)
        return total

    @property
    def seeds(self) -> Floats:
        """rsum per seed."""
        return np.asarray(self.runs.mean(axis=1))

    @classmethod
    def of(cls, pairs: Pairs, split: Split, loss: Loss, seeds: Sequence[int], steps: int = STEPS) -> Trials:
        chosen, on_test = [], []
        for seed in seeds:
            towers = trained(pairs[split.train], loss, seed, steps)
            judged = [rsum(one.similarities(pairs[split.validation])).mean() for one in towers]
            tests = [one.similarities(pairs[split.test]) for one in towers]
            chosen.append(tests[int(np.argmax(judged))])
            on_test.append(max(rsum(one).mean() for one in tests))
        return cls(tuple(chosen), np.stack([recalls(one) for one in chosen]), np.array(on_test))


def reproduce(run: Run) -> Report:
    _torch()
    pictures, texts = _photos(run)
    split = Split.of(len(pictures), run.seed)
    encoded = {
        "e5": _sentences(texts),
        "random word vectors": _random_words(texts, run.seed),
        "TF-IDF": _tf_idf(texts, split.train),
    }
    seeds = range(run.seed * 1000, run.seed * 1000 + (FULL_SEEDS if run.full else SEEDS))
    trials: dict[str, Trials] = {}
    for name, loss in LOSSES.items():
        run.say(f"training {name} with {len(seeds)} seeds")
        trials[name] = Trials.of(Pairs(pictures, encoded["e5"]), split, loss, seeds)
    for name in ("random word vectors", "TF-IDF"):
        run.say(f"training hinge-sum on {name} with {len(seeds)} seeds")
        trials[name] = Trials.of(Pairs(pictures, encoded[name]), split, LOSSES["hinge-sum"], seeds)
    figures = (*_methods(trials), *_spreads(trials), *_protocols(trials["hinge-sum"]), *_comparisons(trials, run.seed))
    return Report(
        data=f"{len(pictures)} photos with five captions ({len(split.train)} to train, {len(split.test)} to test), "
        f"features of the default encoders, {len(seeds)} seeds a method",
        figures=figures,
        checks=_checks(trials, {(one.method, one.measure): one for one in figures}),
        notes=(
            "intervals of methods are over seeds, those of differences over seeds and photos; rsum is the sum of R@1, "
            "5, 10 both ways, at most 600",
            "the towers are linear and small: the paper's figures are of large models on Flickr30K, so only the "
            "relations can be compared",
        ),
    )


def _methods(trials: Mapping[str, Trials]) -> list[Figure]:
    out = []
    for name, one in trials.items():
        part: Literal["baseline", "ablation"] = "baseline" if name in LOSSES else "ablation"
        label = f"{name}, e5" if name in LOSSES else f"hinge-sum, {name}"
        out.append(Figure.over(part, label, "rsum", one.seeds))
        out.append(Figure.over(part, label, "R@1 pictures → words", one.recalls[:, :, 0].mean(axis=1)))
        out.append(Figure.over(part, label, "R@1 words → pictures", one.recalls[:, :, 3].mean(axis=1)))
    return out


def _spreads(trials: Mapping[str, Trials]) -> list[Figure]:
    out = []
    for name in LOSSES:
        first = trials[name].recalls[:, :, 0].mean(axis=1)
        out.append(Figure.of("baseline", f"{name}, e5", "range of rsum over seeds", np.ptp(trials[name].seeds)))
        out.append(Figure.of("baseline", f"{name}, e5", "range of R@1 pictures → words", np.ptp(first)))
    return out


def _protocols(one: Trials) -> list[Figure]:
    """What one method seems to be worth under other rules."""
    pairs = zip(one.similarities[::2], one.similarities[1::2], strict=False)
    return [
        Figure.of("ablation", "hinge-sum, best seed", "rsum", one.seeds.max()),
        Figure.over("ablation", "hinge-sum, step chosen on test", "rsum", one.on_test),
        Figure.over(
            "ablation",
            "hinge-sum, two runs averaged",
            "rsum",
            [rsum(np.asarray((a + b) / 2, np.float32)).mean() for a, b in pairs],
        ),
        Figure.over("ablation", f"hinge-sum, {FOLDS} folds", "rsum", [in_folds(s) for s in one.similarities]),
    ]


def in_folds(similarities: Array, folds: int = FOLDS) -> float:
    """rsum when every query searches only its own of several disjoint parts, as "COCO 1K" does."""
    count = len(similarities)
    blocks = similarities.reshape(count, count, -1)
    parts = np.array_split(np.arange(count), folds)
    return float(np.mean([rsum(blocks[np.ix_(rows, rows)].reshape(len(rows), -1)).mean() for rows in parts]))


def _comparisons(trials: Mapping[str, Trials], seed: int) -> list[Figure]:
    out = []
    for a, b in combinations(LOSSES, 2):
        found = difference(trials[a].runs, trials[b].runs, seed)
        out.append(Figure("ours", f"{b} - {a}", "difference of rsum", *found))
    found = difference(trials["random word vectors"].runs, trials["hinge-sum"].runs, seed)
    out.append(Figure("ours", "e5 - random word vectors", "difference of rsum", *found))
    single = [false_wins_of_runs(trials[name].runs) for name in LOSSES]
    several = [false_wins_of_seeds(trials[name].runs, seed) for name in LOSSES]
    out.append(Figure.of("baseline", "paired test of two runs", "false wins", float(np.mean(single))))
    out.append(Figure.of("ours", "seeds and photos drawn anew", "false wins", float(np.mean(several))))
    return out


def _checks(trials: Mapping[str, Trials], figure: Mapping[tuple[str, str], Figure]) -> tuple[Check, ...]:
    means = {name: float(trials[name].seeds.mean()) for name in trials}
    worse, better = min(
        (sorted(pair, key=lambda name: means[name]) for pair in combinations(LOSSES, 2)),
        key=lambda pair: means[pair[1]] - means[pair[0]],
    )
    gap = max(means[name] for name in LOSSES) - min(means[name] for name in LOSSES)
    ranges = [figure[f"{name}, e5", "range of R@1 pictures → words"].value for name in LOSSES]
    encoders = figure["e5 - random word vectors", "difference of rsum"]
    mean = means["hinge-sum"]

    def under(rule: str) -> float:
        return figure[f"hinge-sum, {rule}", "rsum"].value

    return (
        Check("seeds alone move R@1 by two points or more", max(ranges) >= 2),
        Check(
            f"the nearest two losses ({worse}, {better}) differ by less than seeds do",
            bool(means[better] - means[worse] < max(np.ptp(trials[name].seeds) for name in (worse, better))),
        ),
        Check(
            f"with a lucky seed {worse} looks better than {better} does on average",
            bool(trials[worse].seeds.max() > means[better]),
        ),
        Check("pretrained words count more than any choice of loss", encoders.value > gap),
        Check("and five times as much", encoders.value > 5 * gap),
        Check(
            "a paired test of two runs finds false wins more often than its 5 %",
            figure["paired test of two runs", "false wins"].value > 0.05,
        ),
        Check(
            "an interval over seeds and photos does not",
            figure["seeds and photos drawn anew", "false wins"].value <= 0.05,
        ),
        Check("and still finds the true difference of text encoders", encoders.low > 0),
        Check("two runs averaged, reported as one, gain", under("two runs averaged") > mean),
        Check("folds instead of the whole test part gain more than any loss", under(f"{FOLDS} folds") - mean > gap),
    )


# --- features


def _photos(run: Run) -> tuple[Array, list[list[str]]]:
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


def _sentences(texts: Sequence[Sequence[str]]) -> Array:
    encoder = lite.load()
    flat = [text for some in texts for text in some]
    found = text_vectors(f"{encoder.id} raw words", flat, encoder.raw_text_vectors).vectors
    return unit(found - found.mean(axis=0)).reshape(len(texts), -1, found.shape[1])


def _random_words(texts: Sequence[Sequence[str]], seed: int, width: int = 384) -> Array:
    """As an encoder that has learned nothing: the mean of a random vector for each word."""
    vocabulary = sorted({word for some in texts for text in some for word in _words(text)})
    table = np.random.default_rng(seed).standard_normal((len(vocabulary), width), np.float32)
    number = {word: row for row, word in enumerate(vocabulary)}
    return unit(np.stack([[table[[number[w] for w in _words(text)]].sum(axis=0) for text in some] for some in texts]))


def _tf_idf(texts: Sequence[Sequence[str]], train: Rows) -> Array:
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


def _torch() -> Any:
    """On one thread: for matrices this small, others only wait for each other."""
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "the page itr-reproducibility") from None
    torch.set_num_threads(1)
    return torch


PAGE = Page(
    name="itr-reproducibility",
    title="Where Does the Performance Improvement Come From? A Reproducibility Concern about Image-Text Retrieval",
    source="Rao et al., SIGIR 2022, arXiv 2203.03853",
    adds="A comparison over seeds and queries at once, and what seeds, text encoders and protocols are worth.",
    claim="Seeds, text encoders and protocols move recall as much as methods do; one run each cannot tell them apart.",
    lives=("bowerbird.papers.itr_reproducibility",),
    reproduce=reproduce,
    data=("images/flickr8k-ml",),
    needs=("train",),
)

"""Where does the gain come from? (Rao et al., SIGIR 2022, arXiv 2203.03853): seeds, texts and protocols against losses.

Two linear towers over frozen features of photos and of captions are trained again and again: three losses, three text
encoders, ten seeds. Then the question is put that papers with one run cannot answer: is a gain larger than luck?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.papers.itr_reproducibility.features import photos, random_words, sentences, tf_idf
from bowerbird.papers.itr_reproducibility.judging import (
    FOLDS,
    Floats,
    difference,
    false_wins_of_runs,
    false_wins_of_seeds,
    in_folds,
    recalls,
    rsum,
)
from bowerbird.papers.itr_reproducibility.towers import (
    LOSSES,
    STEPS,
    Array,
    Loss,
    Pairs,
    Rows,
    single_threaded_torch,
    trained,
)
from bowerbird.papers.page import Check, Figure, Page, Report, Run

SEEDS, FULL_SEEDS = 10, 30


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
    single_threaded_torch()
    pictures, texts = photos(run)
    split = Split.of(len(pictures), run.seed)
    encoded = {
        "e5": sentences(texts),
        "random word vectors": random_words(texts, run.seed),
        "TF-IDF": tf_idf(texts, split.train),
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

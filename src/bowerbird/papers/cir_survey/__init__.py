"""Composed image retrieval, the survey (Song et al., ACM TOIS 2025, arXiv 2502.18495): families, and four protocols.

    FAMILIES        what the survey orders the field by, and which part of bowerbird does it
    edits.py        edits of emoji in the formats of CIRR, CIRCO, FashionIQ and GeneCIS
    composers.py    ways to make one query of a picture and words, trained and not

Every composer is measured under every protocol, through the loaders and measures that read the real sets. The real
annotations of CIRCO, FashionIQ and GeneCIS, whose pictures are not at hand, tell what each protocol can distinguish.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders import lite
from bowerbird.encoders.lite import unit
from bowerbird.errors import MissingExtra
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks import load
from bowerbird.evaluate.scoring import evaluate
from bowerbird.evaluate.vectors import item_vectors, text_vectors
from bowerbird.items import Image, text_of
from bowerbird.papers.cir_survey import composers
from bowerbird.papers.cir_survey.composers import Array, Composer
from bowerbird.papers.cir_survey.edits import Edits, mined, write_all
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run, certain
from bowerbird.papers.taxonomy import Mechanism, completeness
from bowerbird.ranking import Ranking

COUNT, FULL_COUNT = 600, 1000
"""Emoji with edits, half of them to test."""
DEPTH = 100
CATEGORIES = ("dress", "shirt", "toptee")

FAMILIES = (
    Mechanism("features", "one joint space of pictures and words", "bowerbird.encoders.clip:Clip"),
    Mechanism("features", "without a hub: ImageNet features bridged into words", "bowerbird.encoders.lite:Lite"),
    Mechanism("fusion", "weighted sum", "bowerbird.pipeline.compose:Compose"),
    Mechanism("fusion", "learned share and mixture (Combiner)", "bowerbird.papers.cir_survey.composers:fit_combiner"),
    Mechanism("fusion", "gated residual (TIRG)"),
    Mechanism("fusion", "cross-attention over regions and words"),
    Mechanism("fusion", "a multimodal language model as the encoder"),
    Mechanism("fusion", "a generated prototype of the target"),
    Mechanism("matching", "batch-based classification", "bowerbird.papers.cir_survey.composers:fit_combiner"),
    Mechanism("matching", "re-ranking by a model that sees both", "bowerbird.pipeline.rerank:Rerank"),
    Mechanism("matching", "hard negatives, reverse queries"),
    Mechanism("augmentation", "triplets from captions that differ in one place", "bowerbird.evaluate.changes:changes"),
    Mechanism("augmentation", "triplets from language models or generated pictures"),
    Mechanism("zero-shot", "textual inversion, linear", "bowerbird.papers.cir_survey.composers:fit_inversion"),
    Mechanism("zero-shot", "textual inversion by descent", "bowerbird.papers.cross_the_gap.inversion:textual"),
    Mechanism("zero-shot", "training-free, captions weighed in", "bowerbird.papers.weimocir:Composed"),
    Mechanism(
        "zero-shot", "the caption of the reference, edited by a language model", "bowerbird.pipeline.rewrite:Rewrite"
    ),
    Mechanism("protocols", "CIRR, all and subset", "bowerbird.evaluate.benchmarks.composed:load_cirr"),
    Mechanism("protocols", "CIRCO, several targets", "bowerbird.evaluate.benchmarks.composed:load_circo"),
    Mechanism("protocols", "FashionIQ", "bowerbird.evaluate.benchmarks.composed:load_fashioniq"),
    Mechanism("protocols", "GeneCIS, objects", "bowerbird.evaluate.benchmarks.composed:load_genecis"),
    Mechanism("protocols", "GeneCIS, attributes; domain conversion"),
    Mechanism("measures", "recall within a subset", "bowerbird.evaluate.measures.composed:subset_recall"),
    Mechanism("measures", "AP@k over min(R, k)", "bowerbird.evaluate.measures.ranking:average_precision"),
)
"""Taxonomy of the survey's section 3, with its protocols and measures."""


Values: TypeAlias = dict[tuple[str, str], NDArray[np.float64]]
"""By method and measure, one value per query."""


@dataclass(frozen=True)
class Protocol:
    """A benchmark as its loader reads it, and what is reported of it, the main measure first."""

    name: str
    benchmark: Benchmark
    measures: tuple[str, ...]


def protocols(folder: Path) -> list[Protocol]:
    """What `write_all` wrote, through the loaders of the real sets."""
    return [
        Protocol("CIRR", load("cirr", folder / "cirr", "val"), ("R@1", "R@5")),
        Protocol("CIRR subset", load("cirr", folder / "cirr", "val.subset"), ("R_subset@1",)),
        Protocol("CIRCO", load("circo", folder / "circo", "val"), ("AP@5[min]",)),
        Protocol("FashionIQ, whole split", load("fashioniq", folder / "fashioniq", "dress.val"), ("R@10", "R@1")),
        Protocol("FashionIQ, VAL split", load("fashioniq", folder / "fashioniq-val", "dress.val"), ("R@10",)),
        Protocol("GeneCIS", load("genecis", folder / "genecis", "change_object"), ("R@1",)),
    ]


@dataclass(frozen=True)
class Encoded:
    """A benchmark's queries (q × dim each) and pictures (n × dim), of unit length."""

    pictures: Array
    words: Array
    ids: NDArray[np.object_]
    gallery: Array

    @classmethod
    def of(cls, benchmark: Benchmark) -> Encoded:
        items = list(benchmark.items())
        queries = list(benchmark.queries.values())
        shown = [next(part for part in query.parts if isinstance(part, Image)) for query in queries]
        said = [tuple(part for part in query.parts if not isinstance(part, Image)) for query in queries]
        ids = np.array([item.id for item in items], object)
        seen = [part for item in items for part in item.parts if isinstance(part, Image)]
        return cls(_pictures(shown), _words([text_of(parts) for parts in said]), ids, _pictures(seen))


def ranked(benchmark: Benchmark, encoded: Encoded, composer: Composer) -> Ranking:
    """The pictures nearest to each query; all of them where a query has a pool of its own."""
    scores = composer(encoded.pictures, encoded.words) @ encoded.gallery.T
    depth = len(encoded.ids) if benchmark.pools else min(DEPTH, len(encoded.ids))
    top = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
    rows = np.repeat(np.arange(len(scores)), depth)
    found = np.take_along_axis(scores, top, axis=1).ravel().astype(np.float32)
    return Ranking.from_hits(list(benchmark.queries.values()), rows, encoded.ids[top.ravel()], found)


def reproduce(run: Run) -> Report:
    _require_torch()
    folder = run.folder("images/emoji-styles")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    train, test = mined(folder, entries, run.seed, FULL_COUNT if run.full else COUNT)
    run.say(f"looking at {len(train.paths) + len(test.paths)} emoji")
    found = fitted(train, run.seed)
    values: Values = {}
    with tempfile.TemporaryDirectory() as place:
        write_all(test, _pictures([Image(str(paths[0])) for paths in test.paths]), Path(place), run.seed)
        for protocol in protocols(Path(place)):
            run.say(f"asking under {protocol.name}")
            values |= measured(protocol, {name: composer for name, (_, composer) in found.items()})
    figures = [Figure.over(found[method][0], method, measure, hits) for (method, measure), hits in values.items()]
    published = _published(run)
    return Report(
        data=f"{len(test.edits)} edits over {len(test.paths)} emoji in two styles in four formats, trained on "
        f"{len(train.edits)} edits of {len(train.paths)} others; annotations of three published sets",
        figures=(*figures, *published),
        checks=_checks(values, {(figure.method, figure.measure): figure.value for figure in published}),
        notes=(
            *completeness(FAMILIES),
            "pictures of the published sets are not at hand: of them only annotations are measured; "
            "CIRR's format is from its description",
            "a gain counts as seen where its 95 % interval over queries lies above zero",
            "edits are mined from names that differ in one place; CIRCO's second target is the target in another style",
        ),
    )


def fitted(train: Edits, seed: int) -> dict[str, tuple[Part, Composer]]:
    """All composers by name."""
    shown = _pictures([Image(str(paths[0])) for paths in train.paths])
    pictures = shown[[one.reference for one in train.edits]]
    targets = shown[[one.target for one in train.edits]]
    words = _words([one.text for one in train.edits])
    return {
        "picture only": ("baseline", composers.picture_only),
        "words only": ("baseline", composers.words_only),
        "sum": ("baseline", composers.summed),
        "weighted": ("ours", composers.fit_weighted(pictures, words, targets)[0]),
        "inversion": ("ours", composers.fit_inversion(shown, _words(train.names), pictures, words, targets)),
        "Combiner": ("ours", composers.fit_combiner(pictures, words, targets, seed)),
    }


def measured(protocol: Protocol, found: Mapping[str, Composer]) -> Values:
    """Every composer under one protocol; under CIRR also as if the reference could be found."""
    encoded = Encoded.of(protocol.benchmark)
    out: Values = {}
    for name, composer in found.items():
        ranking = ranked(protocol.benchmark, encoded, composer)
        values = evaluate(ranking, protocol.benchmark, protocol.measures).per_query
        out |= {(name, f"{one}, {protocol.name}"): values[one] for one in protocol.measures}
        if protocol.name == "CIRR":
            kept = evaluate(ranking, replace(protocol.benchmark, left_out={}), ("R@1",)).per_query["R@1"]
            out[name, "R@1, CIRR, reference kept"] = kept
    return out


# --- what follows from published annotations


def _published(run: Run) -> list[Figure]:
    circo = load("circo", run.folder("benchmarks/CIRCO"), "val")
    fashion = run.folder("benchmarks/FashionIQ")
    sizes = [fashioniq_sizes(load("fashioniq", fashion, f"{name}.val")) for name in CATEGORIES]
    genecis = run.folder("benchmarks/GeneCIS")
    pools = [
        len(pool)
        for name in ("focus_object", "change_object")
        for pool in load("genecis", genecis, name).pools.values()
    ]
    perfect = perfect_order(circo, run.seed)
    chance = [float(np.mean([10 / size for size in column])) for column in zip(*sizes, strict=True)]
    return [
        Figure.over("baseline", "perfect order", "AP@5[min], CIRCO's annotations", perfect["AP@5[min]"]),
        Figure.over("baseline", "perfect order, one target judged", "R@1, CIRCO's annotations", perfect["R@1"]),
        Figure.of("baseline", "chance", "R@10, FashionIQ's annotations, whole split", chance[0]),
        Figure.of("baseline", "chance", "R@10, FashionIQ's annotations, VAL split", chance[1]),
        Figure.of("baseline", "chance", "R@1, GeneCIS's annotations", float(np.mean([1 / size for size in pools]))),
    ]


def perfect_order(benchmark: Benchmark, seed: int) -> dict[str, NDArray[np.float64]]:
    """All targets of CIRCO first, in any order: AP@5 with all of them judged, R@1 with the labelled one alone."""
    random = np.random.default_rng(seed)
    queries = list(benchmark.queries.values())
    scores = [
        dict(zip(benchmark.qrels[name], random.random(len(benchmark.qrels[name])), strict=True))
        for name in benchmark.queries
    ]
    ranking = Ranking.from_scores(queries, scores)
    labelled = {name: {next(iter(found)): 1.0} for name, found in benchmark.qrels.items()}
    every = evaluate(ranking, benchmark, ("AP@5[min]",)).per_query
    one = evaluate(ranking, replace(benchmark, qrels=labelled), ("R@1",)).per_query
    return {**every, **one}


def fashioniq_sizes(benchmark: Benchmark) -> tuple[int, int]:
    """Pictures that are searched: all of the split, or those that queries name."""
    targets = {name for found in benchmark.qrels.values() for name in found}
    references = {
        Path(str(part.source)).stem
        for query in benchmark.queries.values()
        for part in query.parts
        if isinstance(part, Image)
    }
    return sum(1 for _ in benchmark.items()), len(targets | references)


def _checks(values: Values, published: Mapping[tuple[str, str], float]) -> tuple[Check, ...]:
    among = {method: hits for (method, measure), hits in values.items() if measure == "R@5, CIRR"}
    subset = {method: float(values[method, "R_subset@1, CIRR subset"].mean()) for method in among}
    mean = {key: float(hits.mean()) for key, hits in values.items()}
    alone = max((among["picture only"], among["words only"]), key=lambda hits: float(hits.mean()))
    best = max(float(hits.mean()) for hits in among.values())
    whole, named = (mean["weighted", f"R@10, FashionIQ, {part} split"] for part in ("whole", "VAL"))
    chance = [published["chance", f"R@10, FashionIQ's annotations, {part} split"] for part in ("whole", "VAL")]
    return (
        Check("a sum of picture and words beats either alone", certain(among["sum"] - alone)),
        Check("a weighted sum beats a plain one", certain(among["weighted"] - among["sum"])),
        Check("a trained Combiner beats the weighted sum", certain(among["Combiner"] - among["weighted"])),
        Check(
            "in the subset of CIRR words alone come within 10 points of the best",
            subset["words only"] > max(subset.values()) - 0.1,
        ),
        Check("among all they do not", float(among["words only"].mean()) < best - 0.1),
        Check(
            "a picture alone finds nothing first while its reference may be found, and something once it may not",
            mean["picture only", "R@1, CIRR, reference kept"] < 0.01 < mean["picture only", "R@1, CIRR"],
        ),
        Check("the VAL split of FashionIQ is easier than the whole one, by a point or more", named >= whole + 0.01),
        Check("and by chance on its annotations", chance[1] > chance[0]),
        Check(
            "with one target judged, a perfect order of CIRCO is right in less than half of the queries",
            published["perfect order, one target judged", "R@1, CIRCO's annotations"] < 0.5
            and published["perfect order", "AP@5[min], CIRCO's annotations"] == 1,
        ),
    )


def _pictures(shown: Sequence[Image]) -> Array:
    return unit(item_vectors(lite.load(), [(image,) for image in shown]).vectors)


def _words(texts: Sequence[str]) -> Array:
    """Words as the encoder puts them beside pictures: nothing where pictures have their look."""
    encoder = lite.load()
    found = text_vectors(f"{encoder.id} words", texts, encoder.text_vectors).vectors
    return np.pad(found, ((0, 0), (0, encoder.dim - found.shape[1]))).astype(np.float32)


def _require_torch() -> None:
    try:
        import torch
    except ImportError:
        raise MissingExtra("train", "the page cir-survey") from None
    torch.set_num_threads(1)  # for matrices this small, others only wait for each other


PAGE = Page(
    name="cir-survey",
    title="A Comprehensive Survey on Composed Image Retrieval",
    source="Song et al., ACM TOIS 2025, arXiv 2502.18495",
    adds="Four protocols of composed retrieval, and composers of its families under each of them.",
    claim="Fusing picture and words beats either alone, training helps, and protocols decide what a figure means.",
    lives=(
        "bowerbird.evaluate.benchmarks.composed",
        "bowerbird.evaluate.measures.composed",
        "bowerbird.evaluate.changes",
        "bowerbird.papers.cir_survey",
    ),
    reproduce=reproduce,
    data=("images/emoji-styles", "benchmarks/CIRCO", "benchmarks/FashionIQ", "benchmarks/GeneCIS"),
    needs=("train",),
)

"""Dense retrieval, the survey (Zhao, Liu, Ren and Wen, ACM TOIS 2024, arXiv 2211.14876): what of it is here, measured.

The survey orders the field by architecture, training, indexing and integration with re-ranking. MECHANISMS says for
each of its mechanisms which part of bowerbird is it, or that there is none. What there is, is compared on real text:
kinds of representation as pipelines over one library, kinds of index on the vectors that this library holds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import bowerbird as bb
from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Binary, MultiVector
from bowerbird.embeddings import Dense as Vectors
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks.cards import load
from bowerbird.evaluate.experiment import experiment
from bowerbird.evaluate.fill import fill
from bowerbird.evaluate.plain import late_interaction
from bowerbird.index.base import Found
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.dense import DenseIndex
from bowerbird.index.fde import FDE, FDEConfig
from bowerbird.index.multivector import MultiVectorIndex
from bowerbird.index.multivector.codec import Bits
from bowerbird.index.pooling import pooled
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run
from bowerbird.papers.taxonomy import Mechanism, completeness, resolved
from bowerbird.pipeline.fusion import rrf
from bowerbird.pipeline.group import Group
from bowerbird.pipeline.late import LateInteraction
from bowerbird.pipeline.normalise import Normalise
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.pipeline.stage import Stage

EVERY = 4
"""Of XQuAD's questions, unless the run is a full one."""
INDEXED = 3
"""Every so many-th passage's tokens are what indexes are compared on, unless the run is a full one."""
QUERIES, TOP = 300, 10
"""Question tokens that the indexes of single vectors are asked with, and how many neighbours count."""
CANDIDATES = 20
MEASURES = ("nDCG@10", "R@1")
SETS = ("en-en", "de-en")

Values: TypeAlias = NDArray[np.float64]

MECHANISMS = (
    Mechanism("architecture", "bi-encoder, one vector, mean pooling", "bowerbird.encoders.e5:E5"),
    Mechanism("architecture", "any other bi-encoder, its pooling and prompts", "bowerbird.encoders:load"),
    Mechanism("architecture", "prefixes for queries and passages", "bowerbird.encoders.e5:PREFIXES"),
    Mechanism("architecture", "cross-encoder", "bowerbird.pipeline.scorers:CrossEncoderScorer"),
    Mechanism("architecture", "late interaction (ColBERT)", "bowerbird.pipeline.late:LateInteraction"),
    Mechanism("architecture", "several vectors per passage, pooled", "bowerbird.index.pooling:pooled"),
    Mechanism("architecture", "poly-encoder, multi-view encoders"),
    Mechanism("architecture", "exact-match late interaction (COIL)"),
    Mechanism("architecture", "lexical retrieval (BM25)", "bowerbird.index.lexical:LexicalIndex"),
    Mechanism("architecture", "learned sparse vectors (SPLADE, uniCOIL)"),
    Mechanism("architecture", "hybrid by weighted sum", "bowerbird.pipeline.stage:Sum"),
    Mechanism("architecture", "hybrid by reciprocal ranks", "bowerbird.pipeline.fusion:rrf"),
    Mechanism("architecture", "scores of unlike stages on one scale", "bowerbird.pipeline.normalise:Normalise"),
    Mechanism("training", "logistic calibration of scores", "bowerbird.pipeline.scorers:fit_logistic"),
    Mechanism("training", "InfoNCE with in-batch negatives"),
    Mechanism("training", "triplet and listwise losses"),
    Mechanism("training", "distillation by margins or lists"),
    Mechanism("training", "mined hard negatives, static and refreshed"),
    Mechanism("training", "denoised negatives"),
    Mechanism("training", "negatives of the same document", "bowerbird.papers.interleaved_docs.method:Reranker"),
    Mechanism("training", "synthetic queries with a consistency filter"),
    Mechanism("training", "pre-training for retrieval"),
    Mechanism("indexing", "exact scan, scalar int8", "bowerbird.index.dense:DenseIndex"),
    Mechanism("indexing", "inverted lists", "bowerbird.index.dense_segment:DenseSegment"),
    Mechanism("indexing", "graph (HNSW, DiskANN)"),
    Mechanism("indexing", "binary codes with re-scoring", "bowerbird.index.binary:BinaryIndex"),
    Mechanism("indexing", "product quantisation", "bowerbird.index.coding:Product"),
    Mechanism("indexing", "fewer dimensions (Matryoshka prefixes)", "bowerbird.index.coding:Prefix"),
    Mechanism("indexing", "residual compression of tokens", "bowerbird.index.multivector.codec:Codebooks"),
    Mechanism("indexing", "centroid pruning (PLAID)", "bowerbird.index.multivector.centroids:Centroids"),
    Mechanism("indexing", "one vector for a set (MUVERA)", "bowerbird.index.fde:FDE"),
    Mechanism("indexing", "indexes trained with the encoder (JPQ, RepCONC)"),
    Mechanism("indexing", "inner products with one more coordinate", "bowerbird.index.hub_correction:HubCorrection"),
    Mechanism("indexing", "add, replace and remove", "bowerbird.index.segments:Segments"),
    Mechanism("indexing", "filtered search", "bowerbird.collection.filters:evaluate"),
    Mechanism("indexing", "an index that is bound to its model", "bowerbird.encoders.base:EncoderId"),
    Mechanism("integration", "retrieve, then re-rank", "bowerbird.pipeline.rerank:Rerank"),
    Mechanism("integration", "re-ranking by a language model", "bowerbird.pipeline.scorers:YesNoJudge"),
    Mechanism("integration", "pairwise and listwise re-ranking"),
    Mechanism("integration", "retriever and re-ranker trained together"),
    Mechanism("integration", "from passages to documents (maxP)", "bowerbird.pipeline.group:Group"),
    Mechanism("integration", "query rewriting", "bowerbird.pipeline.rewrite:Rewrite"),
    Mechanism("integration", "answers from what was retrieved", "bowerbird.library:Library"),
    Mechanism("evaluation", "BEIR files", "bowerbird.evaluate.benchmarks.beir:load"),
    Mechanism("evaluation", "TREC runs", "bowerbird.evaluate.runs:write_run"),
    Mechanism("evaluation", "nDCG, MRR, recall, success", "bowerbird.evaluate.measures.registry:RANKINGS"),
    Mechanism("evaluation", "significance tests", "bowerbird.evaluate.statistics:randomisation"),
)


def pipelines(snapshot: Snapshot) -> dict[str, tuple[Part, Stage]]:
    """The kinds of retriever that there are, over one library; documents count by their best passage (maxP)."""
    words, meaning = Lexical(snapshot), Dense(snapshot, "text")
    tokens, documents = LateInteraction(snapshot), Group(snapshot, "document")
    kinds: dict[str, tuple[Part, Stage]] = {
        "BM25": ("baseline", words),
        "single vector": ("baseline", meaning),
        "late interaction": ("ours", 0 * (meaning % 100) >> tokens),
        "hybrid: calibrated sum": ("ours", words + meaning),
        "hybrid: reciprocal ranks": ("ours", rrf(words, meaning)),
        "hybrid: min-max sum": ("ours", (words >> Normalise("min-max")) + (meaning >> Normalise("min-max"))),
        "hybrid, then late interaction": ("ours", words + meaning >> tokens),
    }
    return {name: (part, stage >> documents) for name, (part, stage) in kinds.items()}


def reproduce(run: Run) -> Report:
    folder = run.folder("text/xquad-crosslingual")
    benchmarks = {name: thinned(load("xquad", folder, name), 1 if run.full else EVERY) for name in SETS}
    with tempfile.TemporaryDirectory() as place:
        library = bb.open(f"{place}/library")
        run.say("encoding passages")
        fill(library, benchmarks["en-en"])
        snapshot = library.snapshot()
        scored = {name: _compared(snapshot, benchmark, run) for name, benchmark in benchmarks.items()}
        run.say("comparing indexes")
        rows = np.flatnonzero(snapshot.kinds == "passage")[:: 1 if run.full else INDEXED]
        passages = snapshot.tokens(rows)
        questions = snapshot.encoder("text").encode_queries(
            [query.parts for query in benchmarks["en-en"].queries.values()]
        )
    assert questions.tokens is not None
    singles = single_vector_indexes(passages.vectors, questions.tokens.vectors, run.seed)
    sets = token_indexes(passages, questions.tokens, run.seed)
    figures = [
        Figure.over(part, f"{name}, {lang}", measure, values)
        for lang, found in scored.items()
        for name, (part, per_query) in found.items()
        for measure, values in per_query.items()
    ]
    for what, found_indexes in (("tokens", singles), ("passages", sets)):
        for name, each in found_indexes.items():
            figures.append(Figure.over(each.part, name, f"recall@{TOP} of {what}", each.recall))
            figures.append(Figure.of(each.part, name, f"bytes a {what[:-1]}", each.bytes))
    present = [mechanism for mechanism in MECHANISMS if mechanism.part]
    return Report(
        data=f"XQuAD: 240 English passages, {len(benchmarks['en-en'].queries)} questions in English and in German; "
        f"indexes on its {len(passages.vectors):,} token vectors; default encoders",
        figures=tuple(figures),
        checks=(
            Check(f"{len(present)} of the survey's {len(MECHANISMS)} mechanisms are here, and each can be imported",
                  all(callable(part) or part for part in map(resolved, present))),
            *_checks(scored, singles, sets),
        ),
        notes=completeness(MECHANISMS),
    )  # fmt: skip


def thinned(benchmark: Benchmark, every: int) -> Benchmark:
    """Every n-th query; the whole corpus is searched all the same."""
    queries = dict(list(benchmark.queries.items())[::every])
    return replace(benchmark, queries=queries, qrels={name: benchmark.qrels[name] for name in queries})


Scored: TypeAlias = dict[str, tuple[Part, Mapping[str, Values]]]


def _compared(snapshot: Snapshot, benchmark: Benchmark, run: Run) -> Scored:
    run.say(f"comparing retrievers on {benchmark.name}")
    kinds = pipelines(snapshot)
    stages = [stage for _, stage in kinds.values()]
    results = experiment(stages, benchmark, MEASURES, names=list(kinds), baseline=None, seed=run.seed)
    systems = zip(kinds.items(), results.systems, strict=True)
    return {name: (part, system.evaluation.per_query) for (name, (part, _)), system in systems}


@dataclass(frozen=True)
class Measured:
    """recall: per query, the share of the exact search's first TOP that an index found. bytes: per vector or set."""

    part: Part
    recall: Values
    bytes: float


def single_vector_indexes(
    vectors: NDArray[np.floating], questions: NDArray[np.floating], seed: int
) -> dict[str, Measured]:
    """Kinds of index on n × dim real vectors, against an exact search by numpy."""
    wide = np.asarray(vectors, np.float32)
    chosen = np.random.default_rng(seed).permutation(len(questions))[:QUERIES]
    asked = np.asarray(questions[np.sort(chosen)], np.float32)
    keys = np.arange(len(wide))
    exact = best(asked @ wide.T, TOP)
    dense = DenseIndex.build(keys, Vectors(wide), seed=seed)
    mean = wide.mean(axis=0)
    codes, asked_codes = signs(wide - mean), signs(asked - mean)
    binary = BinaryIndex.build(keys, codes, means=BitMeans.fit(Vectors(wide), codes))
    near = binary.search(asked_codes, TOP)
    rescored = binary.rescore(Vectors(asked), binary.search(asked_codes, 10 * TOP))
    axes = np.linalg.eigh((wide - mean).T @ (wide - mean))[1][:, -96:]
    short = best((asked @ axes) @ (wide @ axes).T, TOP)
    near_enough = {recall: _found(dense.search(Vectors(asked), TOP, recall=recall), exact) for recall in (0.95, 0.99)}
    product = DenseIndex.build(keys, Vectors(wide), coding="product", seed=seed)
    size, coded = dense.stats().bytes / len(wide), binary.stats().bytes / len(wide)
    return {
        "exact, float32": Measured("baseline", overlap(exact, exact), wide.itemsize * wide.shape[1]),
        "dense index, recall 0.95": Measured("ours", near_enough[0.95], size),
        "dense index, recall 0.99": Measured("ours", near_enough[0.99], size),
        "dense index, product codes": Measured(
            "ours", _found(product.search(Vectors(asked), TOP), exact), product.stats().bytes / len(wide)
        ),
        "binary, Hamming": Measured("ablation", _found(near, exact), coded),
        "binary, 100 re-scored": Measured("ours", _found(rescored, exact), coded),
        "first 96 principal axes": Measured("ablation", overlap(short, exact), wide.itemsize * 96),
    }


def token_indexes(
    passages: MultiVector, questions: MultiVector, seed: int, widths: Sequence[Bits] = (8, 4, 2)
) -> dict[str, Measured]:
    """Kinds of late-interaction index on n sets of real tokens, against an exact MaxSim. widths: bits a dimension."""
    keys = np.arange(len(passages))
    asked = MultiVector(np.asarray(questions.vectors, np.float32), questions.offsets)
    scores = late_interaction(asked, passages)
    exact = best(scores, TOP)
    size = passages.vectors.shape[1] * 4 * len(passages.vectors) / len(passages)
    found = {"exact MaxSim, float32": Measured("baseline", overlap(exact, exact), size)}
    for bits in widths:
        index = MultiVectorIndex.build(keys, passages, bits=bits, seed=seed)
        hits = index.search(asked, TOP, recall=0.99)
        found[f"{bits} bits a dimension"] = Measured("ours", _found(hits, exact), index.stats().bytes / len(keys))
    fewer = pooled(passages, 3)
    found["a third of the tokens, pooled"] = Measured(
        "ours", overlap(best(late_interaction(asked, fewer), TOP), exact), size / 3
    )
    encoder = FDE(FDEConfig(passages.dim, seed=seed))
    near = best(encoder.encode_queries(asked).vectors @ encoder.encode_documents(passages).vectors.T, CANDIDATES)
    mask = np.full(scores.shape, -np.inf)
    np.put_along_axis(mask, near, 0, axis=1)
    found[f"fixed encodings, {CANDIDATES} re-scored"] = Measured(
        "ours", overlap(best(scores + mask, TOP), exact), encoder.config.width * 4
    )
    return found


def signs(vectors: NDArray[np.floating]) -> Binary:
    return Binary(np.packbits(vectors > 0, axis=1))


def best(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The k highest of every row, in order."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def overlap(found: NDArray[np.int64], exact: NDArray[np.int64]) -> Values:
    """Per row the share of the exact ones that were found."""
    return np.array([np.isin(right, row).mean() for row, right in zip(found, exact, strict=True)])


def _found(found: Found, exact: NDArray[np.int64]) -> Values:
    return overlap(found.keys, exact)


def _checks(
    scored: Mapping[str, Scored], singles: Mapping[str, Measured], sets: Mapping[str, Measured]
) -> tuple[Check, ...]:
    def ndcg(name: str, lang: str) -> float:
        return float(scored[lang][name][1]["nDCG@10"].mean())

    def recall(found: Mapping[str, Measured], name: str) -> float:
        return float(found[name].recall.mean())

    def hybrids(lang: str) -> float:
        return max(ndcg(name, lang) for name in scored[lang] if name.startswith("hybrid:"))

    return (
        Check("late interaction beats a single vector of the same encoder, in both languages", all(
            ndcg("late interaction", lang) > ndcg("single vector", lang) for lang in SETS)),
        Check("a hybrid beats both of its sides, English", hybrids("en-en")
              > max(ndcg("BM25", "en-en"), ndcg("single vector", "en-en"))),
        Check("words fail across languages and vectors do not", ndcg("BM25", "de-en") < ndcg("single vector", "de-en")),
        Check("calibrated scores do not let words that fail spoil vectors: sum within a point of them, German",
              ndcg("hybrid: calibrated sum", "de-en") > ndcg("single vector", "de-en") - 0.01),
        Check("as reciprocal ranks do", ndcg("hybrid: reciprocal ranks", "de-en") < ndcg("single vector", "de-en")),
        Check("the dense index finds what it was asked to", recall(singles, "dense index, recall 0.95") >= 0.95
              and recall(singles, "dense index, recall 0.99") >= 0.99),
        Check("with product codes, too", recall(singles, "dense index, product codes") >= 0.95),
        Check("binary codes lose much, and re-scoring gets most of it back",
              recall(singles, "binary, Hamming") + 0.1 < recall(singles, "binary, 100 re-scored")),
        Check("four bits a dimension keep 95 % of the exact late interaction's hits",
              recall(sets, "4 bits a dimension") >= 0.95),
        Check("fewer bits cost recall: 8 > 4 > 2 bits", recall(sets, "8 bits a dimension")
              >= recall(sets, "4 bits a dimension") >= recall(sets, "2 bits a dimension")),
    )  # fmt: skip


PAGE = Page(
    name="dense-retrieval-survey",
    title="Dense Text Retrieval based on Pretrained Language Models: A Survey",
    source="Zhao, Liu, Ren and Wen, ACM TOIS 2024, arXiv 2211.14876",
    adds="The list of what a complete dense-retrieval library has, and which of it is here.",
    claim="Late interaction beats single vectors, hybrids beat both sides, and compressed indexes keep most of recall.",
    lives=("bowerbird.papers.dense_retrieval_survey", "bowerbird.pipeline", "bowerbird.index"),
    reproduce=reproduce,
    data=("text/xquad-crosslingual",),
)

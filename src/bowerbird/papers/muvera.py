"""MUVERA (Jayaram et al., NeurIPS 2024, arXiv 2405.19504): one vector per set of token vectors finds the candidates.

The mechanism is index/fde.py. This page measures where in each method's list of candidates the document is that exact
late interaction would put first; "candidates at 90 %" is the length of list that holds it for nine of ten queries.

There are two kinds of tokens. Words are the default encoder's word vectors: a set of them says more than its mean.
Tokens in context are what that encoder makes of them; it was trained to be pooled, so all tokens of a document agree,
and the mean is hard to beat. From both the mean token is taken off first, as else all lie in the same few cells.

The heuristic that MUVERA replaces looks up the nearest single tokens of every query token; its list is counted as
fetched (raw) and with every document once (distinct). The vectors of equal words are equal, so that is measured in
context only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats, MultiVector
from bowerbird.encoders import e5
from bowerbird.encoders.e5_file import E5File
from bowerbird.evaluate.benchmarks.beir import load as load_beir
from bowerbird.evaluate.vectors import item_embeddings, query_embeddings
from bowerbird.index.fde import FDE, FDEConfig, carve
from bowerbird.index.multivector.index import MultiVectorIndex
from bowerbird.index.product_quantizer import ProductQuantizer
from bowerbird.index.two_stage import TwoStageIndex
from bowerbird.items import Text
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run

LONGEST = 60
"""Words of a document that are read, unless the run is a full one."""
WORDS, CONTEXT = "words", "in context"
OURS, SMALL = "FDE (20,5,16)", "FDE (20,4,8)"
CARVED = "query tokens carved into balls"
DEPTHS = (1, 10, 100)
AT = 0.9
"""Share of queries whose best document a list of candidates has to hold."""
REPETITIONS = (1, 5, 10, 20)

Singles = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Sets:
    """Token vectors of n documents and q queries, and the gains that people gave, q × n."""

    documents: MultiVector
    queries: MultiVector
    gains: Singles


@dataclass(frozen=True)
class Exact:
    """What exact late interaction says. scores: q × n Chamfer similarities.

    raw, distinct: places of the best document in the list of the single-vector heuristic, from 1, q each.
    """

    scores: Singles
    raw: Places
    distinct: Places

    @property
    def best(self) -> Places:
        found: Places = self.scores.argmax(axis=1)
        return found

    @staticmethod
    def of(sets: Sets) -> Exact:
        """Every token of every query against every token of every document."""
        tokens, starts = sets.documents.vectors, sets.documents.offsets[:-1]
        scores = np.empty((len(sets.queries), len(sets.documents)), np.float32)
        raw, distinct = np.zeros(len(scores), np.int64), np.zeros(len(scores), np.int64)
        for row in range(len(scores)):
            similar = np.asarray(sets.queries[row], np.float32) @ tokens.T
            nearest = np.maximum.reduceat(similar, starts, axis=1)
            scores[row] = nearest.sum(axis=0)
            raw[row], distinct[row] = single_vector_places(similar, nearest, int(scores[row].argmax()))
        return Exact(scores, raw, distinct)


def single_vector_places(similar: Floats, nearest: Floats, wanted: int) -> tuple[int, int]:
    """How many tokens, and different documents, have been fetched when the wanted document is, for one query.

    similar: m × tokens. nearest: m × n, the most similar token of every document. All m lists of nearest tokens are
    read equally far: to the first place at which one of them names the document.
    """
    depth = int((similar > nearest[:, [wanted]]).sum(axis=1).min()) + 1
    last = -np.partition(-similar, depth - 1, axis=1)[:, [depth - 1]]
    return int(depth * len(similar)), int((nearest >= last).any(axis=0).sum())


def reproduce(run: Run) -> Report:
    figures: list[Figure] = []
    for kind, sets in _sets(run).items():
        run.say(f"exact late interaction, {kind}")
        exact = Exact.of(sets)
        run.say(f"encoding sets as single vectors, {kind}")
        scores = _ours(sets, run.seed) | (_ablations(sets, run.seed) if kind == WORDS else {})
        figures += [one for name, found in scores.items() for one in _places(name, kind, places(found, exact.best))]
        figures += _judged(kind, sets, exact, scores)
        if kind == CONTEXT:
            figures += [
                _needed("baseline", "single-token look-up, raw", kind, exact.raw),
                _needed("baseline", "single-token look-up, distinct", kind, exact.distinct),
                *_engines(sets, exact),
                *_carved(sets, exact),
            ]
    return Report(
        data=f"Cranfield: {len(sets.documents)} documents of {sets.documents.lengths.mean():.0f} tokens, "
        f"{len(sets.queries)} queries of {sets.queries.lengths.mean():.0f}; default text encoder",
        figures=tuple(figures),
        checks=_checks({(figure.method, figure.measure): figure.value for figure in figures}),
        notes=(
            "(R, k, d): repetitions, hyperplanes, dimensions of a token in a cell; an encoding has R · 2^k · d numbers",
            f"documents are cut at {LONGEST} words unless the run is a full one; the mean token is taken off",
            "the codebooks of product quantisation are learned from few documents here, which flatters it",
        ),
    )


def _ours(sets: Sets, seed: int) -> dict[str, Floats]:
    """Scores that candidates are chosen by, q × n, by name of the method."""
    best = _config(sets, seed)
    return {
        "mean pooling": means(sets.queries) @ means(sets.documents).T,
        OURS: _fde(sets, best),
        SMALL: _fde(sets, replace(best, simhash=4, projection=8)),
        f"{OURS}, no fill": _fde(sets, replace(best, fill=False)),
    }


def _ablations(sets: Sets, seed: int) -> dict[str, Floats]:
    best = _config(sets, seed)
    small, wide = replace(best, simhash=4, projection=8), replace(best, simhash=6)
    asked, stored = FDE(best).encode_queries(sets.queries).vectors, FDE(best).encode_documents(sets.documents).vectors
    summed = FDE(best).encode_queries(sets.documents).vectors
    elsewhere = FDE(replace(best, seed=seed + 1)).encode_queries(sets.queries).vectors
    whole = FDE(small).encode_documents(sets.documents)
    codec = ProductQuantizer.fit(whole, seed=seed)
    found: dict[str, Floats] = {
        f"{SMALL}, PQ-256-8": codec.scores(FDE(small).encode_queries(sets.queries), codec.encode(whole)),
        "FDE (20,6,16)": _fde(sets, wide),
        "FDE (20,6,16), no fill": _fde(sets, replace(wide, fill=False)),
        "FDE (20,4,16)": _fde(sets, replace(small, projection=16)),
        "FDE (20,4,128) count-sketched to 5,120": _fde(sets, replace(small, projection=128, final_dim=5120)),
        f"{OURS}, documents summed": asked @ summed.T,
        f"{OURS}, another seed for queries": elsewhere @ stored.T,
    }
    return found | {f"FDE ({count},5,16)": _fde(sets, replace(best, repetitions=count)) for count in REPETITIONS[:-1]}


def _config(sets: Sets, seed: int) -> FDEConfig:
    return FDEConfig(sets.documents.dim, repetitions=REPETITIONS[-1], simhash=5, projection=16, seed=seed)


def _fde(sets: Sets, config: FDEConfig) -> Floats:
    asked = FDE(config).encode_queries(sets.queries).vectors
    scores: Floats = asked @ FDE(config).encode_documents(sets.documents).vectors.T
    return scores


def means(tokens: MultiVector) -> Singles:
    """n sets → n × dim unit vectors."""
    sums = np.add.reduceat(tokens.vectors.astype(np.float32), tokens.offsets[:-1], axis=0)
    return Dense(sums).normalized().vectors.astype(np.float32)


def places(scores: Floats, wanted: Places) -> Places:
    """Place of the wanted document by score, from 1; others with an equal score come first."""
    own = np.take_along_axis(scores, wanted[:, None], axis=1)
    counts: Places = (scores >= own).sum(axis=1)
    return counts


def _places(name: str, kind: str, found: Places) -> list[Figure]:
    part = _part(name)
    shares = [Figure.over(part, name, f"best in first {depth}, {kind}", found <= depth) for depth in DEPTHS]
    return [*shares, _needed(part, name, kind, found)]


def _needed(part: Part, name: str, kind: str, found: Places) -> Figure:
    """The list's length at which AT of the queries have their document, with its bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = np.quantile(found[rng.integers(0, len(found), (2000, len(found)))], AT, axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Figure(part, name, f"candidates at {AT:.0%}, {kind}", float(np.quantile(found, AT)), float(low), float(high))


def _part(name: str) -> Part:
    if name in (OURS, SMALL, f"{SMALL}, PQ-256-8"):
        return "ours"
    return "baseline" if name == "mean pooling" else "ablation"


def _judged(kind: str, sets: Sets, exact: Exact, scores: Mapping[str, Floats]) -> list[Figure]:
    """nDCG@10 by people's judgements: of exact scores, of candidates as they come, and of the first ones re-scored."""
    kept = np.argpartition(-scores[OURS], DEPTHS[-1], axis=1)[:, : DEPTHS[-1]]
    again = np.full_like(exact.scores, -np.inf)
    np.put_along_axis(again, kept, np.take_along_axis(exact.scores, kept, axis=1), axis=1)
    ranked: Sequence[tuple[Part, str, Floats]] = (
        ("baseline", "exact late interaction", exact.scores),
        ("baseline", "mean pooling", scores["mean pooling"]),
        ("ours", OURS, scores[OURS]),
        ("ours", f"{OURS}, {DEPTHS[-1]} re-scored", again),
    )
    return [Figure.over(part, name, f"nDCG@10, {kind}", ndcg(found, sets.gains)) for part, name, found in ranked]


def ndcg(scores: Floats, gains: Floats, depth: int = 10) -> NDArray[np.float64]:
    """Per query; queries without a relevant document are left out."""
    weights = 1 / np.log2(np.arange(2, depth + 2))
    first = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    ideal = -np.sort(-gains, axis=1)[:, :depth] @ weights
    reached = np.take_along_axis(gains, first, axis=1) @ weights
    asked = ideal > 0
    return np.asarray(reached[asked] / ideal[asked], np.float64)


def _engines(sets: Sets, exact: Exact) -> list[Figure]:
    """Whole indexes on the same tokens: candidates by encodings, and by centroids; both score them by MaxSim."""
    keys = np.arange(len(sets.documents))
    two_stage = TwoStageIndex.build(keys, sets.documents)
    found = {
        f"TwoStageIndex, {DEPTHS[-1]} candidates": two_stage.search(sets.queries, 1, candidates=DEPTHS[-1]),
        "MultiVectorIndex": MultiVectorIndex.build(keys, sets.documents, strategy="pass").search(sets.queries, 1),
    }
    parts: dict[str, Part] = dict(zip(found, ("ours", "baseline"), strict=True))
    return [
        Figure.over(parts[name], name, f"best in first 1, {CONTEXT}", hits.keys[:, 0] == exact.best)
        for name, hits in found.items()
    ]


def _carved(sets: Sets, exact: Exact) -> list[Figure]:
    """Exact scores of fewer query tokens: balls of those that are alike are carved out and summed."""
    balls = MultiVector.of([carve(sets.queries[row]) for row in range(len(sets.queries))])
    found = Exact.of(replace(sets, queries=balls))
    return [
        Figure.over("ours", CARVED, f"best in first 1, {CONTEXT}", found.best == exact.best),
        Figure.over("ours", CARVED, f"nDCG@10, {CONTEXT}", ndcg(found.scores, sets.gains)),
        Figure.over("ours", CARVED, f"tokens, {CONTEXT}", balls.lengths),
    ]


def _checks(value: Mapping[tuple[str, str], float]) -> tuple[Check, ...]:
    def share(name: str, depth: int, kind: str = WORDS) -> float:
        return value[name, f"best in first {depth}, {kind}"]

    def needed(name: str, kind: str = CONTEXT) -> float:
        return value[name, f"candidates at {AT:.0%}, {kind}"]

    def judged(name: str) -> float:
        return value[name, f"nDCG@10, {CONTEXT}"]

    growing = [share(f"FDE ({count},5,16)", 10) for count in REPETITIONS]
    sketched = share("FDE (20,4,128) count-sketched to 5,120", 10)
    return (
        Check("of words: fewer candidates than mean pooling", needed(OURS, WORDS) < needed("mean pooling", WORDS)),
        Check("of tokens in context: fewer candidates than mean pooling", needed(OURS) < needed("mean pooling")),
        Check(
            "at most half as many as single-token look-ups, raw",
            2 * needed(OURS) <= needed("single-token look-up, raw"),
        ),
        Check(
            "and fewer than look-ups with every document once", needed(OURS) < needed("single-token look-up, distinct")
        ),
        Check(
            f"{DEPTHS[-1]} candidates hold the best document for at least 93 % of queries",
            min(share(OURS, DEPTHS[-1], kind) for kind in (WORDS, CONTEXT)) >= 0.93,
        ),
        Check(
            "scoring the balls of query tokens instead of all costs at most 1 point of nDCG@10",
            judged(CARVED) >= judged("exact late interaction") - 0.01,
        ),
        Check("more repetitions find it sooner", growing == sorted(growing) and growing[0] < growing[-1]),
        Check("documents must be means, not sums", share(f"{OURS}, documents summed", 10) < share(OURS, 10) - 0.1),
        Check("queries need the hyperplanes of the documents", share(f"{OURS}, another seed for queries", 10) < 0.1),
        Check(
            "filling empty cells helps at 64 cells", share("FDE (20,6,16)", 10) > share("FDE (20,6,16), no fill", 10)
        ),
        Check(
            "product quantisation to a byte for 8 numbers costs at most 3 points in the first 10",
            share(f"{SMALL}, PQ-256-8", 10) >= share(SMALL, 10) - 0.03,
        ),
        Check(
            "a count sketch of a wider encoding is within 5 points of a narrow one of the same size",
            abs(sketched - share("FDE (20,4,16)", 10)) <= 0.05,
        ),
    )


def _sets(run: Run) -> dict[str, Sets]:
    """Both kinds of tokens of the same texts."""
    folder = run.folder("text/cranfield")
    benchmark = load_beir(folder, "test")
    documents = [entry for entry in _lines(folder / "corpus.jsonl") if entry["text"].strip()]
    texts = [entry["text"] if run.full else " ".join(entry["text"].split()[:LONGEST]) for entry in documents]
    asked = [query.text for query in benchmark.queries.values()]
    row = {entry["_id"]: number for number, entry in enumerate(documents)}
    gains = np.zeros((len(asked), len(texts)), np.float32)
    for number, name in enumerate(benchmark.queries):
        for document, gain in benchmark.qrels[name].items():
            if document in row:
                gains[number, row[document]] = gain
    run.say(f"reading {len(texts)} documents")
    return {
        WORDS: _less_mean(Sets(words(texts), words(asked), gains)),
        CONTEXT: _less_mean(Sets(*_in_context(texts, asked), gains)),
    }


def words(texts: Sequence[str]) -> MultiVector:
    """The vectors that the default encoder starts from, of every piece of the texts."""
    table = E5File()
    read = table.tokenizer().encode_batch_fast([table.normalize(text) for text in texts], add_special_tokens=False)
    return MultiVector.of([table.word_vectors(np.array(one.ids, np.int64)) for one in read])


def _in_context(texts: Sequence[str], asked: Sequence[str]) -> tuple[MultiVector, MultiVector]:
    stored = item_embeddings(e5.load(), [(Text(text),) for text in texts]).tokens
    queries = query_embeddings(e5.load(), [(Text(text),) for text in asked]).tokens
    assert stored is not None
    assert queries is not None
    return stored, queries


def _less_mean(sets: Sets) -> Sets:
    """Tokens less the mean token of the documents, of unit length."""
    mean = sets.documents.vectors.mean(axis=0, dtype=np.float32)

    def placed(tokens: MultiVector) -> MultiVector:
        return MultiVector(Dense(tokens.vectors - mean).normalized().vectors.astype(np.float32), tokens.offsets)

    return replace(sets, documents=placed(sets.documents), queries=placed(sets.queries))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]


PAGE = Page(
    name="muvera",
    title="MUVERA: Multi-Vector Retrieval via Fixed Dimensional Encodings",
    source="Jayaram, Dhulipala, Hadian, Lee and Mirrokni, NeurIPS 2024, arXiv 2405.19504",
    adds="One vector per set of token vectors, so that any index of vectors finds candidates for late interaction.",
    claim="At equal recall, encodings need two to five times fewer candidates than looking up single tokens.",
    lives=("bowerbird.index.fde", "bowerbird.index.two_stage", "bowerbird.index.product_quantizer"),
    reproduce=reproduce,
    data=("text/cranfield",),
)

"""How does generative retrieval scale (Pradeep et al., EMNLP 2023, arXiv 2305.11841): synthetic queries, and size.

The mechanism is beside this file: identifiers, beam search, the decoder, and the index that they make. A document here
is a photo that is known by its first caption; what other people wrote about it stands for queries that a model would
make up (there is no such model at hand), and the last caption asks for it. The text encoder is frozen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense
from bowerbird.encoders import e5
from bowerbird.evaluate.vectors import text_vectors
from bowerbird.papers.generative_retrieval.beam import NONE, Trie, free
from bowerbird.papers.generative_retrieval.decoder import Training
from bowerbird.papers.generative_retrieval.index import Asked, GenerativeIndex
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run

SIZES = (117, 234, 468)
"""Documents of the smaller collections; the whole one has 937."""
LABELLED = 0.2
"""Share of documents with labelled queries."""
DEPTH = 10

Singles = NDArray[np.float32]
Hits = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """Vectors of n documents (n × dim), of queries for training (n × c × dim), and of the queries asked (n × dim)."""

    documents: Singles
    synthetic: Singles
    asked: Singles

    def first(self, count: int) -> Texts:
        return Texts(self.documents[:count], self.synthetic[:count], self.asked[:count])

    def __len__(self) -> int:
        return len(self.documents)


def reproduce(run: Run) -> Report:
    texts = _captions(run)
    training = Training(seed=run.seed, epochs=80 if run.full else 40)
    ranks: dict[str, NDArray[np.int64]] = {}
    figures: list[Figure] = []
    labelled = np.arange(len(texts)) < LABELLED * len(texts)
    indexes: dict[str, GenerativeIndex] = {}
    for name, (scheme, chosen, read) in _ingredients(labelled).items():
        run.say(f"learning {name}")
        indexes[name] = learned(texts, training, scheme, chosen, read)
        ranks[name] = found_at(indexes[name], texts)
        figures += _recalls(name, ranks[name])
    figures += [
        Figure.over(
            "ablation", "labelled queries", f"R@{DEPTH}, {kind} documents", ranks["labelled queries"][some] <= DEPTH
        )
        for kind, some in (("labelled", labelled), ("other", ~labelled))
    ]
    for name, vectors in _dense(texts).items():
        figures += _recalls(name, exact_rank(texts.asked, vectors))
    figures += _without_trie(indexes, texts)
    figures += _growth(texts, training, ranks["synthetic queries"], run)
    figures += [
        Figure.of("baseline", name, "parameters", index.stats().detail["parameters"])
        for name, index in indexes.items()
        if "ids" in name or name == "synthetic queries"
    ]
    return Report(
        data=f"{len(texts)} photos of Flickr8k by their captions: the first is the document, "
        f"{texts.synthetic.shape[1]} are synthetic queries, the last one asks; default text encoder, frozen",
        figures=tuple(figures),
        checks=_checks({(figure.method, figure.measure): figure.value for figure in figures}),
        notes=(
            "other people's captions stand for generated queries; there is no docT5query at hand",
            f"R@1 and R@{DEPTH} over all documents; ids are semantic unless it says otherwise; beam of 40",
            "the collections grow, the model does not; the paper grows them to 8.8 million",
        ),
    )


def _ingredients(labelled: NDArray[np.bool_]) -> dict[str, tuple[str, NDArray[np.bool_], bool]]:
    """By name: the identifiers, which documents have queries to learn from, and whether documents are read."""
    nobody, everybody = np.zeros_like(labelled), np.ones_like(labelled)
    return {
        "document text": ("semantic", nobody, True),
        "labelled queries": ("semantic", labelled, False),
        "document text + labelled queries": ("semantic", labelled, True),
        "synthetic queries": ("semantic", everybody, False),
        "synthetic queries + document text": ("semantic", everybody, True),
        "synthetic queries, naive ids": ("naive", everybody, False),
        "synthetic queries, atomic ids": ("atomic", everybody, False),
    }


def learned(texts: Texts, training: Training, scheme: str, chosen: NDArray[np.bool_], read: bool) -> GenerativeIndex:
    """chosen: the documents whose queries are learned from, n."""
    keys = np.arange(len(texts))
    asked = Asked(
        np.repeat(keys[chosen], texts.synthetic.shape[1]),
        Dense(texts.synthetic[chosen].reshape(-1, texts.documents.shape[1])),
    )
    return GenerativeIndex.build(keys, Dense(texts.documents), asked=asked, scheme=scheme, read=read, training=training)


def found_at(index: GenerativeIndex, texts: Texts) -> NDArray[np.int64]:
    """The place of each asked document, from 1; beyond the end for one that is not found."""
    keys = index.search(Dense(texts.asked), DEPTH).keys
    right = keys == np.arange(len(texts))[:, None]
    return np.asarray(np.where(right.any(axis=1), right.argmax(axis=1) + 1, keys.shape[1] + 1), np.int64)


def exact_rank(asked: Singles, documents: Singles) -> NDArray[np.int64]:
    """The same by inner products of centred vectors of unit length."""
    mean = documents.mean(axis=0)
    scores = _unit(asked - mean) @ _unit(documents - mean).T
    rank: NDArray[np.int64] = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
    return rank


def _dense(texts: Texts) -> dict[str, Singles]:
    together = np.concatenate([texts.documents[:, None], texts.synthetic], axis=1).mean(axis=1)
    return {"dense, document text": texts.documents, "dense, with synthetic queries": together}


def _recalls(name: str, rank: NDArray[np.int64]) -> list[Figure]:
    return [Figure.over(_part(name), name, f"R@{depth}", rank <= depth) for depth in (1, DEPTH)]


def _part(name: str) -> Part:
    if name.startswith("dense") or name == "document text + labelled queries":
        return "baseline"
    return "ours" if name == "synthetic queries" else "ablation"


def _without_trie(indexes: Mapping[str, GenerativeIndex], texts: Texts) -> list[Figure]:
    """How many of the first ten strings name no document when any may be written."""
    figures = []
    for name in ("synthetic queries", "synthetic queries, naive ids"):
        index, queries = indexes[name], Dense(texts.asked)
        trie = Trie.of(index.identifiers)
        written = free(index.log_probs(queries), len(queries), trie, DEPTH)
        wrong = (written.documents == NONE).mean(axis=1)
        figures.append(Figure.over("ablation", f"{name}, no trie", f"invalid in first {DEPTH}", wrong))
        right = (written.documents == np.arange(len(texts))[:, None]).any(axis=1)
        figures.append(Figure.over("ablation", f"{name}, no trie", f"R@{DEPTH}", right))
    return figures


def _growth(texts: Texts, training: Training, whole: NDArray[np.int64], run: Run) -> list[Figure]:
    """R@1 of the same model on ever larger collections, beside exact search of the same vectors."""
    figures = []
    for count in (*SIZES, len(texts)):
        run.say(f"growing to {count} documents")
        some = texts.first(count)
        everybody = np.ones(count, bool)
        rank = whole if count == len(texts) else found_at(learned(some, training, "semantic", everybody, False), some)
        dense = exact_rank(some.asked, _dense(some)["dense, with synthetic queries"])
        figures.append(Figure.over("ours", "synthetic queries", f"R@1 of {count}", rank <= 1))
        figures.append(Figure.over("baseline", "dense, with synthetic queries", f"R@1 of {count}", dense <= 1))
    return figures


def _checks(value: Mapping[tuple[str, str], float]) -> tuple[Check, ...]:
    def recall(name: str, depth: int = DEPTH) -> float:
        return value[name, f"R@{depth}"]

    sizes: Sequence[str] = [measure for name, measure in value if name == "synthetic queries" and " of " in measure]
    ours = [value["synthetic queries", size] for size in sizes]
    dense = [value["dense, with synthetic queries", size] for size in sizes]
    d2q = recall("synthetic queries")
    return (
        Check("synthetic queries beat the document's text by 15 points", d2q >= recall("document text") + 0.15),
        Check("and labelled queries of a fifth of the documents", d2q >= recall("labelled queries") + 0.15),
        Check(
            "documents without labelled queries are hardly found when only those are learned from",
            value["labelled queries", f"R@{DEPTH}, other documents"] < 0.1,
        ),
        Check(
            "adding the text to synthetic queries changes little",
            abs(recall("synthetic queries + document text") - d2q) <= 0.05,
        ),
        Check("semantic ids beat naive ones", d2q > recall("synthetic queries, naive ids")),
        Check("atomic ids beat both", recall("synthetic queries, atomic ids") >= d2q),
        Check(
            "without a trie some ids name nothing", value["synthetic queries, no trie", f"invalid in first {DEPTH}"] > 0
        ),
        Check("quality falls as the collection grows", ours == sorted(ours, reverse=True) and ours[0] > ours[-1]),
        Check("and by more than that of dense search", ours[0] - ours[-1] > dense[0] - dense[-1]),
    )


def _captions(run: Run) -> Texts:
    folder = run.folder("images/flickr8k-ml")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    captions = [entry["captions_en"] for entry in entries]
    run.say(f"reading {sum(map(len, captions))} captions")
    encoder = e5.load()
    flat = [text for texts in captions for text in texts]
    vectors = text_vectors(f"{encoder.id} query", flat, encoder.encode_texts).vectors.astype(np.float32)
    whole = vectors.reshape(len(captions), -1, vectors.shape[1])
    whole = whole[np.random.default_rng(0).permutation(len(whole))]
    return Texts(whole[:, 0], whole[:, 1:-1], whole[:, -1])


def _unit(vectors: Singles) -> Singles:
    return Dense(vectors).normalized().vectors.astype(np.float32)


PAGE = Page(
    name="generative-retrieval",
    title="How Does Generative Retrieval Scale to Millions of Passages?",
    source="Pradeep et al., EMNLP 2023, arXiv 2305.11841",
    adds="A model that writes the identifiers of documents, held to a trie, as an index like any other.",
    claim="Synthetic queries are what makes it work; a model of one size gets worse as the collection grows.",
    lives=(
        "bowerbird.papers.generative_retrieval.index",
        "bowerbird.papers.generative_retrieval.beam",
        "bowerbird.papers.generative_retrieval.identifiers",
        "bowerbird.papers.generative_retrieval.decoder",
    ),
    reproduce=reproduce,
    data=("images/flickr8k-ml",),
    needs=("train",),
)

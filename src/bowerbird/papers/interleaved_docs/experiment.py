"""What the page measures: articles without pictures, PDFs with figures, an encyclopaedia that says things one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.papers.interleaved_docs.method import (
    CONTENTS,
    Encoded,
    Negatives,
    Reranker,
    Values,
    best_passage,
    coarse_to_fine,
    document_places,
    encode,
    first_place,
    passages,
    reranked,
)
from bowerbird.papers.interleaved_docs.sets import KINDS, Corpus, articles, encyclopaedia, pairs, pdfs
from bowerbird.papers.page import Check, Figure, Part, Report, Run

NEGATIVES: tuple[Negatives, ...] = ("same and others found", "same document", "any document")
OURS, RANDOM = (f"document, then re-ranker ({NEGATIVES[number]})" for number in (0, 2))
EVERY = 3
"""Of XQuAD's questions, unless the run is a full one."""

Found: TypeAlias = dict[tuple[str, str, str], Values]
"""(set, task, method) → reciprocal rank per question, 0 beyond the first ten."""


def reproduce(run: Run) -> Report:
    random = np.random.default_rng(run.seed)
    run.say("encoding articles")
    corpus = articles(run.folder("text/xquad-crosslingual"), 1 if run.full else EVERY)
    read = encode(corpus)
    run.say("encoding questions about two sections")
    mixed = encode(replace(corpus, questions=tuple(pairs(corpus.questions))))
    run.say("reading and encoding PDFs")
    papers = encode(pdfs(run.folder("documents/mmdocir-subset"), run.full))
    run.say("encoding the encyclopaedia")
    stamps = encode(encyclopaedia(run.folder("multimodal/tuxpaint-stamps"), run.full))
    run.say("training re-rankers")
    trained, tested = _halves(corpus, random)
    rerankers = {
        negatives: Reranker.fit(read, trained, negatives, np.random.default_rng(run.seed)) for negatives in NEGATIVES
    }
    found = _documents("articles", read) | _documents("PDFs", papers) | _documents("encyclopaedia", stamps)
    for method, scores in (
        ("best passage", best_passage(mixed)),
        ("interleaved", mixed.asked @ mixed.documents("interleaved").T),
    ):
        found["two sections", "document", method] = _reciprocal(document_places(mixed, scores))
    found |= _sections("articles", read, rerankers, tested) | _sections("PDFs", papers, rerankers)
    kinds = np.array([question.kind for question in stamps.corpus.questions])
    return Report(
        data=f"XQuAD: {_size(corpus)}, half of them for training; MMDocIR: {_size(papers.corpus)}; stamps as an "
        f"encyclopaedia: {_size(stamps.corpus)}; default encoders",
        figures=(*_figures(found), *_by_kind(found, kinds)),
        checks=_checks(found, kinds),
        notes=(
            "questions of XQuAD ask for one detail of one paragraph, which is what the mean over a document dilutes",
            "a mean keeps one vector a document instead of one a section: "
            f"{len(read.bounds) - 1} for {len(read.written)} here",
            "the section re-ranker of MMDocIR's pages was trained on XQuAD's articles",
            "how much pictures count and how strong the ridge is were chosen on these sets",
        ),
    )


def _size(corpus: Corpus) -> str:
    sections = sum(len(document.sections) for document in corpus.documents)
    return f"{len(corpus.documents)} documents of {sections} sections, {len(corpus.questions)} questions"


def _halves(corpus: Corpus, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of questions for training and for the test: no document has questions in both."""
    order = random.permutation(len(corpus.documents))
    train = np.isin([question.document for question in corpus.questions], order[: len(order) // 2])
    return np.flatnonzero(train), np.flatnonzero(~train)


def _documents(name: str, made: Encoded) -> Found:
    found: Found = {
        (name, "document", content): _reciprocal(document_places(made, made.asked @ made.documents(content).T))
        for content in CONTENTS
    }
    found[name, "document", "best passage"] = _reciprocal(document_places(made, best_passage(made)))
    return found


def _sections(
    name: str, made: Encoded, rerankers: Mapping[Negatives, Reranker], tested: NDArray[np.int64] | None = None
) -> Found:
    """Ranking sections of all documents, on the questions that no re-ranker was trained on."""
    rows = np.arange(len(made.corpus.questions)) if tested is None else tested
    scores = {"passages alone": passages(made), "document, then vectors": coarse_to_fine(made, passages(made))}
    scores["document, then MaxSim"] = coarse_to_fine(made, made.late.astype(np.float64))
    for negatives, reranker in rerankers.items():
        scores[f"document, then re-ranker ({negatives})"] = coarse_to_fine(made, reranked(made, reranker))
    answers = made.answers()[rows]
    return {(name, "section", method): _reciprocal(first_place(each[rows], answers)) for method, each in scores.items()}


def _reciprocal(places: NDArray[np.int64]) -> Values:
    return np.where(places <= 10, 1.0 / places, 0.0)


def _part(task: str, method: str) -> Part:
    if method in {"passages alone", "best passage", "title", "summary"}:
        return "baseline"
    return "ours" if method in {"interleaved", OURS} else "ablation"


def _figures(found: Found) -> list[Figure]:
    figures = []
    for (name, task, method), values in found.items():
        part = _part(task, method)
        figures.append(Figure.over(part, method, f"{name}: {task} R@1", (values == 1).astype(np.float64)))
        figures.append(Figure.over(part, method, f"{name}: {task} MRR@10", values))
    return figures


def _by_kind(found: Found, kinds: NDArray[np.str_]) -> list[Figure]:
    """The encyclopaedia's documents, by where the answer stands."""
    return [
        Figure.over(_part("document", content), content, f"encyclopaedia, in a {kind}: document R@1", _hits(
            found["encyclopaedia", "document", content][kinds == kind]))
        for kind in KINDS
        for content in ("text", "first picture", "interleaved")
    ]  # fmt: skip


def _hits(values: Values) -> Values:
    first: Values = (values == 1).astype(np.float64)
    return first


def _checks(found: Found, kinds: NDArray[np.str_]) -> tuple[Check, ...]:
    def first(name: str, task: str, method: str) -> float:
        return float(_hits(found[name, task, method]).mean())

    def kind(content: str, wanted: str) -> float:
        return float(_hits(found["encyclopaedia", "document", content][kinds == wanted]).mean())

    return (
        Check("what only a picture shows is found better than by the text around it",
              kind("interleaved", "picture") > kind("text", "picture")),
        Check("all pictures are better than the first one", kind("interleaved", "picture")
              > kind("first picture", "picture")),
        Check("and what is written is found as well as without pictures, to within two points",
              kind("interleaved", "text") >= kind("text", "text") - 0.02),
        Check("text of all sections > the first section > the title, articles",
              first("articles", "document", "text") > first("articles", "document", "summary")
              > first("articles", "document", "title")),
        Check("pictures do PDFs no harm",
              first("PDFs", "document", "interleaved") >= first("PDFs", "document", "text")),
        Check("the mean of sections beats the best passage, articles",
              first("articles", "document", "interleaved") > first("articles", "document", "best passage")),
        Check("the mean beats the best passage where a question is about two sections",
              first("two sections", "document", "interleaved") > first("two sections", "document", "best passage")),
        Check("document, then re-ranker beats passages alone, articles",
              first("articles", "section", OURS) > first("articles", "section", "passages alone")),
        Check("document, then re-ranker beats passages alone, PDFs",
              first("PDFs", "section", OURS) > first("PDFs", "section", "passages alone")),
        Check("negatives of the same document and of others found train a better re-ranker than random ones",
              first("articles", "section", OURS) > first("articles", "section", RANDOM)),
    )  # fmt: skip

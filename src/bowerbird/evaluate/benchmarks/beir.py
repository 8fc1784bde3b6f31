"""BEIR folders (Thakur et al. 2021, arXiv 2104.08663): the form in which most text retrieval sets are passed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks import trec
from bowerbird.evaluate.benchmarks.corpus import document, known, unique
from bowerbird.evaluate.benchmarks.lines import csv_rows, first, json_lines
from bowerbird.items import Item, Query

MEASURES = ("nDCG@10", "R@100")


def load(folder: Path, part: str) -> Benchmark:
    """corpus.jsonl, queries.jsonl (or .tsv) and qrels/SPLIT.tsv; `part` is the split. Only judged queries are asked."""
    judged_at = first(folder, f"qrels/{part}.tsv", f"qrels/{part}.txt")
    judged = qrels(judged_at)
    asked = queries(first(folder, "queries.jsonl", "queries.tsv", "queries.jsonl.gz"))
    known(asked, judged, judged_at)
    return Benchmark(
        folder.resolve().name,
        {name: query for name, query in asked.items() if name in judged},
        judged,
        lambda: corpus(first(folder, "corpus.jsonl", "corpus.jsonl.gz", "corpus.tsv")),
        MEASURES,
    )


def load_crosslingual(folder: Path, part: str) -> Benchmark:
    """Parallel corpora: queries/LANG.jsonl against corpus/LANG.jsonl; `part` is 'de-en' for German asked of English."""
    asking, _, answering = part.partition("-")
    judged_at = folder / "qrels" / "test.tsv"
    judged = qrels(judged_at)
    asked = queries(first(folder, f"queries/{asking}.jsonl"))
    known(asked, judged, judged_at)
    path = first(folder, f"corpus/{answering or asking}.jsonl")
    chosen = {name: query for name, query in asked.items() if name in judged}
    return Benchmark(f"{folder.resolve().name} {part}", chosen, judged, lambda: corpus(path), MEASURES)


def qrels(path: Path) -> dict[str, dict[str, float]]:
    """Gains by query and item: a tab-separated table with the header query-id, corpus-id, score, or TREC lines."""
    if path.suffix == ".txt":
        return trec.qrels(path)
    judged: dict[str, dict[str, float]] = {}
    for row in csv_rows(path, "\t"):
        trec.add(judged, row.text("query-id"), row.text("corpus-id"), max(0.0, row.number("score")), row)
    return judged


def queries(path: Path) -> dict[str, Query]:
    """Queries by id, of JSON lines (_id, text) or tab-separated id and text."""
    if path.suffix == ".tsv":
        return trec.topics(path)
    found: dict[str, Query] = {}
    for record in json_lines(path):
        name = unique(found, record.text("_id"), f"{path}, {record.place}")
        found[name] = Query.of(record.text("text"))
    return found


def corpus(path: Path) -> Iterator[Item]:
    """Documents of JSON lines (_id, title, text), or tab-separated id, text and title without a header."""
    if path.suffix == ".tsv":
        for row in csv_rows(path, "\t", ("_id", "text", "title")):
            yield from document(row.text("_id"), row.text("text"), row.text("title"))
        return
    for record in json_lines(path):
        yield from document(record.text("_id"), record.text("text"), record.optional("title"))

"""TREC topics and qrels, as test collections have been published since 1992."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks.corpus import document, known, unique
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, text_lines
from bowerbird.items import Item, Query

TAG = re.compile(r"<(num|title|desc|narr)>([^<]*)", re.I)


def load(folder: Path, part: str) -> Benchmark:
    """FOLDER/topics*{part}*, qrels*{part}* and corpus.jsonl (id, contents), as Anserini and Pyserini lay them out.

    `part` chooses among the collections in the folder, by any piece of the name of its files.
    """
    piece = f"*{part}*" if part else "*"
    at = first(folder, f"topics{piece}")
    asked = topics(at)
    judged_at = first(folder, f"qrels{piece}")
    judged = qrels(judged_at)
    known(asked, judged, judged_at)
    return Benchmark(
        f"trec {part}".strip(),
        {name: query for name, query in asked.items() if name in judged},
        judged,
        lambda: _corpus(folder / "corpus.jsonl"),
        ("nDCG@10", "R@100"),
    )


def topics(path: Path) -> dict[str, Query]:
    """Queries by id: tab-separated id and text, JSON lines (qid, query), or <top> blocks, packed or not."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        found: dict[str, Query] = {}
        for record in json_lines(path):
            text = record.text("query") if record.has("query") else record.text("text")
            found[unique(found, record.text("qid"), f"{path}, {record.place}")] = Query.of(text)
        return found
    if name.endswith(".tsv"):
        return _tabbed(path)
    return _tagged(path)


def qrels(path: Path, columns: tuple[int, ...] = (4,)) -> dict[str, dict[str, float]]:
    """Gains by query and item, from lines "query iteration item gain". Negative gains (spam) count as 0.

    columns: how many columns a line may have; M-BEIR writes a fifth, its task.
    """
    judged: dict[str, dict[str, float]] = {}
    for number, line in text_lines(path):
        fields = line.split()
        if not fields:
            continue
        if len(fields) not in columns:
            expected = " or ".join(map(str, columns))
            raise BenchmarkError(f"{path}, line {number}: has {len(fields)} fields, must have {expected}")
        query, _, item, _ = fields[:4]
        record = Record(path, f"line {number}", {"gain": fields[3]})
        add(judged, query, item, max(0.0, record.number("gain")), record)
    return judged


def add(judged: dict[str, dict[str, float]], query: str, item: str, gain: float, record: Record) -> None:
    """Put one judgement down; a second, different one for the same pair is an error."""
    if judged.setdefault(query, {}).setdefault(item, gain) != gain:
        raise record.error("gain", f"of {item!r} for query {query!r} was {judged[query][item]:g}, and is now {gain:g}")


def _tabbed(path: Path) -> dict[str, Query]:
    found: dict[str, Query] = {}
    for number, line in text_lines(path):
        if not line.strip():
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise BenchmarkError(f"{path}, line {number}: field 'query' is missing; a line is ID, tab, words")
        found[unique(found, name.strip(), f"{path}, line {number}")] = Query.of(text.strip())
    return found


def _tagged(path: Path) -> dict[str, Query]:
    """<num> Number: 301 <title> international organized crime <desc> …; the title is the query."""
    found: dict[str, Query] = {}
    name, tag = "", ""
    words: list[str] = []
    for number, line in text_lines(path):
        opening = TAG.match(line.strip())
        if opening:
            tag, rest = opening[1].lower(), opening[2].split(":", 1)[-1].strip()
            if tag == "num":
                name = unique(found, rest, f"{path}, line {number}")
            words = [rest] if tag == "title" and rest else words
        elif tag == "title" and line.strip() and not line.startswith("<"):
            words.append(line.strip())
        elif line.strip().lower() == "</top>":
            if not name or not words:
                raise BenchmarkError(f"{path}, line {number}: field 'num' or 'title' of this topic is missing")
            found[name] = Query.of(" ".join(words))
            name, tag, words = "", "", []
    if not found:
        raise BenchmarkError(f"{path}, line 1: field 'top' is missing; topics are <top> blocks, .tsv or .jsonl")
    return found


def _corpus(path: Path) -> Iterator[Item]:
    for record in json_lines(path):
        yield from document(record.text("id"), record.text("contents"))

"""Answers of words and pictures: MRAMG-Bench, which retrieves for them, and MMIE, which does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import article, image_of, unique
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, json_list, json_values
from bowerbird.items import Image, Item, Part, Parts, Query, Text

PLACEHOLDER = "<PIC>"
"""Where a picture stands in a document of MRAMG-Bench."""

CATEGORY = re.compile("SA|PBL|MSR")
"""Situational analysis, project-based learning, multi-step reasoning: a part of every id of MMIE."""


def load_mramg(folder: Path, part: str) -> Benchmark:
    """MRAMG-Bench (Yu et al. 2025, arXiv 2502.04176): doc_{part}.jsonl, {part}_mqa.jsonl, IMAGE/images/{PART}/ID.jpg.

    `part` is wit, wiki, web, arxiv, recipe or manual. A document is one item of words and pictures in their order;
    gold.images are the pictures of the answer in order. (format from the card)
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    for record in json_lines(first(folder, f"{part}_mqa.jsonl")):
        name = unique(queries, record.text("id"), f"{record.file}, {record.place}")
        queries[name] = Query.of(record.text("question"))
        qrels[name] = dict.fromkeys(record.texts("provenance"), 1.0)
        gold[name] = Gold((record.text("ground_truth"),), images=record.texts("images_list"))
    documents = first(folder, f"doc_{part}.jsonl")
    images = folder / "IMAGE" / "images" / part.upper()
    return Benchmark(f"mramg {part}", queries, qrels, lambda: _documents(documents, images), ("R@10", "R@5"), gold=gold)


def load_mmie(folder: Path, part: str) -> Benchmark:
    """MMIE (Xia et al. 2024, arXiv 2410.10139): {part}.json, a list of id, question and gt_answer, as blocks.

    A block has text, image (a path below the folder) or both.

    Answers are graded by a judge; only multi-step reasoning (MSR) has reference answers. (format from the card)
    """
    queries: dict[str, Query] = {}
    gold: dict[str, Gold] = {}
    for record in json_list(first(folder, f"{part}.json")):
        name = unique(queries, record.text("id"), f"{record.file}, {record.place}")
        category = CATEGORY.search(name)
        if not category:
            raise record.error("id", f"is {name!r}, which names none of SA, PBL, MSR")
        queries[name] = Query(_blocks(folder, record, "question"))
        answers = tuple(block.text("text") for block in record.records("gt_answer") if block.optional("text"))
        images = tuple(block.text("image") for block in record.records("gt_answer") if block.optional("image"))
        gold[name] = Gold(answers, images=images, labels={"category": (category[0],)})
    return Benchmark("mmie", queries, {}, lambda: iter(()), (), gold=gold)


def _documents(path: Path, images: Path) -> Iterator[Item]:
    """Lines [id, text with placeholders, [picture ids]]."""
    for number, value in json_values(path):
        if not isinstance(value, list) or len(value) != 3:
            raise BenchmarkError(f"{path}, line {number}: must be a list of id, text and pictures")
        record = Record(path, f"line {number}", dict(zip(("id", "text", "pictures"), value, strict=True)))
        yield from article(record.text("id"), _interleaved(record, images))


def _interleaved(record: Record, images: Path) -> Parts:
    names, texts = record.texts("pictures"), record.text("text").split(PLACEHOLDER)
    if len(texts) - 1 != len(names):
        raise record.error("pictures", f"has {len(names)} entries, but the text has {len(texts) - 1} {PLACEHOLDER}")
    parts: list[Part] = []
    for number, text in enumerate(texts):
        parts += [Text(line) for line in text.split("\n") if line.strip()]
        if number < len(names):
            parts.append(Image(str(images / f"{names[number]}.jpg")))
    return tuple(parts)


def _blocks(folder: Path, record: Record, field: str) -> Parts:
    parts: list[Part] = []
    for block in record.records(field):
        parts += [Text(block.text("text"))] if block.optional("text") else []
        parts += image_of(folder, block, "image")
    if not parts:
        raise record.error(field, "has neither words nor pictures")
    return tuple(parts)

"""MMEB (Jiang et al. 2024, arXiv 2410.05160; version 2: 2507.04590): every query ranks its own list of targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks import trec
from bowerbird.evaluate.benchmarks.corpus import known, picture
from bowerbird.evaluate.benchmarks.lines import Record, first, parquet_rows, records
from bowerbird.items import Image, Item, Locator, Part, Query, Text

PLACEHOLDER = re.compile(r"<\|image_\d+\|>\s*")
"""Where the picture stands in the stored text; our parts say so themselves."""


def load(folder: Path, part: str) -> Benchmark:
    """FOLDER/{part}/test*.parquet or {part}.jsonl: qry_inst, qry_text, qry_img_path, tgt_inst, tgt_text and
    tgt_img_path (lists; the first target is the right one). (format from the card)
    """
    path = first(folder, f"{part}/test*.parquet", f"{part}.jsonl", f"{part}.json")
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    for number, record in enumerate(records(path)):
        name = str(number)
        query = _parts(folder, record.optional("qry_text"), record.optional("qry_img_path"))
        queries[name] = Query(query, _words(record.optional("qry_inst")))
        ids = [item.id for item in _targets(folder, record)]
        if not ids:
            raise record.error("tgt_text", "is empty; the first target is the right one")
        qrels[name], pools[name] = {ids[0]: 1.0}, frozenset(ids)
    return Benchmark(f"mmeb {part}", queries, qrels, lambda: _items(folder, path), ("P@1",), pools=pools)


def load_visdoc(folder: Path, part: str) -> Benchmark:
    """Visual documents of version 2: topics*{part}*.jsonl and qrels*{part}*.txt as Anserini passes them on; pages in
    corpus*{part}*.parquet (corpus-id, image).
    """
    asked = trec.topics(first(folder, f"topics*{part}.*.jsonl"))
    judged_at = first(folder, f"qrels*{part}.*.txt")
    judged = trec.qrels(judged_at)
    known(asked, judged, judged_at)
    chosen = {name: query for name, query in asked.items() if name in judged}
    return Benchmark(f"mmeb visdoc {part}", chosen, judged, lambda: _pages(folder, part), ("nDCG@5",))


def _items(folder: Path, path: Path) -> Iterator[Item]:
    """Every target once, however many queries share it."""
    seen: set[str] = set()
    for record in records(path):
        for item in _targets(folder, record):
            if item.id not in seen:
                seen.add(item.id)
                yield item


def _targets(folder: Path, record: Record) -> list[Item]:
    texts = record.texts("tgt_text")
    images = record.texts("tgt_img_path") if record.has("tgt_img_path") else ("",) * len(texts)
    if len(texts) != len(images):
        raise record.error("tgt_img_path", f"has {len(images)} entries, tgt_text has {len(texts)}")
    found = []
    for text, image in zip(texts, images, strict=True):
        name = blake2b(f"{image}\0{text}".encode(), digest_size=12).hexdigest()
        parts = _parts(folder, text, image)
        found.append(Item(name, "image" if image else "passage", parts, Locator(name)))
    return found


def _parts(folder: Path, text: str, image: str) -> tuple[Part, ...]:
    parts: list[Part] = [Image(str(folder / "images" / image))] if image else []
    if _words(text) or not parts:
        parts.append(Text(_words(text)))
    return tuple(parts)


def _words(text: str) -> str:
    return PLACEHOLDER.sub("", text).strip()


def _pages(folder: Path, part: str) -> Iterator[Item]:
    for row in parquet_rows(first(folder, f"corpus*{part}*.parquet"), ["corpus-id", "image"]):
        yield picture(row.text("corpus-id"), row.record("image").data("bytes"))

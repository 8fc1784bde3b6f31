"""MMDocIR (Dong et al. 2025, arXiv 2501.08828): pages and layouts of long documents; MMLongBench-Doc: pages.

Annotations verified whole; the tables of pages and layouts are as its README says (format from the card).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import pdf_pages
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, json_list, parquet_rows
from bowerbird.items import Box, Image, Item, Locator, Query, Text


def load(folder: Path, part: str) -> Benchmark:
    """MMDocIR_annotations.jsonl with MMDocIR_pages.parquet or MMDocIR_layouts.parquet, or with the documents in pdfs/.

    part "pages" ranks the pages of the question's own document, as published; "all" the pages of all documents;
    "layouts" the layouts of the document, judged by the gold area that they cover (places), not by qrels.
    Pages are DOC#PAGE and layouts DOC@NUMBER, both counted from 0 in their document; places count pages from 1.
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    places: dict[str, tuple[Locator, ...]] = {}
    gold: dict[str, Gold] = {}
    field, sign = ("layout_indices", "@") if part == "layouts" else ("page_indices", "#")
    for document in json_lines(first(folder, "MMDocIR_annotations*.jsonl")):
        source = document.text("doc_name")
        pages, pool = _rows(document, "page_indices"), frozenset(f"{source}{sign}{n}" for n in _rows(document, field))
        for number, question in enumerate(document.records("questions")):
            name = f"{source}-q{number}"
            queries[name] = Query.of(question.text("Q"))
            relevant = [int(page) for page in question.numbers("page_id")]
            if not set(relevant) <= set(pages):
                raise question.error("page_id", f"is {relevant}, but the document has pages 0 to {len(pages) - 1}")
            qrels[name] = {f"{source}#{page}": 1.0 for page in relevant}
            pools[name] = pool
            places[name] = tuple(_place(source, box) for box in question.records("layout_mapping"))
            labels = {"domain": (document.text("domain"),), "type": _written(question, "type")}
            gold[name] = Gold((question.text("A"),), labels=labels)
    if part == "layouts":
        at = first(folder, "MMDocIR_layouts.parquet")
        return Benchmark(
            "mmdocir layouts", queries, {}, lambda: layouts(at), ("layout_recall@5",), {}, pools, places, gold
        )
    own = pools if part == "pages" else {}
    measures = ("R@1", "R@3", "R@5")
    return Benchmark(f"mmdocir {part}", queries, qrels, lambda: _pages(folder), measures, {}, own, places, gold)


def load_mmlongbench(folder: Path, part: str) -> Benchmark:
    """MMLongBench-Doc (Ma et al. 2024, arXiv 2407.01523): samples.json, and the PDFs in documents/.

    evidence_pages is a list in a string and counts from 1; a question without evidence cannot be answered.
    """
    at = first(folder, "samples.json", "data/samples.json")
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    documents: dict[str, None] = {}
    for number, record in enumerate(json_list(at)):
        source = record.text("doc_id")
        documents[source] = None
        name = f"{source}-q{number}"
        queries[name] = Query.of(record.text("question"))
        if pages := _written(record, "evidence_pages"):
            qrels[name] = {f"{source}#{int(page) - 1}": 1.0 for page in pages}
        labels = {"doc_type": (record.text("doc_type"),), "evidence": _written(record, "evidence_sources")}
        gold[name] = Gold((record.text("answer"),), labels=labels)
    pdfs = at.parent / "documents"
    items = lambda: (page for name in documents for page in pdf_pages(pdfs / name))  # noqa: E731
    return Benchmark("mmlongbench-doc", queries, qrels, items, ("R@5",), gold=gold)


def _pages(folder: Path) -> Iterator[Item]:
    if (folder / "pdfs").is_dir():
        for path in sorted((folder / "pdfs").glob("*.pdf")):
            yield from pdf_pages(path)
    else:
        yield from page_pictures(first(folder, "MMDocIR_pages.parquet"))


def page_pictures(path: Path) -> Iterator[Item]:
    """One item a row: the JPEG, and the words that OCR found. Rows of a document lie together in page order."""
    for row, number in _counted(path, ["doc_name", "image_binary", "ocr_text"]):
        source = row.text("doc_name")
        parts = (Image(row.data("image_binary")), Text(row.optional("ocr_text"), "ocr"))
        yield Item(f"{source}#{number}", "page", parts, Locator(source, page=number + 1), None, source)


def layouts(path: Path) -> Iterator[Item]:
    """Text blocks, figures and tables with their place: locator.page from 1, locator.box in fractions of the page."""
    columns = ["doc_name", "type", "page_id", "image_binary", "text", "ocr_text", "bbox", "page_size"]
    for row, number in _counted(path, columns):
        source = row.text("doc_name")
        place = Locator(source, page=row.whole("page_id") + 1, box=_box(row))
        parts = (Image(row.data("image_binary")), Text(row.optional("text") or row.optional("ocr_text")))
        yield Item(f"{source}@{number}", "figure", parts, place, metadata={"type": row.text("type")})


def _counted(path: Path, columns: list[str]) -> Iterator[tuple[Record, int]]:
    """Rows with their number in their document, from 0."""
    source, number = "", 0
    for row in parquet_rows(path, columns):
        number = number + 1 if row.text("doc_name") == source else 0
        source = row.text("doc_name")
        yield row, number


def _rows(document: Record, field: str) -> range:
    """Numbers of a document's rows; published ranges include their end."""
    start, end = document.numbers(field, 2)
    return range(int(end - start) + 1)


def _place(source: str, layout: Record) -> Locator:
    return Locator(source, page=layout.whole("page") + 1, box=_box(layout))


def _box(record: Record) -> Box:
    """Published boxes are in units of the page size, from the top left."""
    width, height = record.numbers("page_size", 2)
    if width <= 0 or height <= 0:
        raise record.error("page_size", f"must be positive, not {width:g} x {height:g}")
    x0, y0, x1, y1 = record.numbers("bbox", 4)
    return (x0 / width, y0 / height, x1 / width, y1 / height)


def _written(record: Record, field: str) -> tuple[str, ...]:
    """A list that was published as text: "['Chart', 'Table']"; other text is one entry."""
    text = record.text(field)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return (text,)
    return tuple(str(entry) for entry in value) if isinstance(value, list | tuple) else (text,)

"""Open questions with accepted answers: Dyn-VQA, MMSearch and M-LongDoc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import image_of, pdf_pages, unique, with_picture
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, records
from bowerbird.items import Item, Locator, Part, Query, Text

WEBSITES = 8
"""Search results of a question of MMSearch."""


def load_dyn_vqa(folder: Path, part: str) -> Benchmark:
    """Dyn-VQA (Li et al. 2024, arXiv 2411.02937): DynVQA_{part}.jsonl, such as DynVQA_en.202412.

    Pictures were published by address; they are looked for in images/, under the path of their address. The golden
    query is `gloden_query` in early files. There is no corpus: answers are searched for on the web.
    """
    queries: dict[str, Query] = {}
    gold: dict[str, Gold] = {}
    for record in json_lines(first(folder, f"DynVQA_{part}.jsonl")):
        name = unique(queries, record.text("question_id"), f"{record.file}, {record.place}")
        path = PurePosixPath(urlsplit(record.text("image_url")).path.lstrip("/"))
        if not path.name or ".." in path.parts:
            raise record.error("image_url", f"is {record.text('image_url')!r}, which names no picture")
        queries[name] = with_picture(folder / "images" / path, record.text("question"))
        rewrite = record.text("golden_query" if record.has("golden_query") else "gloden_query")
        gold[name] = Gold(record.texts("answer"), rewrites=(rewrite,))
    return Benchmark(f"dyn-vqa {part}", queries, {}, lambda: iter(()), (), gold=gold)


def load_mmsearch(folder: Path, part: str) -> Benchmark:
    """MMSearch (Jiang et al. 2024, arXiv 2409.12959): {part}.parquet or {part}.json; `part` is end2end or rerank.

    "rerank" has eight websites a question: title, snippet and a screenshot; gain 1 is valid, 0.5 not sure. Verified on
    the released example of questions (query_cli.json, without answers). (rest of the format from the card)
    """
    path = first(folder, f"{part}/*.parquet", f"{part}*.parquet", f"{part}.json")
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    for number, record in enumerate(records(path)):
        name = _sample(number, record)
        unique(queries, name, f"{record.file}, {record.place}")
        queries[name] = Query((*image_of(folder, record, "query_image"), Text(record.text("query"))))
        gold[name] = _accepted(record)
        if part == "rerank":
            qrels[name] = _valid(name, record)
    pools = {name: frozenset(f"{name}:{site}" for site in range(WEBSITES)) for name in qrels}
    measures = ("nDCG@10", "P@1") if qrels else ()
    return Benchmark(
        f"mmsearch {part}", queries, qrels, lambda: _websites(folder, path, part), measures, pools=pools, gold=gold
    )


def load_m_longdoc(folder: Path, part: str) -> Benchmark:
    """M-LongDoc (Chia et al. 2024, arXiv 2411.06176): {part}.jsonl with question, source, page, category, domain.

    `page` counts from 1; PDFs are in pdfs/. A question ranks all pages of its document, DOC#PAGE from 0. There are no
    accepted answers: judges grade them. (format from the card, which could not verify the names of the fields)
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    documents: dict[str, None] = {}
    for number, record in enumerate(json_lines(first(folder, f"{part}.jsonl"))):
        source = record.text("source")
        documents[source] = None
        quoted = source.replace("'", "''")
        if record.whole("page") < 1:
            raise record.error("page", f"must count from 1, not be {record.whole('page')}")
        queries[str(number)] = Query.of(record.text("question"), where=f"source = '{quoted}'")
        qrels[str(number)] = {f"{source}#{record.whole('page') - 1}": 1.0}
        gold[str(number)] = Gold(labels={field: (record.text(field),) for field in ("category", "domain")})

    def items() -> Iterator[Item]:
        for source in documents:
            yield from pdf_pages(folder / "pdfs" / source)

    return Benchmark(f"m-longdoc {part}", queries, qrels, items, ("RR",), gold=gold)


def _sample(number: int, record: Record) -> str:
    return record.optional("sample_id") or str(number)


def _accepted(record: Record) -> Gold:
    """Nothing, where a file has questions only."""
    if not record.has("gt_answer"):
        return Gold()
    others = record.texts("alternative_gt_answers") if record.has("alternative_gt_answers") else ()
    rewrites = (record.text("gt_requery"),) if record.has("gt_requery") else ()
    labels = {field: (record.text(field),) for field in ("area", "subfield")}
    return Gold((record.text("gt_answer"), *others), rewrites=rewrites, labels=labels)


def _valid(name: str, record: Record) -> dict[str, float]:
    gains = dict.fromkeys((f"{name}:{site}" for site in range(WEBSITES)), 0.0)
    for field, gain in (("valid", 1.0), ("not_sure", 0.5)):
        for site in record.numbers(field):
            if f"{name}:{site:g}" not in gains:
                raise record.error(field, f"names website {site:g}, but must be 0 to {WEBSITES - 1}")
            gains[f"{name}:{site:g}"] = gain
    return gains


def _websites(folder: Path, path: Path, part: str) -> Iterator[Item]:
    if part != "rerank":
        return
    for number, record in enumerate(records(path)):
        for site in range(WEBSITES):
            info = record.record(f"website{site}_info")
            words = Text(f"{info.text('title')}\n{info.optional('snippet')}")
            parts: tuple[Part, ...] = (words, *image_of(folder, record, f"website{site}_head_screenshot"))
            name = f"{_sample(number, record)}:{site}"
            yield Item(name, "passage", parts, Locator(name), metadata={"url": info.optional("url")})

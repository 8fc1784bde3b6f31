"""INQUIRE (Vendrow et al. 2024, arXiv 2411.02537): expert queries over five million photos of nature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import picture, unique
from bowerbird.evaluate.benchmarks.lines import csv_rows, first, json_stream, parquet_rows
from bowerbird.items import Item, Query


def load(folder: Path, part: str) -> Benchmark:
    """inquire_queries_{part}.csv (verified) and inquire_annotations.csv, which lists the relevant photos only.

    Photos are those of iNat24: train.json lists them, images lie under their file name. (both formats from the card)
    """
    queries: dict[str, Query] = {}
    gold: dict[str, Gold] = {}
    for row in csv_rows(first(folder, f"inquire_queries_{part}.csv", f"inquire/inquire_queries_{part}.csv")):
        name = unique(queries, row.text("query_id"), f"{row.file}, {row.place}")
        queries[name] = Query.of(row.text("query_text"))
        groups = ("supercategory", "category", "iconic_group")
        gold[name] = Gold(labels={group: (row.text(group),) for group in groups if row.text(group)})
    qrels: dict[str, dict[str, float]] = {name: {} for name in queries}
    for row in csv_rows(first(folder, "inquire_annotations.csv", "inquire/inquire_annotations.csv")):
        if row.text("query_id") in qrels:  # one file judges both splits
            qrels[row.text("query_id")][row.text("image_id")] = 1.0
    lacking = [name for name, judged in qrels.items() if not judged]
    if lacking:
        raise BenchmarkError(f"{folder}, inquire_annotations.csv: has no photo for query {lacking[0]!r}")
    return Benchmark(f"inquire {part}", queries, qrels, lambda: _photos(folder), ("AP@50[min]", "nDCG@50"), gold=gold)


def load_rerank(folder: Path, part: str) -> Benchmark:
    """INQUIRE-Rerank: {part}-*.parquet with query, image, relevant, inat24_image_id; 100 photos a query, to be ordered.

    (format from the card)
    """
    paths = sorted(folder.rglob(f"{part}-*.parquet")) or [first(folder, f"{part}.parquet")]
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    for path in paths:
        for row in parquet_rows(path, ["query", "relevant", "inat24_image_id"]):
            text = row.text("query")
            queries.setdefault(text, Query.of(text))
            qrels.setdefault(text, {})[row.text("inat24_image_id")] = row.number("relevant")

    def items() -> Iterator[Item]:
        seen: set[str] = set()
        for path in paths:
            for row in parquet_rows(path, ["image", "inat24_image_id"]):
                name = row.text("inat24_image_id")
                if name not in seen:
                    seen.add(name)
                    yield picture(name, row.record("image").data("bytes"))

    pools = {text: frozenset(judged) for text, judged in qrels.items()}
    return Benchmark(f"inquire-rerank {part}", queries, qrels, items, ("AP", "nDCG", "RR"), pools=pools)


def _photos(folder: Path) -> Iterator[Item]:
    for record in json_stream(first(folder, "train.json", "train.json.gz"), "images"):
        yield picture(record.text("id"), folder / record.text("file_name"))

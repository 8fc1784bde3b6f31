"""Multiple choice: MRAG-Bench, Video-MME and MMIR. gold.answers is the letter (MMIR: the numbers) of what is right."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from string import ascii_uppercase

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import clip, image_of, picture, unique
from bowerbird.evaluate.benchmarks.lines import Record, first, json_list, parquet_rows, records
from bowerbird.items import Item, Query, Text


def load_mrag_bench(folder: Path, part: str) -> Benchmark:
    """MRAG-Bench (Hu et al. 2024, arXiv 2410.08182): test-*.parquet, whose pictures are in the table.

    The corpus are the ground-truth pictures; they have no ids, so they are named by the digest of their bytes. The
    pictures of the queries are held in memory. (format from the card)
    """
    paths = sorted(folder.rglob(f"{part}-*.parquet")) or [first(folder, f"{part}.parquet")]
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    columns = ["id", "aspect", "scenario", "image", "gt_images", "question", "A", "B", "C", "D", "answer_choice"]
    for path in paths:
        for row in parquet_rows(path, columns):
            name = unique(queries, row.text("id"), f"{row.file}, {row.place}")
            queries[name] = Query((*image_of(folder, row, "image"), Text(row.text("question"))))
            qrels[name] = {_digest(image.data("bytes")): 1.0 for image in row.records("gt_images")}
            options = tuple(row.text(letter) for letter in "ABCD")
            labels = {field: (row.text(field),) for field in ("aspect", "scenario")}
            gold[name] = Gold((_letter(row, "answer_choice", options),), options, labels=labels)

    def items() -> Iterator[Item]:
        seen: set[str] = set()
        for path in paths:
            for row in parquet_rows(path, ["gt_images"]):
                for image in row.records("gt_images"):
                    name = _digest(image.data("bytes"))
                    if name not in seen:
                        seen.add(name)
                        yield picture(name, image.data("bytes"))

    return Benchmark("mrag-bench", queries, qrels, items, ("R@5", "Success@1", "Success@5"), gold=gold)


def load_video_mme(folder: Path, part: str) -> Benchmark:
    """Video-MME (Fu et al. 2024, arXiv 2405.21075): the parquet table of 2,700 questions; data/VIDEOID.mp4.

    `part` is short, medium or long, or "all". A question is asked of its own video. (format from the card)
    """
    queries: dict[str, Query] = {}
    gold: dict[str, Gold] = {}
    for row in records(first(folder, "videomme/test*.parquet", "test*.parquet", "test*.jsonl")):
        if part not in ("all", row.text("duration")):
            continue
        name = unique(queries, row.text("question_id"), f"{row.file}, {row.place}")
        queries[name] = Query.of(row.text("question"))
        # published options begin with their letter: "A. Apples."
        options = tuple(option.partition(". ")[2] or option for option in row.texts("options"))
        labels = {field: (row.text(field),) for field in ("duration", "domain", "sub_category", "task_type")}
        right = _letter(row, "answer", options)
        gold[name] = Gold((right,), options, candidates=(row.text("videoID"),), labels=labels)
    qrels = {name: dict.fromkeys(one.candidates, 1.0) for name, one in gold.items()}
    pools = {name: frozenset(one.candidates) for name, one in gold.items()}

    def items() -> Iterator[Item]:
        for video in dict.fromkeys(one.candidates[0] for one in gold.values()):
            yield clip(video, video, folder / "data" / f"{video}.mp4")

    return Benchmark(f"video-mme {part}", queries, qrels, items, (), {}, pools, gold=gold)


def load_mmir(folder: Path, part: str) -> Benchmark:
    """MMIR (Yan et al. 2025, arXiv 2502.16033): questions_{part}.json: which one or two elements contradict each other?

    source, descs (the numbered elements, one text) and gt_ans (their numbers) are from the card; where a release has
    the screenshot, it is in `image`, below the folder. Nothing is retrieved. (format from the card)
    """
    queries: dict[str, Query] = {}
    gold: dict[str, Gold] = {}
    for number, record in enumerate(json_list(first(folder, f"questions_{part}.json"))):
        right = record.texts("gt_ans")
        if len(right) not in (1, 2):
            raise record.error("gt_ans", f"must name one or two elements, not {len(right)}")
        queries[str(number)] = Query((*image_of(folder, record, "image"), Text(record.text("descs"))))
        source = record.text("source")
        kind = {"web page": "web", "poster": "poster"}.get(source, "office")
        gold[str(number)] = Gold(right, labels={"source": (kind,)})
    return Benchmark(f"mmir {part}", queries, {}, lambda: iter(()), (), gold=gold)


def _letter(record: Record, field: str, options: tuple[str, ...]) -> str:
    letters = ascii_uppercase[: len(options)]
    if record.text(field) not in tuple(letters):
        raise record.error(field, f"must be one of {', '.join(letters)}, not {record.text(field)!r}")
    return record.text(field)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=12).hexdigest()

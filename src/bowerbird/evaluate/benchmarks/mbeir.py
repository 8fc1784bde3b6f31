"""M-BEIR (Wei et al. 2024, arXiv 2311.17136): eight tasks between words, pictures and both, with instructions.

Topics and qrels verified on released files; candidate pools and instructions are as published (format from the card).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks import trec
from bowerbird.evaluate.benchmarks.corpus import known, unique
from bowerbird.evaluate.benchmarks.lines import Record, csv_rows, first, json_lines
from bowerbird.items import Image, Item, Locator, Part, Query, Text

CANDIDATES = ("image", "text", "image,text", "text", "image", "", "text", "image", "image,text")
"""What is searched for in task 0, 1, ...; task 5 is not used."""

DEEPER = frozenset({"1", "7"})
"""Data sets (Fashion200K, FashionIQ) that are measured at 10 instead of 5."""


@dataclass(frozen=True)
class Instructions:
    """Prompts by modality of the query, modality of the candidates, and data set."""

    prompts: Mapping[tuple[str, str, str], tuple[str, ...]]

    def of(self, record: Record) -> str:
        """One of the prompts of a query's task, always the same one for a query."""
        name, task = record.text("qid"), record.whole("task_id")
        if not 0 <= task < len(CANDIDATES):
            raise record.error("task_id", f"must be 0 to {len(CANDIDATES) - 1}, not {task}")
        key = (record.text("query_modality"), CANDIDATES[task], name.partition(":")[0])
        if key not in self.prompts:
            raise record.error("task_id", f"has no instruction for {' → '.join(key[:2])} in data set {key[2]}")
        return self.prompts[key][crc32(name.encode()) % len(self.prompts[key])]


def load_local(folder: Path, part: str) -> Benchmark:
    """The task searches its own candidates. `part` is the data set and its task, such as cirr_task7."""
    return _load(folder, part, first(folder, f"cand_pool/local/mbeir_{part}_cand_pool.jsonl"), "local")


def load_global(folder: Path, part: str) -> Benchmark:
    """The task searches the candidates of all tasks, 5.6 million."""
    return _load(folder, part, first(folder, "cand_pool/global/mbeir_union_test_cand_pool.jsonl"), "global")


def _load(folder: Path, part: str, pool: Path, scope: str) -> Benchmark:
    given = instructions(first(folder, "instructions/query_instructions.tsv"))
    asked: dict[str, Query] = {}
    for record in json_lines(first(folder, f"query/test/mbeir_{part}_test.jsonl")):
        name = unique(asked, record.text("qid"), f"{record.file}, {record.place}")
        asked[name] = Query(_parts(folder, record, "query_txt", "query_img_path"), given.of(record))
    judged_at = first(folder, f"qrels/test/mbeir_{part}_test_qrels.txt")
    judged = trec.qrels(judged_at, (4, 5))
    known(asked, judged, judged_at)
    data = next(iter(asked), "").partition(":")[0]
    measures = ("hit@10", "R@10") if data in DEEPER else ("hit@5", "R@5")
    return Benchmark(f"m-beir {part} ({scope})", asked, judged, lambda: candidates(folder, pool), measures)


def instructions(path: Path) -> Instructions:
    """Rows query_modality, cand_modality, dataset_name, dataset_id, prompt_1, ... of a tab-separated table."""
    prompts = {}
    for row in csv_rows(path, "\t"):
        texts = tuple(row.text(name) for name in row.values if name.startswith("prompt_") and row.text(name))
        if not texts:
            raise row.error("prompt_1", "is missing or empty")
        prompts[row.text("query_modality"), row.text("cand_modality"), row.text("dataset_id")] = texts
    return Instructions(prompts)


def candidates(folder: Path, path: Path) -> Iterator[Item]:
    """Passages, pictures, and pictures with words; pictures lie below the folder under their published path."""
    for record in json_lines(path):
        name = record.text("did")
        parts = _parts(folder, record, "txt", "img_path")
        yield Item(name, "image" if isinstance(parts[0], Image) else "passage", parts, Locator(name))


def _parts(folder: Path, record: Record, text: str, image: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    if record.optional(image):
        parts.append(Image(str(folder / record.text(image))))
    if record.optional(text):
        parts.append(Text(record.text(text)))
    if not parts:
        raise record.error(text, f"and {image!r} are both empty")
    return tuple(parts)

"""Captions and what they describe: XTD10, Multi30K, RSICD and kin, AudioCaps. A caption should find its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.benchmarks.corpus import pictures, sound
from bowerbird.evaluate.benchmarks.lines import csv_rows, first, json_object, text_lines
from bowerbird.items import Item, Locator, Query

MEASURES = ("R@1", "R@5", "R@10")


def load_xtd10(folder: Path, part: str) -> Benchmark:
    """XTD10 (Aggarwal & Kale 2020, arXiv 2012.05107): 1,000 COCO pictures, captions in eleven languages; `part` is one.

    Line i of a language belongs to line i of test_image_names.txt; pictures lie in the folder their name says.
    """
    captions = _lines(first(folder, f"test_1kcaptions_{part}.txt", f"*/test_1kcaptions_{part}.txt"))
    names = _lines(first(folder, "test_image_names.txt", "*/test_image_names.txt"))
    return _paired(f"xtd10 {part}", captions, names, lambda: pictures(folder / "images", names))


def load_multi30k(folder: Path, part: str) -> Benchmark:
    """Multi30K (Elliott et al. 2016, arXiv 1605.00459): raw/SPLIT.LANG.gz beside image_splits/SPLIT.txt.

    `part` is the split and the language, such as test_2016_flickr.de; photos are those of Flickr30K, in images/.
    """
    split = part.rpartition(".")[0]
    captions = _lines(first(folder, f"raw/{part}.gz", f"{part}.gz", part))
    names = _lines(first(folder, f"image_splits/{split}.txt", f"{split}.txt"))
    return _paired(f"multi30k {part}", captions, names, lambda: pictures(folder / "images", names))


def load_precomp(folder: Path, part: str) -> Benchmark:
    """RSICD and RSITMD as their retrieval papers pass them on: {part}.test_caps.txt, {part}.test_filename.txt, images/.

    One caption a line, five lines a picture.
    """
    captions = _lines(first(folder, f"{part}.test_caps.txt", f"{part}/test_caps.txt"))
    names = _lines(first(folder, f"{part}.test_filename.txt", f"{part}/test_filename.txt"))
    return _paired(part.removesuffix("_precomp"), captions, names, lambda: pictures(folder / "images", names))


def load_karpathy(folder: Path, part: str) -> Benchmark:
    """dataset_*.json: {"images": [{"filename", "split", "sentences": [{"raw"}]}]}; RSICD, UCM, Sydney, Flickr, COCO.

    `part` is the split. (format from the card)
    """
    path = first(folder, "dataset_*.json", "dataset.json")
    captions, names = [], []
    for image in json_object(path).records("images"):
        if image.text("split") == part:
            sentences = [sentence.text("raw") for sentence in image.records("sentences")]
            captions += sentences
            names += [image.text("filename")] * len(sentences)
    if not names:
        raise BenchmarkError(f"{path}: field 'split' is {part!r} for no picture")
    return _paired(f"{path.stem} {part}", captions, names, lambda: pictures(folder / "images", names))


def load_audiocaps(folder: Path, part: str) -> Benchmark:
    """AudioCaps (Kim et al. 2019): {part}.csv with audiocap_id, youtube_id, start_time, caption.

    Ten seconds each; they are not passed on: audio/YOUTUBEID_START.wav is where yours are looked for.
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    for row in csv_rows(first(folder, f"{part}.csv")):
        queries[row.text("audiocap_id")] = Query.of(row.text("caption"))
        qrels[row.text("audiocap_id")] = {f"{row.text('youtube_id')}_{row.whole('start_time')}": 1.0}

    def items() -> Iterator[Item]:
        for name in dict.fromkeys(name for judged in qrels.values() for name in judged):
            yield sound(name, folder / "audio" / f"{name}.wav")

    return Benchmark(f"audiocaps {part}", queries, qrels, items, MEASURES)


def swapped(benchmark: Benchmark) -> Benchmark:
    """The other direction: every picture or sound asks for its captions. Reads the corpus once, for the queries."""
    judged: dict[str, dict[str, float]] = {}
    for caption, relevant in benchmark.qrels.items():
        for name, gain in relevant.items():
            judged.setdefault(name, {})[caption] = gain
    queries = {item.id: Query(item.parts) for item in benchmark.items() if item.id in judged}

    def items() -> Iterator[Item]:
        for name, query in benchmark.queries.items():
            yield Item(name, "passage", query.parts, Locator(name))

    return Benchmark(f"{benchmark.name}, swapped", queries, judged, items, benchmark.measures)


def _paired(name: str, captions: Sequence[str], names: Sequence[str], items: Callable[[], Iterator[Item]]) -> Benchmark:
    """Caption i describes picture i; the query is PICTURE#NUMBER with its captions counted from 0."""
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    seen: dict[str, int] = {}
    for number, (caption, image) in enumerate(zip_longest(captions, names), 1):
        if not caption or not image:
            what = "caption" if not caption else "picture"
            raise BenchmarkError(
                f"{name}, line {number}: {what} is missing; there are {len(captions)} captions, {len(names)} pictures"
            )
        seen[image] = seen.get(image, -1) + 1
        query = f"{image}#{seen[image]}"
        queries[query] = Query.of(caption)
        qrels[query] = {image: 1.0}
    return Benchmark(name, queries, qrels, items, MEASURES)


def _lines(path: Path) -> list[str]:
    return [line.strip() for _, line in text_lines(path)]

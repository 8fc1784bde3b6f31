"""Needles among pictures: MMNeedle and Visual Haystacks. The pictures of a question are its pool."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import picture, pictures
from bowerbird.evaluate.benchmarks.lines import Record, first, found, json_list, json_object
from bowerbird.items import Item, Locator, Query, Text

SETTING = re.compile(r"(?:(\d+)_annotations|annotations)_(\d+)_(\d+)_\3$")
"""[needles_]annotations_pictures_rows_rows."""


def load_mmneedle(folder: Path, part: str) -> Benchmark:
    """MMNeedle (Wang et al. 2024, arXiv 2406.11230): metadata_stitched/{part}.json, file_to_caption.pkl, pictures.

    `part` is annotations_M_N_N: one needle among M pictures of N x N cells, or K_annotations_M_N_N for K needles. The
    answer is "picture, row, column" counted from 1, and "-1" for a needle that is not there; places are the cells.
    """
    setting = SETTING.fullmatch(part)
    if not setting:
        raise BenchmarkError(f"MMNeedle {part!r}: must be annotations_M_N_N or K_annotations_M_N_N")
    size = int(setting[3])
    path = first(folder, f"metadata_stitched/{part}.json", f"{part}.json")
    captions = _captions(first(folder, "metadata_stitched/file_to_caption.pkl", "file_to_caption.pkl"))
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    places: dict[str, tuple[Locator, ...]] = {}
    gold: dict[str, Gold] = {}
    for record in json_list(path):
        name, images = record.text("id"), record.texts("image_ids")
        needles = _needles(record, len(images), size)
        queries[name] = Query(tuple(Text(_caption(record, captions, target)) for _, _, _, target in needles))
        there = [(images[index], row, column) for index, row, column, _ in needles if index >= 0]
        qrels[name] = {image: 1.0 for image, _, _ in there}
        pools[name] = frozenset(images)
        places[name] = tuple(_cell(image, row, column, size) for image, row, column in there)
        gold[name] = Gold(("; ".join(_answer(*needle[:3]) for needle in needles),), candidates=images)

    def items() -> Iterator[Item]:
        whole = json_object(first(path.parent, "1_1.json")) if size == 1 else None
        for image in dict.fromkeys(image for one in gold.values() for image in one.candidates):
            # one cell a picture: the picture was not stitched, the original is used
            file = whole.record(PurePosixPath(image).name).text("0_0") if whole else image
            yield picture(image, folder / file)

    return Benchmark(f"mmneedle {part}", queries, qrels, items, ("R@1",), {}, pools, places, gold)


def load_visual_haystacks(folder: Path, part: str) -> Benchmark:
    """Visual Haystacks (Wu et al. 2024, arXiv 2407.13766): VHs_qa/{part}.json, pictures below the folder.

    `part` is such as single_needle/VHs_large/visual_haystack_100; the answer is yes or no. (format from the card)
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    for number, record in enumerate(json_list(first(folder, f"VHs_qa/{part}.json", f"{part}.json"))):
        name, turns = str(number), record.records("conversations")
        if len(turns) < 2:
            raise record.error("conversations", "must be a question and its answer")
        needles, others = record.texts("pos_image"), record.texts("neg_image")
        queries[name] = Query.of(turns[0].text("value"))
        qrels[name] = dict.fromkeys(needles, 1.0)
        gold[name] = Gold((turns[1].text("value"),), candidates=(*needles, *others))
    pools = {name: frozenset(one.candidates) for name, one in gold.items()}
    names = dict.fromkeys(image for one in gold.values() for image in one.candidates)
    return Benchmark(
        f"visual-haystacks {part}", queries, qrels, lambda: pictures(folder, names), ("R@1",), {}, pools, gold=gold
    )


class _Plain(pickle.Unpickler):
    """Reads dictionaries of strings; whatever would run code is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}, and may only hold strings")


def _captions(path: Path) -> dict[str, str]:
    """File name → caption."""
    with found(path).open("rb") as file:
        try:
            value = _Plain(file).load()
        except Exception as error:  # damaged pickles raise anything
            raise BenchmarkError(f"{path}: is no pickle of captions ({error}); fetch it again") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}: must be a dictionary of captions, not {type(value).__name__}")
    return {PurePosixPath(str(name)).name: str(caption) for name, caption in value.items()}


def _caption(record: Record, captions: dict[str, str], target: str) -> str:
    caption = captions.get(PurePosixPath(target).name)
    if caption is None:
        raise record.error("target", f"is {target!r}, which has no caption in file_to_caption.pkl")
    return caption


def _needles(record: Record, images: int, size: int) -> list[tuple[int, int, int, str]]:
    """(picture, row, column, target) of every needle, from 0; -1 where it is not there."""
    fields = ("index", "row", "col")
    if isinstance(record.values.get("target"), list):
        columns = [record.numbers(field) for field in fields]
        targets = record.texts("target")
    else:
        columns, targets = [(record.number(field),) for field in fields], (record.text("target"),)
    if {len(column) for column in columns} != {len(targets)}:
        raise record.error("target", "must have as many entries as index, row and col")
    needles = []
    for number, target in enumerate(targets):
        at = [int(column[number]) for column in columns]
        for field, value, limit in zip(fields, at, (images, size, size), strict=True):
            if not -1 <= value < limit:
                raise record.error(field, f"is {value}, but must be -1 to {limit - 1}")
        needles.append((at[0], at[1], at[2], target))
    return needles


def _answer(index: int, row: int, column: int) -> str:
    return f"{index + 1}, {row + 1}, {column + 1}" if index >= 0 else "-1"


def _cell(image: str, row: int, column: int, size: int) -> Locator:
    return Locator(image, box=(column / size, row / size, (column + 1) / size, (row + 1) / size))

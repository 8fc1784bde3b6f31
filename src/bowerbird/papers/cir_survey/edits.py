"""Edits of emoji, written in the four formats in which composed retrieval is published, with what each format counts.

Triplets are mined from names (`evaluate.changes`): "blue heart" is "blue instead of red" of "red heart". What is here
can be read by the loaders of the real sets, and holds what makes them differ:

    CIRR        one target, the reference left out, a set of six that look alike
    CIRCO       several targets: the same emoji in another style answers too
    FashionIQ   two captions a query, the reference stays; all of the split are searched, or only what queries name
    GeneCIS     every query has a gallery of its own
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.evaluate.changes import Change, changes

Array = NDArray[np.float32]

STYLES = ("google", "twitter")
"""The first is that of references and labelled targets."""
VARIANTS, SHARED = 12, 1
TRAIN_EACH, TEST_EACH = 12, 2
"""Edits at most that start from one emoji."""
LEFT_OUT = ("country-flag", "subdivision-flag", "alphanum")
GALLERY = 14


@dataclass(frozen=True)
class Edits:
    """paths: of a picture per style, n. edits: reference and target are rows of it; other rows only distract."""

    names: tuple[str, ...]
    paths: tuple[tuple[Path, ...], ...]
    edits: tuple[Change, ...]


def mined(folder: Path, entries: Sequence[Mapping[str, Any]], seed: int, count: int) -> tuple[Edits, Edits]:
    """Some `count` emoji, half to train on and half to test on: no edit of one side has an emoji of the other.

    The emoji of the training side are searched too when the other side is tested.
    """
    entries = [entry for entry in entries if entry["subgroup"] not in LEFT_OUT]
    found = changes([[entry["names"]["en"]] for entry in entries], shared=SHARED, variants=VARIANTS)
    groups = _components(found)
    random = np.random.default_rng(seed)
    sides: tuple[list[int], list[int]] = ([], [])
    for number in random.permutation(len(groups)):
        smaller = min(sides, key=len)
        if len(smaller) + len(groups[number]) <= count // 2:
            smaller += groups[number]
    train = _edits(folder, entries, found, sides[0], (), TRAIN_EACH, random)
    return train, _edits(folder, entries, found, sides[1], sides[0], TEST_EACH, random)


def _components(found: Sequence[Change]) -> list[list[int]]:
    """Emoji that edits connect, so that none is on two sides."""
    root: dict[int, int] = {}

    def top(row: int) -> int:
        while root.setdefault(row, row) != row:
            row = root[row]
        return row

    for change in found:
        root[top(change.reference)] = top(change.target)
    groups: dict[int, list[int]] = {}
    for row in sorted(root):
        groups.setdefault(top(row), []).append(row)
    return sorted(groups.values())


def _edits(
    folder: Path,
    entries: Sequence[Mapping[str, Any]],
    found: Sequence[Change],
    rows: Sequence[int],
    others: Sequence[int],
    each: int,
    random: np.random.Generator,
) -> Edits:
    place = {row: number for number, row in enumerate(rows)}
    every = [*rows, *others]
    per: dict[int, list[Change]] = {row: [] for row in rows}
    for number in random.permutation(len(found)):
        change = found[number]
        if change.reference in place and change.target in place and len(per[change.reference]) < each:
            per[change.reference].append(change)
    kept = tuple(
        Change(place[one.reference], place[one.target], frozenset([place[one.target]]), one.old, one.new, frozenset())
        for some in per.values()
        for one in some
    )
    return Edits(
        tuple(entries[row]["names"]["en"] for row in every),
        tuple(tuple(folder / entries[row]["images"][style] for style in STYLES) for row in every),
        kept,
    )


def write_all(edits: Edits, looks: Array, folder: Path, seed: int) -> None:
    """looks: n × dim unit vectors of the pictures in the first style, by which sets and galleries look alike."""
    alike = looks @ looks.T
    np.fill_diagonal(alike, -np.inf)
    order = np.argsort(-alike, axis=1, kind="stable")
    write_cirr(edits, order, folder / "cirr")
    write_circo(edits, folder / "circo")
    write_fashioniq(edits, folder / "fashioniq", range(len(edits.paths)))
    write_fashioniq(
        edits, folder / "fashioniq-val", {row for one in edits.edits for row in (one.reference, one.target)}
    )
    write_genecis(edits, order, folder / "genecis", seed)


def write_cirr(edits: Edits, order: NDArray[np.int64], folder: Path) -> None:
    """captions/cap.rc2.val.json and image_splits/split.rc2.val.json."""
    records = []
    for number, one in enumerate(edits.edits):
        others = [int(row) for row in order[one.reference] if row != one.target][:4]
        members = [f"e{row}" for row in (one.reference, one.target, *others)]
        records.append(
            {
                "pairid": number, "reference": f"e{one.reference}", "target_hard": f"e{one.target}",
                "target_soft": {f"e{one.target}": 1.0}, "caption": one.text,
                "img_set": {"id": number, "members": members, "reference_rank": 0, "target_rank": 1},
            }
        )  # fmt: skip
    pictures = {f"e{row}": f"./dev/e{row}.png" for row in range(len(edits.paths))}
    _json(folder / "captions/cap.rc2.val.json", records)
    _json(folder / "image_splits/split.rc2.val.json", pictures)
    for row, paths in enumerate(edits.paths):
        _copy(paths[0], folder / pictures[f"e{row}"])


def write_circo(edits: Edits, folder: Path) -> None:
    """annotations/val.json, and pictures with the metadata of COCO; those of style s have numbers s * n + row."""
    count = len(edits.paths)
    numbers = {style * count + row: path for row, paths in enumerate(edits.paths) for style, path in enumerate(paths)}
    records = [
        {
            "reference_img_id": one.reference, "target_img_id": one.target, "relative_caption": one.text,
            "shared_concept": edits.names[one.reference], "semantic_aspects": ["compare_change"], "id": number,
            "gt_img_ids": [style * count + one.target for style in range(len(STYLES))],
        }
        for number, one in enumerate(edits.edits)
    ]  # fmt: skip
    images = [{"id": number, "file_name": f"{number:012d}.jpg"} for number in sorted(numbers)]
    _json(folder / "annotations/val.json", records)
    _json(folder / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", {"images": images})
    for number, path in numbers.items():
        _copy(path, folder / f"COCO2017_unlabeled/unlabeled2017/{number:012d}.jpg")


def write_fashioniq(edits: Edits, folder: Path, searched: Sequence[int] | set[int]) -> None:
    """captions/cap.dress.val.json and image_splits/split.dress.val.json with the pictures that are searched."""
    records = [
        {"candidate": f"e{one.reference}", "target": f"e{one.target}", "captions": [f"is {one.new}", f"not {one.old}"]}
        for one in edits.edits
    ]
    _json(folder / "captions/cap.dress.val.json", records)
    _json(folder / "image_splits/split.dress.val.json", [f"e{row}" for row in sorted(searched)])
    for row in searched:
        _copy(edits.paths[row][0], folder / f"images/e{row}.png")


def write_genecis(edits: Edits, order: NDArray[np.int64], folder: Path, seed: int) -> None:
    """change_object.json: half of each gallery looks like the reference, which is not in it."""
    random, records = np.random.default_rng(seed), []
    for one in edits.edits:
        near = [int(row) for row in order[one.reference] if row != one.target][: GALLERY // 2]
        taken = {one.reference, one.target, *near}
        far = random.choice([row for row in range(len(edits.paths)) if row not in taken], GALLERY - len(near), False)
        gallery = [{"val_image_id": int(row)} for row in (*near, *far)]
        ends = {"reference": {"val_image_id": one.reference}, "target": {"val_image_id": one.target}}
        records.append({"condition": one.text, "gallery": gallery, **ends})
    _json(folder / "genecis/change_object.json", records)
    for row, paths in enumerate(edits.paths):
        _copy(paths[0], folder / f"val2017/{row:012d}.jpg")


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), "utf8")


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(source.read_bytes())

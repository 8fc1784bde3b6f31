"""MMNeedle (Wang et al., NAACL 2025, arXiv 2406.11230): which cell of which stitched picture does a caption tell of?

Haystacks are made as in the released code, of real photos: N × N of them are pasted into one picture, M of those are
a haystack, and the caption is that of one cell, or of a photo that is in none. Within one setting no photo is used
twice, so a needle is in one place. The solver that every long-context model must beat is retrieval: cut the pictures
up again, and take the cell whose vector is nearest to the caption's, unless it is too far away.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pil

from bowerbird.encoders import lite
from bowerbird.evaluate.measures.answers import Reference
from bowerbird.evaluate.scoring import evaluate_answers
from bowerbird.evaluate.vectors import item_vectors, text_vectors
from bowerbird.items import Image
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run

SIDE = 256
"""Pixels of a cell; photos are squeezed into it, as in the paper."""
PHOTOS = 400
STITCHED = 40
"""Stitched pictures of one size at most."""
SAMPLES = 600
"""Per setting, half of them with a needle; a third chooses the threshold, the rest is the test."""
PART: Mapping[str, Part] = {
    "chance": "baseline",
    "whole pictures": "baseline",
    "cells": "ours",
    "cells, threshold": "ours",
    "cells, row and column swapped": "ablation",
}
MEASURES = {"exact": "needle_exact", "index": "needle_index", "existence": "needle_existence"}

Array: TypeAlias = NDArray[np.float32]
Place: TypeAlias = tuple[int, int, int]
"""Picture, row, column, from 0."""


@dataclass(frozen=True)
class Setting:
    """M pictures of N × N cells, and so many needles at once."""

    images: int
    size: int
    needles: int = 1

    @property
    def cells(self) -> int:
        return self.images * self.size**2

    def __str__(self) -> str:
        return f"M={self.images} N={self.size}" + (f" K={self.needles}" if self.needles > 1 else "")


SETTINGS = (Setting(1, 2), Setting(1, 4), Setting(10, 1), Setting(10, 2), Setting(10, 4), Setting(10, 2, 2))
LARGE = (Setting(1, 8), Setting(10, 8))


@dataclass(frozen=True)
class Sample:
    """haystack: numbers of stitched pictures. targets: photos whose captions are asked. places: none if absent."""

    haystack: tuple[int, ...]
    targets: tuple[int, ...]
    places: tuple[Place, ...]

    @property
    def truth(self) -> str:
        return written(self.places, len(self.targets))


def grids(photos: int, size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Which photos are stitched together: pictures × size², no photo twice, in row-major order."""
    count = min(photos // size**2, STITCHED)
    return random.permutation(photos)[: count * size**2].reshape(count, size**2)


def samples(grid: NDArray[np.int64], setting: Setting, photos: int, random: np.random.Generator) -> list[Sample]:
    """The first half has its needles, uniform over the cells; the targets of the other half are in none of them."""
    made = []
    for number in range(SAMPLES):
        haystack = random.choice(len(grid), setting.images, replace=False)
        inside = grid[haystack].ravel()
        if number < SAMPLES // 2:
            chosen = random.choice(setting.cells, setting.needles, replace=False)
            places = tuple(place(int(cell), setting.size) for cell in chosen)
            made.append(Sample(tuple(haystack.tolist()), tuple(inside[chosen].tolist()), places))
        else:
            outside = np.setdiff1d(np.arange(photos), inside)
            targets = random.choice(outside, setting.needles, replace=False)
            made.append(Sample(tuple(haystack.tolist()), tuple(targets.tolist()), ()))
    return made


def place(cell: int, size: int) -> Place:
    """The cell-th of all cells of a haystack."""
    image, inside = divmod(cell, size**2)
    return image, *divmod(inside, size)


def written(places: Sequence[Place], needles: int) -> str:
    """An answer as the benchmark asks for it: 'picture, row, column' from 1, or -1 for each needle that is absent."""
    return "; ".join(", ".join(str(number + 1) for number in place) for place in places) or "; ".join(["-1"] * needles)


def stitch(tiles: Sequence[pil.Image], size: int) -> pil.Image:
    """size² tiles, pasted row by row."""
    whole = pil.new("RGB", (size * SIDE, size * SIDE))
    for cell, tile in enumerate(tiles):
        row, column = divmod(cell, size)
        whole.paste(tile, (column * SIDE, row * SIDE))
    return whole


def untile(whole: pil.Image, size: int) -> list[pil.Image]:
    """The size² cells of a stitched picture, row by row: what `stitch` was given."""
    corners = [(column * SIDE, row * SIDE) for row in range(size) for column in range(size)]
    return [whole.crop((x, y, x + SIDE, y + SIDE)) for x, y in corners]


@dataclass(frozen=True)
class Haystacks:
    """All samples of a setting, as similarities.

    wholes, cells: per sample needles × M and needles × (M · N²), caption to stitched picture and to cell.
    """

    setting: Setting
    samples: Sequence[Sample]
    wholes: Sequence[Array]
    cells: Sequence[Array]

    def answers(self, scores: Sequence[Array], least: float = -np.inf) -> list[str]:
        """The best cell of every needle; -1 if the best of all needles are on average below `least`."""
        found = []
        for each in scores:
            if float(each.max(axis=1).mean()) < least:
                found.append(written((), self.setting.needles))
            else:
                found.append(written([place(int(cell), self.setting.size) for cell in each.argmax(axis=1)], len(each)))
        return found

    def whole_answers(self, random: np.random.Generator) -> list[str]:
        """The best whole picture, and any cell of it."""
        size = self.setting.size
        return [
            written([(int(image), *divmod(int(random.integers(size**2)), size)) for image in each.argmax(axis=1)], 1)
            for each in self.wholes
        ]

    def threshold(self, numbers: Sequence[int]) -> float:
        """The least similarity that tells present from absent best, on some of the samples."""
        best = np.array([float(self.cells[number].max(axis=1).mean()) for number in numbers])
        present = np.array([bool(self.samples[number].places) for number in numbers])
        cuts = np.sort(best)
        right = [(present == (best >= cut)).mean() for cut in cuts]
        return float(cuts[int(np.argmax(right))])


def swapped(answer: str) -> str:
    """Row and column exchanged: what a generator would be caught by that confuses them."""
    places = [needle.split(", ") for needle in answer.split("; ")]
    return "; ".join(", ".join([*fields[:1], *fields[1:][::-1]]) for fields in places)


def scored(answers: Sequence[str], truths: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Accuracy per sample under the paper's three measures; index and exact of samples that have needles only."""
    given = {str(number): answer for number, answer in enumerate(answers)}
    references = {str(number): Reference((truth,)) for number, truth in enumerate(truths)}
    found = evaluate_answers(given, references, list(MEASURES.values())).per_query
    return {short: found[name][~np.isnan(found[name])] for short, name in MEASURES.items()}


def reproduce(run: Run) -> Report:
    folder = run.folder("images/flickr8k-ml")
    entries = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf8").splitlines()]
    entries = entries if run.full else entries[:: len(entries) // PHOTOS][:PHOTOS]
    settings = (*SETTINGS, *LARGE) if run.full else SETTINGS
    run.say(f"looking at {len(entries)} photos")
    captions = lite_words([entry["captions_en"][-1] for entry in entries])
    photos = [folder / entry["image"] for entry in entries]
    figures: list[Figure] = []
    results: dict[tuple[Setting, str, str], float] = {}
    exact_copies, oracle = True, True
    for setting in settings:
        run.say(f"{setting}: stitching and searching")
        random = np.random.default_rng([run.seed, setting.size])
        stacks, same = haystacks(setting, photos, captions, random)
        exact_copies &= same
        oracle &= _oracle(stacks)
        for method, found in methods(stacks, random).items():
            for measure, values in found.items():
                results[setting, method, measure] = float(values.mean())
                if shown(setting, method, measure):
                    figures.append(Figure.over(PART[method], method, f"{measure}, {setting}", values))
    return Report(
        data=f"{len(entries)} photos with English captions; {SAMPLES} haystacks a setting; default encoders",
        figures=tuple(figures),
        checks=(
            Check("cells cut out of a stitched picture are the photos, pixel by pixel", exact_copies),
            Check("a scorer that knows the photo is right in every setting: labels are sound", oracle),
            *_checks(results, settings),
        ),
        notes=(
            "captions may fit other photos of a haystack too, so no solver reaches 100 %",
            "existence is over as many haystacks with needles as without: a solver that never abstains has 50 %",
        ),
    )


def lite_words(texts: Sequence[str]) -> Array:
    encoder = lite.load()
    return np.asarray(text_vectors(f"{encoder.id} centred", texts, encoder.text_vectors).vectors, np.float32)


def haystacks(
    setting: Setting, photos: Sequence[Path], captions: Array, random: np.random.Generator
) -> tuple[Haystacks, bool]:
    """A setting's samples with all similarities, and whether every cell was cut out as it was pasted."""
    size = setting.size
    grid = grids(len(photos), size, random)
    tiles = [tile(path) for path in photos]
    pictures = [stitch([tiles[photo] for photo in row], size) for row in grid]
    cut = [untile(picture, size) for picture in pictures]
    same = all(
        crop.tobytes() == tiles[photo].tobytes() for row, crops in zip(grid, cut, strict=True)
        for photo, crop in zip(row, crops, strict=True)
    )  # fmt: skip
    seen = looks([crop for crops in cut for crop in crops]).reshape(len(grid), size**2, -1)
    wholes = looks(pictures) if size > 1 else seen[:, 0]
    made = samples(grid, setting, len(photos), random)
    asked = [captions[list(one.targets)] for one in made]
    cells = [
        words @ seen[list(one.haystack)].reshape(setting.cells, -1).T for words, one in zip(asked, made, strict=True)
    ]
    whole = [words @ wholes[list(one.haystack)].T for words, one in zip(asked, made, strict=True)]
    return Haystacks(setting, made, whole, cells), same


def tile(path: Path) -> pil.Image:
    """A photo squeezed into a cell; its proportions are not kept."""
    return Image(str(path)).open().resize((SIDE, SIDE), pil.Resampling.BICUBIC)


def looks(pictures: Sequence[pil.Image]) -> Array:
    """The part of pictures' vectors that lies in the space of words: n × 384."""
    encoder = lite.load()
    vectors = item_vectors(encoder, [(Image(_bytes(picture)),) for picture in pictures]).vectors
    return np.asarray(vectors[:, : encoder.text_dim], np.float32)


def _bytes(picture: pil.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "BMP")  # without loss, and quick
    return out.getvalue()


def methods(stacks: Haystacks, random: np.random.Generator) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Accuracies of every solver on the samples that no threshold was chosen on."""
    chosen, tested = [n for n in range(SAMPLES) if n % 3 == 0], [n for n in range(SAMPLES) if n % 3]
    cells, noise = stacks.answers(stacks.cells), [random.random(each.shape) for each in stacks.cells]
    answers: Mapping[str, Sequence[str]] = {
        "chance": stacks.answers([each.astype(np.float32) for each in noise]),
        "whole pictures": stacks.whole_answers(random),
        "cells": cells,
        "cells, threshold": stacks.answers(stacks.cells, stacks.threshold(chosen)),
        "cells, row and column swapped": [swapped(answer) for answer in cells],
    }
    truths = [stacks.samples[number].truth for number in tested]
    return {name: scored([given[number] for number in tested], truths) for name, given in answers.items()}


def _oracle(stacks: Haystacks) -> bool:
    """Whether a scorer that only likes the right cell gets everything right, whatever haystack it is asked of."""
    positive = [one for one in stacks.samples if one.places]
    perfect = []
    for one in positive:
        scores = np.zeros((len(one.targets), stacks.setting.cells), np.float32)
        for needle, (image, row, column) in enumerate(one.places):
            scores[needle, image * stacks.setting.size**2 + row * stacks.setting.size + column] = 1
        perfect.append(scores)
    found = scored(stacks.answers(perfect), [one.truth for one in positive])
    return bool(found["exact"].all())


def shown(setting: Setting, method: str, measure: str) -> bool:
    """Whether a figure says something that another does not."""
    if measure == "existence":
        return method.startswith("cells") and "swapped" not in method
    if measure == "index":
        return setting.images > 1 and method in {"whole pictures", "cells"}
    return method != "cells, threshold" and ("swapped" not in method or setting.size > 1)


def _checks(found: Mapping[tuple[Setting, str, str], float], settings: Sequence[Setting]) -> tuple[Check, ...]:
    def value(measure: str, method: str, *of: int) -> float:
        return found[Setting(*of), method, measure]

    stitched = [setting for setting in settings if setting.size > 1]
    return (
        Check("row and column exchanged cost accuracy wherever N > 1", _each(
            stitched, lambda s: found[s, "cells, row and column swapped", "exact"] < found[s, "cells", "exact"])),
        Check("cells beat whole pictures with any cell, exactly, in every setting", _each(
            stitched, lambda s: found[s, "cells", "exact"] > found[s, "whole pictures", "exact"])),
        Check("cells find the right picture more often than whole pictures do, M=10 N=4",
              value("index", "cells", 10, 4) > value("index", "whole pictures", 10, 4)),
        Check("whole pictures are told apart ever less as N grows: 1, 2, 4",
              value("index", "whole pictures", 10, 1) > value("index", "whole pictures", 10, 2)
              > value("index", "whole pictures", 10, 4)),
        Check("the number of cells drives failure: 10 cells > 40 > 160 at ten pictures",
              value("exact", "cells", 10, 1) > value("exact", "cells", 10, 2) > value("exact", "cells", 10, 4)),
        Check("and not the number of pictures: M=10 N=1 is no harder than M=1 N=4, which has more cells in one",
              value("exact", "cells", 10, 1) >= value("exact", "cells", 1, 4)),
        Check("index accuracy stays above exact accuracy, M=10 N=4",
              value("index", "cells", 10, 4) > value("exact", "cells", 10, 4)),
        Check("two needles at once are harder than one",
              value("exact", "cells", 10, 2, 2) < value("exact", "cells", 10, 2)),
        Check("without a threshold existence is a coin flip, with one it is better, M=1 N=2",
              value("existence", "cells", 1, 2) == 0.5 < value("existence", "cells, threshold", 1, 2)),
        Check("existence is harder in larger haystacks: M=1 N=2 above M=10 N=4",
              value("existence", "cells, threshold", 1, 2) > value("existence", "cells, threshold", 10, 4)),
    )  # fmt: skip


def _each(settings: Sequence[Setting], holds: Callable[[Setting], bool]) -> bool:
    return all(holds(setting) for setting in settings)


PAGE = Page(
    name="mmneedle",
    title="Multimodal Needle in a Haystack: Benchmarking Long-Context Capability of Multimodal Large Language Models",
    source="Wang et al., NAACL 2025, arXiv 2406.11230",
    adds="Haystacks of stitched pictures with exact labels, measured by existence, index and exact accuracy.",
    claim="The number of sub-images, not of images, makes it hard, and absence is harder still; cut-and-search is what "
    "long-context models must beat.",
    lives=(
        "bowerbird.papers.mmneedle",
        "bowerbird.evaluate.measures.needle",
        "bowerbird.evaluate.benchmarks.haystacks",
    ),
    reproduce=reproduce,
    data=("images/flickr8k-ml",),
)

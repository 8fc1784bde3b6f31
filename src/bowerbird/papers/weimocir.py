"""WeiMoCIR (Wu et al. 2024, arXiv 2409.04918): picture and words, weighed, are a query without training.

    query           q   = normalise((1 - alpha) picture + alpha words)                       pipeline/compose.py
    look            S_i = q · picture of an item
    captions        S_t = mean over k of normalise((1 - alpha) caption k of the reference + alpha words) · caption k
    score               = beta S_t + (1 - beta) S_i

The paper's captions are written by a language model that sees; here people wrote them: those of Flickr8k, and the
keywords and tags of emoji. alpha and beta are chosen on one half of the queries and reported on the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders import lite
from bowerbird.encoders.lite import unit
from bowerbird.evaluate.changes import changes
from bowerbird.evaluate.vectors import item_vectors, text_vectors
from bowerbird.items import Image
from bowerbird.papers.page import Check, Figure, Page, Part, Report, Run, certain
from bowerbird.pipeline.compose import weighted

STEPS: tuple[float, ...] = tuple(step / 20 for step in range(21))
"""Of alpha and of beta, as in the paper."""
CAPTIONS = 3
GROUP = 6
"""Pictures of a subset as in CIRR: the reference, the target and four that look like the reference."""
OTHERS = 400
"""Items of a gallery that no query asks for, unless the run is a full one."""
WRONG = 0.3

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Composed:
    """q queries over n items; vectors of length 1 in one space.

    pictures, words: q × dim. gallery: n × dim. captions: n × k × dim, zero where an item has fewer. reference: q, rows
    of the gallery. target: q, the row that a query was made for. targets: q × n, all that answer it. held: q, whether a
    query belongs to the half that is tested.
    """

    pictures: Array
    words: Array
    gallery: Array
    captions: Array
    reference: Rows
    target: Rows
    targets: Bools
    held: Bools

    @cached_property
    def present(self) -> Array:
        """n × k: 1 where there is a caption, else 0."""
        found: Array = np.any(self.captions != 0, axis=2).astype(np.float32)
        return found

    def look(self, alpha: float) -> Array:
        """S_i, q × n."""
        found: Array = weighted(self.pictures, self.words, alpha) @ self.gallery.T
        return found

    def told(self, alpha: float) -> Array:
        """S_t, q × n: captions of the reference stand for its picture, so that words are compared with words."""
        return self._over_captions([weighted(view[self.reference], self.words, alpha) for view in self._views])

    def told_to_picture(self, alpha: float) -> Array:
        """The other reading of S_t: the composed query itself is compared with captions."""
        query = weighted(self.pictures, self.words, alpha)
        return self._over_captions([query for _ in self._views])

    def score(self, alpha: float, beta: float) -> Array:
        return mixed(self.look(alpha), self.told(alpha), beta)

    def ranks(self, scores: Array, among: Bools | None = None) -> Rows:
        """q: the rank of the best target when the reference is left out; ties count against it."""
        asked = np.arange(len(scores))
        open_ = np.ones(scores.shape, bool) if among is None else among.copy()
        open_[asked, self.reference] = False
        seen = np.where(open_, scores, -np.inf)
        best = np.where(self.targets, seen, -np.inf).max(axis=1, keepdims=True)
        found: Rows = 1 + ((seen >= best) & open_ & ~self.targets).sum(axis=1)
        return found

    @cached_property
    def group(self) -> Bools:
        """q × n: the subset of each query."""
        alike = self.pictures @ self.gallery.T
        asked = np.arange(len(alike))
        alike[self.targets] = -np.inf
        alike[asked, self.reference] = -np.inf
        chosen = np.zeros(alike.shape, bool)
        np.put_along_axis(chosen, np.argsort(-alike, axis=1, kind="stable")[:, : GROUP - 2], True, axis=1)
        chosen[asked, self.reference] = chosen[asked, self.target] = True
        return chosen

    def with_wrong_captions(self, share: float, seed: int) -> Composed:
        """As if the captions of some items were those of others."""
        random = np.random.default_rng(seed)
        rows = np.flatnonzero(random.random(len(self.captions)) < share)
        captions = self.captions.copy()
        captions[rows] = captions[np.roll(random.permutation(rows), 1)]
        return replace(self, captions=captions)

    @property
    def _views(self) -> list[Array]:
        return [self.captions[:, k] for k in range(self.captions.shape[1])]

    def _over_captions(self, queries: Sequence[Array]) -> Array:
        """The mean over those captions that item and reference have."""
        total = np.zeros((len(self.reference), len(self.gallery)), np.float32)
        count = np.full_like(total, 1e-9)
        for query, view, present in zip(queries, self._views, self.present.T, strict=True):
            both = present[self.reference][:, None] * present
            total += both * (query @ view.T)
            count += both
        return total / count


def mixed(look: Array, told: Array, beta: float) -> Array:
    return (np.float32(1 - beta) * look + np.float32(beta) * told).astype(np.float32)


@dataclass(frozen=True)
class Surface:
    """R@k of the validation half for every alpha (row) and beta (column) of STEPS; R_subset@1 for every alpha."""

    recall: NDArray[np.float64]
    subset: NDArray[np.float64]

    @classmethod
    def of(cls, task: Composed, cutoff: int = 5) -> Surface:
        chosen = ~task.held
        recall, subset = np.zeros((len(STEPS), len(STEPS))), np.zeros(len(STEPS))
        for row, alpha in enumerate(STEPS):
            look, told = task.look(alpha), task.told(alpha)
            for column, beta in enumerate(STEPS):
                recall[row, column] = (task.ranks(mixed(look, told, beta))[chosen] <= cutoff).mean()
            subset[row] = (task.ranks(look, task.group)[chosen] == 1).mean()
        return cls(recall, subset)

    @property
    def alpha(self) -> float:
        """The best weight of words without captions; the middle one of equals."""
        return STEPS[_middle(self.recall[:, 0])]

    @property
    def subset_alpha(self) -> float:
        return STEPS[_middle(self.subset)]

    @property
    def both(self) -> tuple[float, float]:
        """The best alpha and beta."""
        row, column = np.unravel_index(_middle(self.recall.ravel()), self.recall.shape)
        return STEPS[int(row)], STEPS[int(column)]


def _middle(values: NDArray[np.float64]) -> int:
    best = np.flatnonzero(values == values.max())
    return int(best[len(best) // 2])


def reproduce(run: Run) -> Report:
    figures: list[Figure] = []
    checks: list[Check] = []
    notes: list[str] = []
    sizes: list[str] = []
    for name, task in (("emoji", emoji(run)), ("photos", photos(run))):
        run.say(f"{name}: trying weights")
        surface = Surface.of(task)
        found = _systems(task, surface, run.seed)
        figures += [
            figure for method, (part, scores) in found.items() for figure in _figures(part, method, name, task, scores)
        ]
        checks += _checks(name, surface, {method: _found(task, scores) for method, (_, scores) in found.items()})
        notes.append(_described(name, surface))
        sizes.append(f"{int(task.held.sum())} of {len(task.held)} queries over {len(task.gallery)} {name}")
    return Report(
        data=f"{' and '.join(sizes)}; the other queries choose alpha and beta; default image encoder",
        figures=tuple(figures),
        checks=tuple(checks),
        notes=(
            *notes,
            "queries of photos are pairs of captions of different photos that differ in one place; the captions they "
            "were made from are not among those that are searched",
            "most changes of photos are of actions and places, and the default image encoder knows little but things",
            "a gain counts as seen where its 95 % interval over queries lies above zero",
            "captions are people's, not a language model's; emoji have keywords and tags, not their names",
        ),
    )


def _systems(task: Composed, surface: Surface, seed: int) -> dict[str, tuple[Part, Array]]:
    """Scores of all queries by method."""
    alpha, (best, beta) = surface.alpha, surface.both
    wrong = task.with_wrong_captions(WRONG, seed)
    return {
        "picture only": ("baseline", task.look(0)),
        "words only": ("baseline", task.look(1)),
        "sum": ("baseline", task.look(0.5)),
        "weighted": ("ours", task.look(alpha)),
        "weighted and captions": ("ours", task.score(best, beta)),
        "weights of the paper": ("ablation", task.score(0.8, 0.1)),
        "captions only": ("ablation", task.told(best)),
        "query against captions": ("ablation", mixed(task.look(best), task.told_to_picture(best), beta)),
        "30 % wrong captions": ("ablation", wrong.score(best, beta)),
    }


def _figures(part: Part, method: str, name: str, task: Composed, scores: Array) -> list[Figure]:
    ranks, within = task.ranks(scores)[task.held], task.ranks(scores, task.group)[task.held]
    recall = [Figure.over(part, method, f"R@{k}, {name}", ranks <= k) for k in (1, 5, 10)]
    return [*recall, Figure.over(part, method, f"R_subset@1, {name}", within == 1)]


def _found(task: Composed, scores: Array) -> Array:
    """R@5 of each query that is tested."""
    found: Array = (task.ranks(scores)[task.held] <= 5).astype(np.float32)
    return found


def _checks(name: str, surface: Surface, found: Mapping[str, Array]) -> list[Check]:
    alone = max((found["picture only"], found["words only"]), key=lambda hits: float(hits.mean()))
    captions = found["weighted and captions"]
    ends = max(surface.recall[0, 0], surface.recall[-1, 0])
    return [
        Check(f"{name}: picture and words find more together than either alone", certain(found["weighted"] - alone)),
        Check(
            f"{name}: the best weight lies between, and both ends lose 5 points or more on validation",
            bool(surface.recall[:, 0].max() >= ends + 0.05),
        ),
        Check(f"{name}: captions add to that", certain(captions - found["weighted"])),
        Check(
            f"{name}: captions of the reference are a better query for captions than its picture is",
            certain(captions - found["query against captions"]),
        ),
        Check(
            f"{name}: among six that look alike, words want at least as much weight as among all",
            surface.subset_alpha >= surface.alpha,
        ),
    ]


def _described(name: str, surface: Surface) -> str:
    best, beta = surface.both
    row = STEPS.index(best)
    over = [f"{alpha:g}: {surface.recall[STEPS.index(alpha), 0]:.2f}" for alpha in STEPS[::4]]
    along = [f"{step:g}: {surface.recall[row, STEPS.index(step)]:.2f}" for step in STEPS[::4]]
    return (
        f"{name}, validation: alpha {surface.alpha:g} alone, {best:g} with beta {beta:g}; R@5 by alpha without "
        f"captions {', '.join(over)}; by beta at alpha {best:g} {', '.join(along)}"
    )


# --- emoji: edits of one picture into another


def emoji(run: Run) -> Composed:
    asked = _lines(run.folder("composed/emoji-edits") / "queries.jsonl")
    needed = {query[field] for query in asked for field in ("ref_id", "target_id")}
    entries = _gallery(_lines(run.folder("images/emoji-styles") / "items.jsonl"), needed, run)
    run.say(f"looking at {len(entries)} emoji")
    return composed_emoji(asked, entries, run)


def composed_emoji(asked: Sequence[Mapping[str, str]], entries: Sequence[Mapping[str, Any]], run: Run) -> Composed:
    """Queries as in queries.jsonl over items as in items.jsonl, drawn in the style of Noto Emoji."""
    styles, edits = run.folder("images/emoji-styles"), run.folder("composed/emoji-edits")
    row = {entry["id"]: number for number, entry in enumerate(entries)}
    reference = np.array([row[query["ref_id"]] for query in asked])
    target = np.array([row[query["target_id"]] for query in asked])
    captions = [[", ".join(entry["keywords"]["en"]), entry["openmoji_tags"].replace(",", ", ")] for entry in entries]
    return Composed(
        _pictures([edits / query["ref_image"] for query in asked]),
        _words([query["text"] for query in asked]),
        _pictures([styles / entry["images"]["google"] for entry in entries]),
        _captions(captions),
        reference,
        target,
        target[:, None] == np.arange(len(entries)),
        _held(reference, target, run.seed),
    )


# --- photos: two captions that differ in one place


def photos(run: Run) -> Composed:
    folder = run.folder("images/flickr8k-ml")
    every = _lines(folder / "items.jsonl")
    asked = changes([entry["captions_en"] for entry in every])
    used = {one for change in asked for one in change.used}
    kept = {
        entry["id"]: [text for k, text in enumerate(entry["captions_en"]) if (number, k) not in used][:CAPTIONS]
        for number, entry in enumerate(every)
    }
    needed = {every[number]["id"] for change in asked for number in {change.reference} | change.targets}
    entries = _gallery(every, needed, run)
    row = {entry["id"]: number for number, entry in enumerate(entries)}
    run.say(f"looking at {len(entries)} photos")
    gallery = _pictures([folder / entry["image"] for entry in entries])
    reference = np.array([row[every[change.reference]["id"]] for change in asked])
    target = np.array([row[every[change.target]["id"]] for change in asked])
    targets = np.zeros((len(asked), len(entries)), bool)
    for number, change in enumerate(asked):
        targets[number, [row[every[one]["id"]] for one in change.targets]] = True
    captions = _captions([kept[entry["id"]] for entry in entries])
    held = _held(reference, target, run.seed)
    words = _words([change.text for change in asked])
    return Composed(gallery[reference], words, gallery, captions, reference, target, targets, held)


# --- what both share


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf8").splitlines()]


def _gallery(entries: Sequence[dict[str, Any]], needed: set[str], run: Run) -> list[dict[str, Any]]:
    """All items, or those that queries need and OTHERS beside them, evenly spaced."""
    rest = [entry["id"] for entry in entries if entry["id"] not in needed]
    others = set(rest if run.full else rest[:: max(1, len(rest) // OTHERS)])
    return [entry for entry in entries if entry["id"] in needed | others]


def _held(reference: Rows, target: Rows, seed: int) -> Bools:
    """Half of the queries; those between the same two items fall on the same side."""
    pairs = np.sort(np.stack([reference, target], axis=1), axis=1)
    known, group = np.unique(pairs, axis=0, return_inverse=True)
    side: Bools = np.random.default_rng(seed).permutation(len(known)) % 2 == 0
    return side[group.ravel()]


def _pictures(paths: Sequence[Path]) -> Array:
    return unit(item_vectors(lite.load(), [(Image(str(path)),) for path in paths]).vectors)


def _words(texts: Sequence[str]) -> Array:
    """Words as the encoder puts them beside pictures: nothing where pictures have their look."""
    encoder = lite.load()
    found = text_vectors(f"{encoder.id} words", texts, encoder.text_vectors).vectors
    return np.pad(found, ((0, 0), (0, encoder.dim - found.shape[1]))).astype(np.float32)


def _captions(texts: Sequence[Sequence[str]]) -> Array:
    """n × the longest list × dim; zero rows where a list is shorter."""
    places = [(row, k) for row, some in enumerate(texts) for k, text in enumerate(some) if text.strip()]
    found = _words([texts[row][k] for row, k in places])
    out = np.zeros((len(texts), max(map(len, texts)), found.shape[1]), np.float32)
    out[tuple(np.array(places).T)] = found
    return out


PAGE = Page(
    name="weimocir",
    title="Training-free Zero-shot Composed Image Retrieval via Weighted Modality Fusion and Similarity",
    source="Wu et al., 2024, arXiv 2409.04918",
    adds="A query of a picture and words as a weighted mean, scored against pictures and their captions.",
    claim="Without any training, picture and words weighed together beat either alone, and captions add to that.",
    lives=("bowerbird.pipeline.compose", "bowerbird.papers.weimocir"),
    reproduce=reproduce,
    data=("composed/emoji-edits", "images/emoji-styles", "images/flickr8k-ml"),
)

"""Moments in videos: QVHighlights, MomentSeeker, and lists of marked moments; places are the right spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import clip, unique
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, json_list
from bowerbird.items import Image, Item, Locator, Part, Query, Text, Video

CLIP = 2.0
"""Seconds of a clip of QVHighlights."""

STRETCH = re.compile(r"(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)$")
"""Start and end in the name of a chunk of MomentSeeker."""


def load_qvhighlights(folder: Path, part: str) -> Benchmark:
    """QVHighlights (Lei et al. 2021, arXiv 2107.09609): highlight_{part}_release.jsonl; videos/VID.mp4.

    Items are clips of two seconds, VID#NUMBER from 0, of which a query ranks those of its video; gain is 1 for a
    relevant clip. Spans of relevant_windows are the places. The test split has neither.
    AP is over clips. A clip is too short for most windows to reach a temporal IoU of 0.3 with them, so measures of
    moments are not reported, and published figures, of whole windows and of the clips rated best, are other ones.
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    places: dict[str, tuple[Locator, ...]] = {}
    clips: dict[str, int] = {}
    for record in json_lines(first(folder, f"highlight_{part}_release.jsonl")):
        name, video = unique(queries, record.text("qid"), f"{record.file}, {record.place}"), record.text("vid")
        queries[name] = Query.of(record.text("query"))
        clips[video] = int(record.number("duration") // CLIP)
        pools[name] = frozenset(f"{video}#{number}" for number in range(clips[video]))
        if record.has("relevant_windows"):
            places[name] = _spans(record, "relevant_windows", video)
            qrels[name] = {f"{video}#{number}": 1.0 for number in record.texts("relevant_clip_ids")}
            if not qrels[name].keys() <= pools[name]:
                raise record.error("relevant_clip_ids", f"names a clip beyond the {clips[video]} of the video")

    def items() -> Iterator[Item]:
        for video, count in clips.items():
            for number in range(count):
                path = folder / "videos" / f"{video}.mp4"
                yield clip(f"{video}#{number}", video, path, number * CLIP, (number + 1) * CLIP)

    return Benchmark(f"qvhighlights {part}", queries, qrels, items, ("AP",), {}, pools, places)


def load_momentseeker(folder: Path, part: str) -> Benchmark:
    """MomentSeeker (Yuan et al. 2025, arXiv 2502.12558): {part}.json, a list; media lie below the folder.

    The first release lists chunks (candidate_video_list, gt_indices), which are the items and the pool; the second
    marks spans of src_video_path (answering_time_interval), whose items are whole videos. (format from the card)
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    places: dict[str, tuple[Locator, ...]] = {}
    gold: dict[str, Gold] = {}
    stretches: dict[str, Locator] = {}
    for number, record in enumerate(json_list(first(folder, f"{part}.json"))):
        name = str(number)
        queries[name] = _asked(folder, record)
        if record.has("task"):
            gold[name] = Gold(labels={"task": (record.text("task"),)})
        if record.has("candidate_video_list"):
            paths = [one.text("output_path") for one in record.records("candidate_video_list")]
            stretches |= {path: _stretch(record, path) for path in paths}
            right = [_at(record, paths, int(index)) for index in record.numbers("gt_indices")]
            pools[name] = frozenset(paths)
            places[name] = tuple(stretches[path] for path in right)
        else:
            right = [record.text("src_video_path")]
            stretches[right[0]] = Locator(right[0])
            places[name] = _spans(record, "answering_time_interval", right[0])
        qrels[name] = dict.fromkeys(right, 1.0)

    def items() -> Iterator[Item]:
        for path, place in sorted(stretches.items(), key=lambda stretch: (stretch[1].source, stretch[0])):
            yield Item(path, "shot", (Video(str(folder / path)),), place)

    return Benchmark(
        f"momentseeker {part}", queries, qrels, items, ("moment_R@1", "moment_mAP_graded@5"), {}, pools, places, gold
    )


def load_marked(folder: Path, part: str) -> Benchmark:
    """moments.jsonl: moment_id, video, start, end, captions {language: text or texts}; `part` is the language.

    Items are the marked moments themselves; a query is asked by the first caption and searches all videos.
    """
    queries: dict[str, Query] = {}
    moments: dict[str, Locator] = {}
    for record in json_lines(first(folder, "moments.jsonl")):
        name = unique(queries, record.text("moment_id"), f"{record.file}, {record.place}")
        captions = record.record("captions")
        listed = isinstance(captions.values.get(part), list)
        queries[name] = Query.of(captions.texts(part)[0] if listed else captions.text(part))
        moments[name] = Locator(record.text("video"), start=record.number("start"), end=record.number("end"))

    def items() -> Iterator[Item]:
        for name, at in moments.items():
            yield clip(name, at.source, folder / at.source, at.start or 0.0, at.end)

    qrels = {name: {name: 1.0} for name in queries}
    places = {name: (at,) for name, at in moments.items()}
    return Benchmark(f"{folder.resolve().name} {part}", queries, qrels, items, ("R@1", "R@5"), places=places)


def _asked(folder: Path, record: Record) -> Query:
    parts: list[Part] = [Text(record.text("qry_text"))] if record.optional("qry_text") else []
    if record.optional("qry_img_path"):
        parts.append(Image(str(folder / record.text("qry_img_path"))))
    if record.optional("qry_video_path"):
        parts.append(Video(str(folder / record.text("qry_video_path"))))
    if not parts:
        raise record.error("qry_text", "is empty, and there is neither a picture nor a video")
    return Query(tuple(parts))


def _stretch(record: Record, path: str) -> Locator:
    """The place of a chunk by its path …/VIDEO/START_END.mp4."""
    found = STRETCH.search(PurePosixPath(path).stem)
    if not found:
        raise record.error("candidate_video_list", f"has {path!r}, whose name is not START_END")
    return Locator(PurePosixPath(path).parent.name, start=float(found[1]), end=float(found[2]))


def _at(record: Record, paths: list[str], index: int) -> str:
    if not 0 <= index < len(paths):
        raise record.error("gt_indices", f"has {index}, but there are {len(paths)} candidates")
    return paths[index]


def _spans(record: Record, field: str, video: str) -> tuple[Locator, ...]:
    """Pairs of start and end in seconds."""
    spans = []
    for number in range(len(record.entries(field))):
        inner = Record(record.file, record.place, {f"{field}.{number}": record.entries(field)[number]}, record.prefix)
        start, end = inner.numbers(f"{field}.{number}", 2)
        if start > end:
            raise inner.error(f"{field}.{number}", f"ends at {end:g}, before it starts at {start:g}")
        spans.append(Locator(video, start=start, end=end))
    return tuple(spans)

"""Moments in videos: QVHighlights, MomentSeeker, and lists of marked moments; places are the right spans."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from bowerbird.errors import BenchmarkError, ReadError
from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import clip, unique
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines, json_list
from bowerbird.items import Image, Item, Locator, Part, Query, Text, Video
from bowerbird.readers.media import about, opened

CLIP = 2.0
"""Seconds of a clip of QVHighlights."""

CHUNK = 10.0
"""Seconds of a chunk of MomentSeeker."""

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
    marks spans of src_video_path (answering_time_interval), whose items are chunks of ten seconds, VIDEO#NUMBER from
    0; gain is 1 for a chunk that shares time with a span, and the pool is the video. (format from the card)
    How long a video is stands in its file alone: without it, chunks go no further than its last span.
    """
    records = list(json_list(first(folder, f"{part}.json")))
    films = {video: _chunks(folder, video, seconds) for video, seconds in _seconds(folder, records).items()}
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    pools: dict[str, frozenset[str]] = {}
    places: dict[str, tuple[Locator, ...]] = {}
    gold: dict[str, Gold] = {}
    items: dict[str, Item] = {}
    for number, record in enumerate(records):
        name = str(number)
        queries[name] = _asked(folder, record)
        if record.has("task"):
            gold[name] = Gold(labels={"task": (record.text("task"),)})
        if record.has("candidate_video_list"):
            chunks, right = _candidates(folder, record)
            places[name] = tuple(chunks[path].locator for path in right)
        else:
            chunks = films[record.text("src_video_path")]
            places[name] = _spans(record, "answering_time_interval", record.text("src_video_path"))
            right = [path for path, chunk in chunks.items() if _meets(chunk.locator, places[name])]
            if not right:
                raise record.error(
                    "answering_time_interval", f"shares no time with the {len(chunks)} chunks of the video"
                )
        items |= chunks
        pools[name] = frozenset(chunks)
        qrels[name] = dict.fromkeys(right, 1.0)

    def ordered() -> Iterator[Item]:
        yield from sorted(items.values(), key=lambda item: (item.locator.source, item.locator.start or 0.0, item.id))

    measures = ("moment_R@1", "moment_mAP_graded@5")
    return Benchmark(f"momentseeker {part}", queries, qrels, ordered, measures, {}, pools, places, gold)


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


def _candidates(folder: Path, record: Record) -> tuple[dict[str, Item], list[str]]:
    """The chunks that a query lists, by path, and the paths of the right ones."""
    paths = [one.text("output_path") for one in record.records("candidate_video_list")]
    right = [_at(record, paths, int(index)) for index in record.numbers("gt_indices")]
    return {path: Item(path, "shot", (Video(str(folder / path)),), _stretch(record, path)) for path in paths}, right


def _chunks(folder: Path, video: str, seconds: float) -> dict[str, Item]:
    """A video in chunks, by their ids; the last one ends with it."""
    chunks = [
        clip(f"{video}#{number}", video, folder / video, number * CHUNK, min((number + 1) * CHUNK, seconds))
        for number in range(math.ceil(seconds / CHUNK))
    ]
    return {chunk.id: chunk for chunk in chunks}


def _seconds(folder: Path, records: Sequence[Record]) -> dict[str, float]:
    """How long the videos are in which spans are marked."""
    ends: dict[str, float] = {}
    for record in records:
        if not record.has("candidate_video_list"):
            video = record.text("src_video_path")
            spans = _spans(record, "answering_time_interval", video)
            ends[video] = max([ends.get(video, 0.0), *(span.end or 0.0 for span in spans)])
    return {video: _length(folder / video) if (folder / video).is_file() else end for video, end in ends.items()}


def _length(path: Path) -> float:
    """Seconds of a film, as its file says."""
    try:
        with opened(str(path), path.name) as container:
            seconds = about(container).seconds
    except ReadError as error:
        raise BenchmarkError(f"{path}: {error}") from error
    if not seconds:
        raise BenchmarkError(f"{path}: does not say how long it is; convert it to MP4")
    return seconds


def _meets(chunk: Locator, spans: Sequence[Locator]) -> bool:
    start, end = chunk.start or 0.0, chunk.end or 0.0
    return any((span.start or 0.0) < end and (span.end or 0.0) > start for span in spans)


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

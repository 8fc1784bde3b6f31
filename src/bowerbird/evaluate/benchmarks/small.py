"""Small sets for development, one items.jsonl each: photos, stamps, emoji and sounds, asked by words or each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.beir import qrels as beir_qrels
from bowerbird.evaluate.benchmarks.corpus import picture, sound, unique, with_picture
from bowerbird.evaluate.benchmarks.lines import Record, first, json_lines
from bowerbird.items import Audio, Image, Item, Query

MEASURES = ("nDCG@10", "R@1", "R@10")


def load_flickr8k(folder: Path, part: str) -> Benchmark:
    """Photos asked by a caption: `part` en or zh is the first of Flickr8k, de, fr or cs the sentence of Multi30K."""
    queries: dict[str, Query] = {}
    for record in _items(folder):
        own = f"captions_{part}"
        text = record.texts(own)[0] if record.has(own) else record.record("multi30k").text(part)
        queries[_name(queries, record)] = Query.of(text)
    return _find_itself(f"flickr8k-ml {part}", queries, folder, "image")


def load_stamps(folder: Path, part: str) -> Benchmark:
    """Pictures of things asked by their name in the language `part`; things without a name in it are not asked."""
    queries: dict[str, Query] = {}
    for record in _items(folder):
        if record.record("captions").has(part):
            queries[_name(queries, record)] = Query.of(record.record("captions").text(part))
    return _find_itself(f"tuxpaint-stamps {part}", queries, folder, "image")


def load_emoji(folder: Path, part: str) -> Benchmark:
    """`part` is what asks and the style that is searched: en-google asks by English names, openmoji-black-google by
    outlines.
    """
    asking, _, style = part.rpartition("-")
    queries: dict[str, Query] = {}
    for record in _items(folder):
        images = record.record("images")
        if images.has(asking):
            queries[_name(queries, record)] = Query.of(Image(str(folder / images.text(asking))))
        elif record.record("names").has(asking):
            queries[_name(queries, record)] = Query.of(record.record("names").text(asking))
    return _find_itself(f"emoji-styles {part}", queries, folder, style)


def load_emoji_edits(folder: Path, part: str) -> Benchmark:
    """A picture and a change in words find another picture, among those of the style `part`; the first is left out."""
    queries: dict[str, Query] = {}
    left_out: dict[str, frozenset[str]] = {}
    gold: dict[str, Gold] = {}
    for record in json_lines(first(folder, "queries.jsonl")):
        name = unique(queries, record.text("_id"), f"{record.file}, {record.place}")
        queries[name] = with_picture(folder / record.text("ref_image"), record.text("text"))
        left_out[name] = frozenset([record.text("ref_id")])
        gold[name] = Gold(labels={"kind": (record.text("kind"),)})
    gallery = folder.parent.parent / "images" / "emoji-styles"
    judged = beir_qrels(first(folder, "qrels/test.tsv"))
    return Benchmark(
        f"emoji-edits {part}", queries, judged, lambda: _pictures(gallery, part), MEASURES, left_out, gold=gold
    )


def load_esc50(folder: Path, part: str) -> Benchmark:
    """Sounds asked by a sound of the same class (`part` "sound") or by the name of the class ("text").

    Clips cut from one recording are left out of each other's rankings: they would be found by their background.
    """
    records = list(_items(folder))
    classes: dict[str, dict[str, float]] = {}
    recordings: dict[str, set[str]] = {}
    for record in records:
        classes.setdefault(record.text("category"), {})[record.text("id")] = 1.0
        recordings.setdefault(record.text("src_file"), set()).add(record.text("id"))

    def items() -> Iterator[Item]:
        for record in records:
            yield sound(record.text("id"), folder / record.text("audio"))

    if part == "text":
        asked = {name: Query.of(name.replace("_", " ")) for name in classes}
        return Benchmark("esc50 text", asked, classes, items, ("AP", "P@5"))
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    left_out: dict[str, frozenset[str]] = {}
    for record in records:
        name, own = record.text("id"), recordings[record.text("src_file")]
        relevant = {other: 1.0 for other in classes[record.text("category")] if other not in own}
        if relevant:
            queries[name] = Query.of(Audio(str(folder / record.text("audio"))))
            qrels[name], left_out[name] = relevant, frozenset(own)
    return Benchmark("esc50 sound", queries, qrels, items, ("AP", "P@5"), left_out)


def _find_itself(name: str, queries: dict[str, Query], folder: Path, style: str) -> Benchmark:
    """Every query has one relevant picture, which has its id."""
    qrels = {query: {query: 1.0} for query in queries}
    return Benchmark(name, queries, qrels, lambda: _pictures(folder, style), MEASURES)


def _pictures(folder: Path, style: str) -> Iterator[Item]:
    for record in _items(folder):
        path = record.record("images").text(style) if record.has("images") else record.text(style)
        yield picture(record.text("id"), folder / path)


def _items(folder: Path) -> Iterator[Record]:
    return json_lines(first(folder, "items.jsonl"))


def _name(queries: dict[str, Query], record: Record) -> str:
    return unique(queries, record.text("id"), f"{record.file}, {record.place}")

"""Entity linking: a mention in a caption should find its entity. MELBench, and the sets of the MIMIC baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bowerbird.evaluate.benchmark import Benchmark, Gold
from bowerbird.evaluate.benchmarks.corpus import document
from bowerbird.evaluate.benchmarks.lines import Record, first, json_list, json_object
from bowerbird.items import Image, Item, Locator, Part, Query, Text

MEASURES = ("RR", "Success@1", "Success@5", "Success@10", "Success@20")


def load_melbench(folder: Path, part: str) -> Benchmark:
    """MELBench (Zhou et al. 2021): Wikidata-MEL or Richpedia-MEL (`part`), .json or .zip: id → sentence, mentions,
    entities, answer (Q numbers), each a list or a single text.

    A query is the mention and its sentence. The set has no descriptions: an entity is its name. gold.labels has the
    mention.
    """
    path = first(folder, f"{part}.json", f"{part}.zip", f"{part}/{part}.zip")
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    names: dict[str, str] = {}
    whole = json_object(path)
    for key in whole.values:
        record = whole.record(key)
        linked = [_texts(record, field) for field in ("mentions", "entities", "answer")]
        if len({len(column) for column in linked}) != 1:
            raise record.error("answer", "must have as many entries as mentions and entities")
        for number, (mention, name, entity) in enumerate(zip(*linked, strict=True), 1):
            query = f"{key}-{number}"
            queries[query] = Query.of([mention, record.text("sentence")])
            qrels[query] = {entity: 1.0}
            gold[query] = Gold(labels={"mention": (mention,)})
            names.setdefault(entity, name)

    def items() -> Iterator[Item]:
        for entity, name in names.items():
            yield from document(entity, name, name)

    return Benchmark(part.lower(), queries, qrels, items, MEASURES, gold=gold)


def load_mimic(folder: Path, part: str) -> Benchmark:
    """WikiMEL, RichpediaMEL and WikiDiverse as the MIMIC baseline (Luo et al. 2023) passes them on: kb_entity.json and
    {part}.json, such as WIKIMEL_test, with kb_image/ and mention_image/. Mentions without an entity ("nil") are not
    asked. (format from the card)
    """
    queries: dict[str, Query] = {}
    qrels: dict[str, dict[str, float]] = {}
    gold: dict[str, Gold] = {}
    for number, record in enumerate(json_list(first(folder, f"{part}.json"))):
        if record.text("answer") == "nil":
            continue
        parts: list[Part] = [Text(record.text("mentions")), Text(record.text("sentence"))]
        if record.optional("imgPath"):
            parts.append(Image(str(folder / "mention_image" / record.text("imgPath"))))
        queries[str(number)] = Query(tuple(parts))
        qrels[str(number)] = {record.text("answer"): 1.0}
        gold[str(number)] = Gold(labels={"mention": (record.text("mentions"),)})
    knowledge = first(folder, "kb_entity.json")

    def items() -> Iterator[Item]:
        for entity in json_list(knowledge):
            pictures = [Image(str(folder / "kb_image" / name)) for name in entity.texts("image_list")]
            name = entity.text("entity_name")
            words = Text(f"{name}\n{entity.optional('desc')}".strip())
            yield Item(entity.text("qid"), "passage", (words, *pictures), Locator(entity.text("qid")), title=name)

    return Benchmark(part.lower(), queries, qrels, items, MEASURES, gold=gold)


def _texts(record: Record, field: str) -> tuple[str, ...]:
    value = record.values.get(field)
    return record.texts(field) if isinstance(value, list) else (record.text(field),)

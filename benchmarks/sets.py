"""The data sets that quality is measured on; they lie beside the checkout in ../shared/data."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import bowerbird as bb
from bowerbird.collection.snapshot import Snapshot
from bowerbird.collection.workers import Settings
from bowerbird.readers.base import ReadOptions
from bowerbird.readers.blocks import Block
from bowerbird.readers.passages import cut

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Queries:
    """Queries with their relevant documents: qrels[query number][document] = gain.

    reference: per query the document it was made from, which is left out of its ranking.
    """

    queries: tuple[bb.Query, ...]
    qrels: tuple[dict[str, float], ...]
    reference: tuple[str, ...] = ()

    def left_out(self, number: int) -> str:
        return self.reference[number] if self.reference else ""


@dataclass(frozen=True)
class Set:
    """What to store, and what to ask. The source of an item made here is the name of its document."""

    items: tuple[bb.Item, ...] = ()
    files: tuple[Path, ...] = ()
    queries: dict[str, Queries] = field(default_factory=dict)

    def fill(self, library: bb.Library) -> None:
        if self.items:
            library.add_items(self.items)
        if self.files:
            library.collection.add(self.files, settings=Settings("e5", ocr=False, speech=False))

    def names(self, snapshot: Snapshot) -> dict[str, str]:
        """The document that every item stands for: for files NAME#PAGE, with pages from 0 as MMDocIR counts."""
        found = {}
        for item in snapshot.items(np.arange(len(snapshot))):
            place = item.locator
            found[item.id] = f"{Path(place.source).name}#{(place.page or 0) - 1}" if self.files else place.source
        return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf8") as file:
        for line in file:
            yield json.loads(line)


def qrels(path: Path) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if float(row["score"]) > 0:
                found.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row["score"])
    return found


def documents(path: Path, options: ReadOptions) -> Iterator[bb.Item]:
    """The passages of a BEIR corpus."""
    for entry in lines(path):
        blocks = [Block(bb.Text(line)) for line in entry["text"].split("\n") if line.strip()]
        for number, passage in enumerate(cut(blocks or [Block(bb.Text(entry.get("title") or "-"))], options)):
            name = entry["_id"]
            yield bb.Item(f"{name}#{number}", "passage", passage.parts, bb.Locator(name), title=entry.get("title", ""))


def asked(path: Path, judged: dict[str, dict[str, float]], every: int = 1) -> Queries:
    """The judged queries of a BEIR file, or every n-th of them."""
    chosen = [entry for entry in lines(path) if entry["_id"] in judged][::every]
    return Queries(
        tuple(bb.Query.of(entry["text"]) for entry in chosen), tuple(judged[entry["_id"]] for entry in chosen)
    )


def beir(folder: str, options: ReadOptions, every: int = 1) -> Set:
    at = DATA / folder
    judged = qrels(at / "qrels/test.tsv")
    return Set(
        items=tuple(documents(at / "corpus.jsonl", options)),
        queries={at.name.removesuffix("-subset"): asked(at / "queries.jsonl", judged, every)},
    )


def pages() -> Set:
    """Pages of real PDFs, asked in words; every page of all 27 documents competes."""
    at = DATA / "documents/mmdocir-subset"
    judged = qrels(at / "qrels/test.tsv")
    return Set(files=(at / "pdfs",), queries={"mmdocir pages": asked(at / "queries.jsonl", judged)})


def xquad(options: ReadOptions, every: int = 4, corpus: str = "en") -> Set:
    """Passages in one language, asked in several by every n-th question."""
    at = DATA / "text/xquad-crosslingual"
    judged = qrels(at / "qrels/test.tsv")
    asked_in = {
        f"xquad {lang}→{corpus}": asked(at / f"queries/{lang}.jsonl", judged, every) for lang in ("en", "de", "zh")
    }
    return Set(items=tuple(documents(at / f"corpus/{corpus}.jsonl", options)), queries=asked_in)


def photos() -> Set:
    """Photos, asked by a caption in five languages."""
    at = DATA / "images/flickr8k-ml"
    entries = list(lines(at / "items.jsonl"))
    captions = {lang: [entry[f"captions_{lang}"][0] for entry in entries] for lang in ("en", "zh")}
    captions |= {lang: [entry["multi30k"][lang] for entry in entries] for lang in ("de", "fr", "cs")}
    own = tuple({entry["id"]: 1.0} for entry in entries)
    return Set(
        items=tuple(picture(entry["id"], at / entry["image"]) for entry in entries),
        queries={f"photos {lang}": Queries(tuple(map(bb.Query.of, texts)), own) for lang, texts in captions.items()},
    )


def mixed(options: ReadOptions) -> Set:
    """Photos and passages in one collection: captions should find photos, questions passages."""
    pictures, passages = photos(), xquad(options)
    return Set(
        items=(*pictures.items, *passages.items),
        queries={
            "mixed: captions→photos": pictures.queries["photos en"],
            "mixed: questions→passages": passages.queries["xquad en→en"],
        },
    )


def stamps() -> Set:
    """Cut-out photos and drawings of things, asked by name."""
    at = DATA / "multimodal/tuxpaint-stamps"
    entries = list(lines(at / "items.jsonl"))
    asked_in = {}
    for lang in ("en", "de", "fr", "es"):
        known = [entry for entry in entries if entry["captions"].get(lang)]
        asked_in[f"stamps {lang}"] = Queries(
            tuple(bb.Query.of(entry["captions"][lang]) for entry in known), tuple({e["id"]: 1.0} for e in known)
        )
    return Set(items=tuple(picture(entry["id"], at / entry["image"]) for entry in entries), queries=asked_in)


def emoji() -> Set:
    """Coloured drawings, asked by the outline of the same thing, and by another picture with a change in words."""
    at = DATA / "images/emoji-styles"
    entries = list(lines(at / "items.jsonl"))
    outlines = Queries(
        tuple(bb.Query.of(bb.Image(str(at / entry["images"]["openmoji-black"]))) for entry in entries),
        tuple({entry["id"]: 1.0} for entry in entries),
    )
    edits = list(lines(DATA / "composed/emoji-edits/queries.jsonl"))
    composed = Queries(
        tuple(bb.Query.of([bb.Image(str(DATA / "composed/emoji-edits" / e["ref_image"])), e["text"]]) for e in edits),
        tuple({edit["target_id"]: 1.0} for edit in edits),
        tuple(edit["ref_id"] for edit in edits),
    )
    return Set(
        items=tuple(picture(entry["id"], at / entry["images"]["google"]) for entry in entries),
        queries={"emoji outline→colour": outlines, "emoji picture+words": composed},
    )


def picture(name: str, path: Path) -> bb.Item:
    return bb.Item(name, "image", (bb.Image(str(path)),), bb.Locator(name))

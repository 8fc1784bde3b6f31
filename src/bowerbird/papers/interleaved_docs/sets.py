"""Documents as sections in reading order, for the page interleaved-docs: articles, PDFs, and an encyclopaedia."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bowerbird.evaluate.benchmarks.cards import load
from bowerbird.evaluate.benchmarks.corpus import pdf_pages
from bowerbird.items import Image, Parts, Table, Text

PAGES = 20
"""Longer PDFs are left to full runs."""
STAMPS, LEAST = 240, 3
"""Stamps of the encyclopaedia, and sections that an entry of it has at least."""
KINDS = ("picture", "text", "table")
"""Where an encyclopaedia's section says what it is about."""


@dataclass(frozen=True)
class Document:
    """A title, and sections of texts, tables and pictures in reading order."""

    name: str
    title: str
    sections: tuple[Parts, ...]


@dataclass(frozen=True)
class Question:
    """document: its number in the corpus. sections: numbers in that document, any of which answers. kind: a label."""

    text: str
    document: int
    sections: tuple[int, ...]
    kind: str = ""


@dataclass(frozen=True)
class Corpus:
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]


def linearise(title: str, parts: Parts) -> str:
    """A section as one text: title, then its parts in order, each row of a table with its header, captions in place."""
    return "\n".join(words for words in [title, *map(_words, parts)] if words)


def _words(part: object) -> str:
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Image):
        return part.alt
    return "\n".join(_rows(part)) if isinstance(part, Table) else ""


def _rows(table: Table) -> Iterator[str]:
    if table.caption:
        yield table.caption
    for row in table.rows:
        names = [*table.header, *[""] * (len(row) - len(table.header))]
        yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=False))


def articles(folder: Path, every: int) -> Corpus:
    """XQuAD: an article is a document, its paragraphs are sections; every n-th question."""
    paragraphs: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for entry in _lines(folder / "corpus/en.jsonl"):
        paragraphs[entry["_id"].partition("p")[0]].append((entry["_id"], entry["title"], entry["text"]))
    documents = [
        Document(name, some[0][1], tuple((Text(text),) for _, _, text in some)) for name, some in paragraphs.items()
    ]
    place = {
        name: (number, section)
        for number, some in enumerate(paragraphs.values())
        for section, (name, _, _) in enumerate(some)
    }
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels/test.tsv").read_text("utf8").splitlines()[1:])
    asked = [entry for entry in _lines(folder / "queries/en.jsonl") if entry["_id"] in gold][::every]
    questions = [
        Question(entry["text"], place[gold[entry["_id"]]][0], (place[gold[entry["_id"]]][1],)) for entry in asked
    ]
    return Corpus(tuple(documents), tuple(questions))


def pdfs(folder: Path, full: bool) -> Corpus:
    """MMDocIR: a PDF is a document, its pages are sections: what is written, then its tables and figures."""
    benchmark = load("mmdocir", folder, "pages")
    sizes = {name.rpartition("-q")[0]: len(pool) for name, pool in benchmark.pools.items()}
    chosen = [name for name, size in sizes.items() if full or size <= PAGES]
    documents = [_pdf(folder / "pdfs" / name) for name in chosen]
    questions = []
    for name, query in benchmark.queries.items():
        source = name.rpartition("-q")[0]
        if source in chosen:
            pages = tuple(int(page.rpartition("#")[2]) for page in benchmark.qrels[name])
            questions.append(Question(query.text, chosen.index(source), pages))
    return Corpus(tuple(documents), tuple(questions))


def _pdf(path: Path) -> Document:
    """Every page's words, and the figures on it; the picture of the page itself is left out."""
    pages: dict[int, list[Any]] = defaultdict(list)
    title = path.stem
    for item in pdf_pages(path):
        title = item.title or title
        number = (item.locator.page or 1) - 1
        if item.kind == "page":
            pages[number] += [part for part in item.parts if isinstance(part, Text)]
        elif item.kind == "figure":
            pages[number] += [part for part in item.parts if isinstance(part, Image)]
    return Document(path.name, title, tuple(tuple(pages[number]) for number in range(max(pages) + 1)))


def encyclopaedia(folder: Path, full: bool) -> Corpus:
    """Stamps: a folder of them is an entry, a stamp is a section that says in one way only what it shows.

    By turns a picture without words, a sentence in German and French, or a table of names; asked for in English.
    """
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in _lines(folder / "items.jsonl"):
        if _translated(entry["captions"]):
            groups["/".join(entry["path_in_package"].split("/")[:2])].append(entry)
    kept = {name: some for name, some in groups.items() if len(some) >= LEAST}
    share = 1.0 if full else min(STAMPS / sum(map(len, kept.values())), 1.0)
    documents: list[Document] = []
    questions: list[Question] = []
    for name, some in kept.items():
        taken = some[: max(LEAST, round(share * len(some)))]
        kinds = [KINDS[number % len(KINDS)] for number in range(len(taken))]
        sections = [_entry(entry, kind, folder) for entry, kind in zip(taken, kinds, strict=True)]
        title = name.rpartition("/")[2]
        for number, (entry, kind) in enumerate(zip(taken, kinds, strict=True)):
            questions.append(Question(entry["captions"]["en"], len(documents), (number,), kind))
        documents.append(Document(name, title, tuple(sections)))
    return Corpus(tuple(documents), tuple(questions))


def _translated(names: Mapping[str, str]) -> bool:
    """Whether the English name is not also that of another language."""
    others = [names.get(language, "") for language in ("de", "fr", "es", "it")]
    return bool(names.get("en")) and all(others) and not any(names["en"].lower() in name.lower() for name in others)


def _entry(entry: Mapping[str, Any], kind: str, folder: Path) -> Parts:
    names = entry["captions"]
    if kind == "picture":
        return (Image(str(folder / entry["image"])),)
    if kind == "text":
        return (Text(names["de"]), Text(names["fr"]))
    return (Table(((names["es"], names["it"]),), header=("español", "italiano")),)


def pairs(questions: Sequence[Question]) -> list[Question]:
    """Two questions in one, about different sections of a document: neighbours that qualify, each used once."""
    found: list[Question] = []
    waiting: dict[int, Question] = {}
    for question in questions:
        other = waiting.get(question.document)
        if other is not None and not set(other.sections) & set(question.sections):
            both = (*other.sections, *question.sections)
            found.append(Question(f"{other.text} {question.text}", question.document, both))
            del waiting[question.document]
        elif other is None:
            waiting[question.document] = question
    return found


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf8") as file:
        for line in file:
            yield json.loads(line)

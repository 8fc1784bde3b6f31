"""Results, answers and reports in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bowerbird.collection import AddReport, Failure, FieldIndex, FileRecord, ReembedReport, Stats
from bowerbird.items import Item
from bowerbird.pipeline.results import Answer, Hit, Results
from bowerbird.show.pictures import picture_escape
from bowerbird.show.places import place_in_words

SIGNS = {"page": "page", "image": "image", "text": "text", "table": "table", "audio": "audio", "video": "video"}
STYLES = {"page": "cyan", "image": "magenta", "text": "green", "table": "yellow", "audio": "blue", "video": "red"}


def print_results(results: Results) -> None:
    console = Console(highlight=False)
    if not results.hits:
        console.print("nothing found")
    for hit in results.hits:
        print_hit(console, hit)
    console.print(Text(f"{len(results.hits)} hits in {results.took_ms:.0f} ms", "dim"))


def print_hit(console: Console, hit: Hit) -> None:
    head = Text(f"{hit.rank:>2} ", "bold")
    head.append(f"{SIGNS[hit.modality]:<6}", STYLES[hit.modality])
    head.append(_printable(hit.source), "bold")
    place = place_in_words(hit.place)
    if place:
        head.append(f"  {_printable(place)}")
    head.append(f"  {why(hit)}", "dim")
    console.print(head, soft_wrap=True)
    picture = picture_escape(hit.thumbnail) if hit.thumbnail else ""
    if picture:
        console.file.write(picture + "\n")
    if hit.evidence.snippet:
        console.print(_snippet(hit), soft_wrap=True)
    elif hit.title:
        console.print(Text("   " + _printable(hit.title), "italic"))


def why(hit: Hit) -> str:
    """The sources of evidence that speak for a hit, strongest first."""
    ranked = sorted(hit.matched.items(), key=lambda entry: -entry[1])
    return " ".join(f"{name} {score:.1f}" for name, score in ranked)


def _snippet(hit: Hit) -> Text:
    text = Text("   ")
    at = 0
    snippet = hit.evidence.snippet
    for start, end in hit.evidence.words:
        text.append(_printable(snippet[at:start])).append(_printable(snippet[start:end]), "bold underline")
        at = end
    return text.append(_printable(snippet[at:]))


def _printable(text: str) -> str:
    """One line without control characters: what a file says must not steer the terminal."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split(" "))


def print_answer(answer: Answer, *, already_shown: bool) -> None:
    console = Console(highlight=False)
    if already_shown:
        console.print()
    else:
        console.print(Text(_printable(answer.text)))
    if answer.model is None:
        console.print(Text("No language model is configured: these are quotations (see bowerbird ask --help).", "dim"))
    for citation in answer.citations:
        place = place_in_words(citation.hit.place)
        console.print(Text(f"[{citation.n}] {_printable(citation.hit.source)}  {_printable(place)}", "cyan"))


def print_report(report: AddReport) -> None:
    console = Console(highlight=False)
    parts = [
        f"{len(report.added)} added",
        f"{len(report.replaced)} replaced",
        f"{report.unchanged} unchanged",
        f"{len(report.removed)} removed",
        f"{len(report.failed)} left out",
    ]
    kept = [part for part in parts if not part.startswith("0 ")] or ["nothing to do"]
    console.print(f"{', '.join(kept)}; {report.items} items in {report.seconds:.1f} s")
    for failure in (*report.failed, *report.skipped):
        console.print(Text(f"  {_printable(failure.source)}: {_printable(failure.reason)}", "yellow"), soft_wrap=True)


def print_reembedded(report: ReembedReport) -> None:
    console = Console(highlight=False)
    for field, encoder in report.fields.items():
        console.print(Text(f"{field}: {_printable(encoder)}"), soft_wrap=True)
    console.print(f"{report.items} items in {report.seconds:.1f} s")
    notes = [(source, "from its stored thumbnail: the file is gone or has changed") for source in report.thumbnails]
    notes += [(source, "has no vectors now: the file is gone or has changed") for source in report.left_out]
    for source, note in notes:
        console.print(Text(f"  {_printable(source)}: {note}", "yellow"), soft_wrap=True)


def print_files(files: Sequence[FileRecord], failures: Sequence[Failure]) -> None:
    console = Console(highlight=False)
    table = Table("source", "title", "items", "size", box=None, header_style="bold")
    for file in files:
        table.add_row(
            Text(_printable(file.source)), Text(_printable(file.title)[:60]), str(file.items), size(file.size)
        )
    console.print(table)
    for failure in failures:
        console.print(Text(f"left out {_printable(failure.source)}: {_printable(failure.reason)}", "yellow"))


def print_item(item: Item) -> None:
    console = Console(highlight=False)
    console.print(
        Text(f"{item.kind}  {_printable(item.locator.source)}  {place_in_words(item.locator.place())}", "bold")
    )
    if item.title:
        console.print(Text(_printable(item.title), "italic"))
    for name, value in item.metadata.items():
        console.print(Text(f"  {_printable(str(name))}: {_printable(str(value))[:200]}", "dim"))
    for line in item.text.split("\n"):
        console.print(Text(_printable(line)))


def print_stats(stats: Stats, indexes: Sequence[FieldIndex]) -> None:
    console = Console(highlight=False)
    console.print(f"{stats.files} files, {stats.items} items, version {stats.version}")
    for kind, count in sorted(stats.kinds.items()):
        console.print(f"  {kind:<10}{count}")
    for name, encoder in stats.fields.items():
        console.print(f"  field {name}: {encoder}")
    for one in indexes:
        segments = f"{one.segments} {'segment' if one.segments == 1 else 'segments'}"
        console.print(f"  index of {one.field}: {one.index}, {one.rows} rows, {segments}, {size(one.bytes)}")
    for part, bytes_ in stats.bytes.items():
        console.print(f"  {part:<14}{size(bytes_)}")


def print_doctor(report: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    packages = ", ".join(f"{name} {number}" for name, number in report["packages"].items())
    console.print(f"Python {report['python']}; {packages}")
    console.print(f"search kernels: {report['kernels']}")
    if "library" in report:
        console.print(f"library {report['library']}: {size(sum(report['bytes'].values()))}")
        for name, encoder in report["encoders"].items():
            console.print(f"  field {name}: {encoder}")
        if report["writer"]:
            console.print(f"  being written by {report['writer']}")
    for line in report["advice"]:
        console.print(Text(f"note: {_printable(line)}", "dim"), soft_wrap=True)
    for line in report["problems"]:
        console.print(Text(f"problem: {_printable(line)}", "bold red"), soft_wrap=True)
    for line in report["repaired"]:
        console.print(Text(f"repaired: {_printable(line)}", "green"), soft_wrap=True)
    for line in report["lost"]:
        console.print(Text(f"lost: {_printable(line)}", "bold red"), soft_wrap=True)
    if report.get("verified") and not report["problems"]:
        console.print(Text("every checksum is right", "green"))


def size(bytes_: float) -> str:
    """Bytes in words."""
    for unit in ("B", "KB", "MB", "GB"):
        if bytes_ < 1000 or unit == "GB":
            return f"{bytes_:.0f} {unit}" if unit == "B" else f"{bytes_:.1f} {unit}"
        bytes_ /= 1000
    return ""

"""The demonstration: the questions of tour.json, run on a folder of example files."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.text import Text

import bowerbird
from bowerbird.items import Image, Part
from bowerbird.show.html import answer_section, page, results_section
from bowerbird.show.progress import adding
from bowerbird.show.terminal import print_answer, print_report, print_results

HITS = 4


def tour(folder: Path, library_folder: Path, html: Path) -> None:
    """Add the folder, run every stop of the tour, write the page.

    A stop has a `heading` and either `ask` (a question) or `text` and `image` (a path below the folder), and may
    have `modality`.
    """
    console = Console(highlight=False)
    library = bowerbird.open(library_folder)
    with adding(quiet=False) as progress:
        report = library.add(folder, progress=progress)
    print_report(report)
    sections = []
    for stop in json.loads((files(__package__) / "tour.json").read_text("utf8")):
        console.rule(Text(stop["heading"]), align="left")
        if "ask" in stop:
            console.print(Text(stop["ask"], "bold"))
            answer = library.ask(stop["ask"])
            print_answer(answer, already_shown=False)
            sections.append(answer_section(stop["ask"], answer))
            continue
        parts: list[Part | str] = [Image(str(folder / stop["image"]))] if "image" in stop else []
        parts += [stop["text"]] if "text" in stop else []
        console.print(Text(" + ".join([stop.get("image", ""), stop.get("text", "")]).strip(" +"), "bold"))
        wanted = [stop["modality"]] if "modality" in stop else None
        results = library.search(parts, HITS, modalities=wanted)
        print_results(results)
        sections.append(results_section(results, stop["heading"]))
    html.write_text(page("bowerbird: a tour", sections), "utf8")
    console.print(f"\nwrote {html}: open it in a browser")

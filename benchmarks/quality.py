"""Quality of the default search on real sets: every source alone, and the fused default.

    python -m benchmarks.quality            # all sets, about ten minutes on two cores
    python -m benchmarks.quality xquad cisi
    python -m benchmarks.quality --write docs/benchmarks.md

Figures are nDCG@10 and R@k (relevant documents among the first k, of those that k could hold). A query is never asked
for itself: composed queries leave their reference picture out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import bowerbird as bb
from benchmarks import sets
from benchmarks.report import machine, write_section
from bowerbird.collection.snapshot import Snapshot
from bowerbird.encoders import token_counter
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.group import Group
from bowerbird.pipeline.late import LateInteraction
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.pipeline.stage import Stage
from bowerbird.ranking import Ranking
from bowerbird.readers.base import ReadOptions

BATCH = 100
CUTS = (1, 3, 5, 10)
HEADER = ("set", "queries", "source", "nDCG@10", *(f"R@{k}" for k in CUTS))
TEXT_SOURCES = ("BM25", "dense", "late interaction", "default")


def pipelines(snapshot: Snapshot) -> dict[str, Stage]:
    """Every source alone, then all together."""
    group = Group(snapshot, "none")
    tokens = LateInteraction(snapshot)
    return {
        "BM25": Lexical(snapshot) >> group,
        "dense": Dense(snapshot, "text") >> group,
        "late interaction": 0 * (Dense(snapshot, "text") % 100) >> tokens >> group,
        "picture": Dense(snapshot, "image") >> group,
        "default": default_pipeline(snapshot, "none"),
    }


def measure(stage: Stage, asked: sets.Queries, names: dict[str, str]) -> tuple[float, ...]:
    """nDCG@10 and R@k over documents: a document counts once, with its best item."""
    figures = []
    for start in range(0, len(asked.queries), BATCH):
        ranking = stage(Ranking.empty(asked.queries[start : start + BATCH]))
        for number, relevant in enumerate(asked.qrels[start : start + BATCH]):
            documents = list(dict.fromkeys(names[name] for name, _ in ranking.hits(number)))
            documents = [name for name in documents if name != asked.left_out(start + number)]
            found = [relevant.get(name, 0.0) for name in documents[:10]]
            ideal = sorted(relevant.values(), reverse=True)[:10]
            recalls = [sum(gain > 0 for gain in found[:k]) / min(len(relevant), k) for k in CUTS]
            figures.append((discounted(found) / discounted(ideal), *recalls))
    return tuple(map(float, np.mean(figures, axis=0)))


def discounted(gains: Sequence[float]) -> float:
    return float(sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)))


Figures = dict[tuple[str, int], dict[str, tuple[float, ...]]]
"""Per set and number of queries, per source: what `measure` gives."""


def cells(measured: Figures) -> list[tuple[str, ...]]:
    """The rows of the table, and last the mean over the sets that words can be searched in."""
    text = [sources for sources in measured.values() if set(TEXT_SOURCES) <= sources.keys()]
    found = dict(measured)
    if text:
        found["mean of sets of text", 0] = {
            source: tuple(np.mean([sources[source] for sources in text], axis=0)) for source in TEXT_SOURCES
        }
    return [
        (title, f"{queries:,}" if queries else "", source, *(f"{figure:.3f}" for figure in figures))
        for (title, queries), sources in found.items()
        for source, figures in sources.items()
    ]


def markdown(measured: Figures) -> str:
    """The figures as a table of a guide."""
    lines = [HEADER, ("---", "---:", "---", *["---:"] * (len(CUTS) + 1)), *cells(measured)]
    return f"{machine()}.\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in lines)


def main() -> None:
    options = ReadOptions(count_tokens=token_counter("e5"))
    makers: dict[str, Callable[[], sets.Set]] = {
        "xquad": lambda: sets.xquad(options),
        "cranfield": lambda: sets.beir("text/cranfield", options),
        "cisi": lambda: sets.beir("text/cisi", options),
        "tables": lambda: sets.beir("tables/wikitablequestions-subset", options, every=10),
        "mmdocir": sets.pages,
        "photos": sets.photos,
        "mixed": lambda: sets.mixed(options),
        "stamps": sets.stamps,
        "emoji": sets.emoji,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(makers), help=f"any of {', '.join(makers)}")
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put the table into this guide")
    given = parser.parse_args()
    measured: Figures = {}
    for name in given.sets:
        made = makers[name]()
        with tempfile.TemporaryDirectory() as folder:
            library = bb.open(f"{folder}/library")
            started = time.perf_counter()
            made.fill(library)
            took = time.perf_counter() - started
            snapshot = library.collection.snapshot()
            names = made.names(snapshot)
            Console().print(f"{name}: {len(snapshot)} items in {took:.0f} s ({len(snapshot) / took:.0f}/s)")
            for title, asked in made.queries.items():
                found = {source: measure(stage, asked, names) for source, stage in pipelines(snapshot).items()}
                measured[title, len(asked.queries)] = {
                    source: figures for source, figures in found.items() if figures[0] > 0.001
                }
    table = Table(*HEADER)
    for row in cells(measured):
        table.add_row(*row)
    Console(width=110).print(table)
    if given.write:
        write_section(given.write, "quality", markdown(measured))


if __name__ == "__main__":
    main()

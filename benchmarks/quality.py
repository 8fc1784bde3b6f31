"""Quality of the default search on real sets: every source alone, and the fused default.

    python -m benchmarks.quality            # all sets, about ten minutes on two cores
    python -m benchmarks.quality xquad cisi
    python -m benchmarks.quality --write docs/benchmarks.md

Figures are nDCG@10 and R@1 (share of queries whose first hit is relevant). A query is never asked for itself:
composed queries leave their reference picture out.
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
HEADER = ("set", "queries", "source", "nDCG@10", "R@1", "R@10", "ms/query")


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


def measure(stage: Stage, asked: sets.Queries, names: dict[str, str]) -> tuple[float, float, float]:
    """nDCG@10, R@1 and R@10 over documents: a document counts once, with its best item."""
    gains, firsts, tens = [], [], []
    for start in range(0, len(asked.queries), BATCH):
        queries = asked.queries[start : start + BATCH]
        ranking = stage(Ranking.empty(queries))
        for number, relevant in enumerate(asked.qrels[start : start + BATCH]):
            documents = list(dict.fromkeys(names[name] for name, _ in ranking.hits(number)))
            documents = [name for name in documents if name != asked.left_out(start + number)]
            found = [relevant.get(name, 0.0) for name in documents[:10]]
            ideal = sorted(relevant.values(), reverse=True)[:10]
            gains.append(discounted(found) / discounted(ideal))
            firsts.append(bool(found and found[0] > 0))
            tens.append(sum(gain > 0 for gain in found) / min(len(relevant), 10))
    return float(np.mean(gains)), float(np.mean(firsts)), float(np.mean(tens))


def discounted(gains: Sequence[float]) -> float:
    return float(sum(gain / np.log2(rank + 2) for rank, gain in enumerate(gains)))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a table of a guide."""
    lines = [HEADER, ("---", "---:", "---", *["---:"] * 4), *rows]
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
    table, rows = Table(*HEADER), []
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
                for source, stage in pipelines(snapshot).items():
                    started = time.perf_counter()
                    ndcg, first, ten = measure(stage, asked, names)
                    each = (time.perf_counter() - started) / len(asked.queries) * 1000
                    if ndcg > 0.001:
                        figures = (f"{ndcg:.3f}", f"{first:.3f}", f"{ten:.3f}", f"{each:.1f}")
                        rows.append((title, str(len(asked.queries)), source, *figures))
                        table.add_row(*rows[-1])
                table.add_section()
    Console(width=110).print(table)
    if given.write:
        write_section(given.write, "quality", markdown(rows))


if __name__ == "__main__":
    main()

"""Speed and recall of bowerbird's indexes and of other libraries', on the same vectors, side by side.

    python -m venv build/bench/venv
    build/bench/venv/bin/pip install torch==2.13.0      # a CPU build, before anything that would bring another
    build/bench/venv/bin/pip install -r benchmarks/engine/peers.txt -e .
    python -m benchmarks.engine.data                    # once
    build/bench/venv/bin/python -m benchmarks.engine --set s20

Indexes are built once, on two threads, and kept below the folder. Searches run on one thread, or on two with
--throughput, which measures batches too. Results are printed as markdown and written to FOLDER/results.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.engine import threads

SETS = ("s20", "text", "pages", "dense40k", "dense100k", "dense1m")


def main() -> None:
    wanted = _arguments()
    threads.limit(2 if wanted.throughput else 1)
    from rich.console import Console

    from benchmarks.engine import roster, sets
    from benchmarks.engine.measure import measure
    from benchmarks.engine.table import markdown

    console = Console(stderr=True)
    kind = "dense" if sets.SOURCES[wanted.set].dense else "tokens"
    entries = [one for one in roster.ENTRIES if one.kind == kind and (not wanted.only or one.name in wanted.only)]
    measured = measure(
        entries,
        sets.load(wanted.set, wanted.folder),
        wanted.folder,
        queries=wanted.queries,
        throughput=wanted.throughput,
        minutes=wanted.minutes,
        say=lambda text: console.print(text, highlight=False),
    )
    kinds = ["throughput"] * wanted.throughput + ["part"] * bool(wanted.only)
    target = wanted.folder / "results" / f"{'-'.join([wanted.set, *kinds])}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(asdict(measured), indent=1))
    absent = roster.NOT_BUILT if kind == "tokens" else ()
    Console(soft_wrap=True, highlight=False, markup=False).print(markdown(measured, absent))
    console.print(f"written to {target}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, default="s20")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="as in the first column of the table")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--throughput", action="store_true")
    parser.add_argument("--minutes", type=float, default=30, help="that one build may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()

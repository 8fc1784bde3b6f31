"""Runs the experiments of all papers' pages and writes what they measured to docs/papers.md and beside the pages.

python -m benchmarks.papers                 # all of them; up to three minutes each on two cores
python -m benchmarks.papers muvera dbnorm   # the others keep what they had
"""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from rich.console import Console

from benchmarks.report import write_section
from benchmarks.sets import DATA
from bowerbird.papers import load, names
from bowerbird.papers.measured import FILE, Measured, measured, write
from bowerbird.papers.page import Run, reproduce
from bowerbird.papers.table import markdown
from bowerbird.show.papers import print_reproduced

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="pages; all if none is given")
    parser.add_argument("--data", type=Path, default=DATA)
    wanted = parser.parse_args()
    found, console = measured(), Console(stderr=True)
    for name in wanted.names or names():
        page = load(name)
        report = reproduce(page, Run(wanted.data, say=lambda text: console.print(text, style="dim")))
        print_reproduced(page, report)
        found[name] = Measured(date.today(), report)
        write(ROOT / "src/bowerbird/papers" / FILE, found)
    ordered = {name: found[name] for name in names() if name in found}
    write_section(ROOT / "docs/papers.md", "papers", markdown(ordered, {name: load(name) for name in ordered}))


if __name__ == "__main__":
    main()

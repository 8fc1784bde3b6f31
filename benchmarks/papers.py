"""Writes what the papers' pages measured to docs/papers.md and beside the pages.

    bowerbird reproduce --all --data ../shared/data --json > build/reproduced.json
    python -m benchmarks.papers build/reproduced.json

With some pages in the file, the others keep what they had.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from benchmarks.report import write_section
from bowerbird.papers import load, names
from bowerbird.papers.measured import FILE, Measured, measured, report_of, write
from bowerbird.papers.table import markdown

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="of `bowerbird reproduce --json`")
    fresh = json.loads(parser.parse_args().file.read_text("utf8"))
    found = measured() | {name: Measured(date.today(), report_of(entry)) for name, entry in fresh.items()}
    write(ROOT / "src/bowerbird/papers" / FILE, found)
    ordered = {name: found[name] for name in names() if name in found}
    write_section(ROOT / "docs/papers.md", "papers", markdown(ordered, {name: load(name) for name in ordered}))


if __name__ == "__main__":
    main()

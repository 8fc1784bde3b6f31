"""Makes the data of the engine benchmark; what is there already is kept.

python -m benchmarks.engine.data                     all of it, below build/bench; most of an hour on two cores
python -m benchmarks.engine.data --documents 4000 --folder build/small

text       41,000 package descriptions and 1,200 queries: token vectors of the default text encoder
pages      3,000 items of about 860 vectors, as the patches of page images are
dense1m    a million pooled vectors with 1,000 queries
*_truth    the true best hundred of each set, by an exact pass in float32
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.engine.encoding import make_text
from benchmarks.engine.sets import FOLDER
from benchmarks.engine.synthetic import make_dense, make_pages
from benchmarks.engine.truth import make_truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--documents", type=int, default=1_000_000, help="fewer, for a trial")
    parser.add_argument("--only", choices=("text", "tokens", "all"), default="all")
    wanted = parser.parse_args()
    make_text(wanted.folder, wanted.documents)
    if wanted.only == "text":
        return
    make_pages(wanted.folder)
    make_truth(wanted.folder, "text")
    make_truth(wanted.folder, "pages")
    if wanted.only == "all":
        make_dense(wanted.folder)
        make_truth(wanted.folder, "dense1m")


if __name__ == "__main__":
    main()

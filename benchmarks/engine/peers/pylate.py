"""pylate's PLAID: Stanford's ColBERT engine (arXiv 2205.09707), torch with kernels compiled on first use.

The kernels need ninja, which is installed beside the interpreter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pylate import indexes

from benchmarks.engine.arrays import Floats, Ids, Offsets

BITS = 4
NAME = "plaid"


@dataclass(frozen=True)
class Cells:
    cells: int
    documents: int
    """Candidates that go on to the second of three stages; a quarter of them are scored with all their vectors."""
    threshold: float
    """Centroids below it are left out of the first stage."""


class Plaid:
    name = "pylate PLAID"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        items = [np.array(vectors[start:end], np.float32) for start, end in pairwise(offsets)]
        self._in(folder).add_documents([str(row) for row in range(len(items))], items)

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._searcher = self._in(folder).searcher

    def settings(self) -> Sequence[Cells]:
        return [Cells(1, 256, 0.5), Cells(2, 1024, 0.45), Cells(4, 4096, 0.4), Cells(8, 8192, 0.35)]

    def search(self, query: Floats, k: int, setting: Cells) -> Ids:
        self._searcher.configure(
            ncells=setting.cells, ndocs=setting.documents, centroid_score_threshold=setting.threshold
        )
        return np.array(self._searcher.search(query, k=k)[0], np.int64)

    def _in(self, folder: Path) -> indexes.PLAID:
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return indexes.PLAID(str(folder), NAME, nbits=BITS)

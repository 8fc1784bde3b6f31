"""fast-plaid: PLAID in Rust on top of torch 2.11; see peers-torch211.txt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from fast_plaid import search as fast_plaid

from benchmarks.engine.arrays import Floats, Ids, Offsets

BITS = 4
SAMPLED_VECTORS = 300_000
"""About how many vectors the centroids are fitted on; the default takes more items and several times as long."""


@dataclass(frozen=True)
class Plaid:
    full: int
    """Items scored with all their vectors."""
    probe: int


class FastPlaid:
    name = "fast-plaid"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        items = [torch.from_numpy(np.array(vectors[a:b])) for a, b in pairwise(offsets)]
        sampled = int(SAMPLED_VECTORS * len(items) / offsets[-1])
        index = fast_plaid.FastPlaid(index=str(folder), device="cpu")
        index.create(documents_embeddings=items, nbits=BITS, n_samples_kmeans=min(sampled, len(items)))

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = fast_plaid.FastPlaid(index=str(folder), device="cpu")

    def settings(self) -> Sequence[Plaid]:
        return [Plaid(256, 4), Plaid(512, 4), Plaid(1024, 8), Plaid(4096, 8), Plaid(4096, 32)]

    def search(self, query: Floats, k: int, setting: Plaid) -> Ids:
        return self.search_batch([query], k, setting)[0]

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Plaid) -> list[Ids]:
        found = self._index.search(
            queries_embeddings=[torch.from_numpy(query) for query in queries],
            top_k=k,
            n_full_scores=setting.full,
            n_ivf_probe=setting.probe,
            show_progress=False,
        )
        return [np.array([row for row, _ in one], np.int64) for one in found]

"""xtr-warp-rs: the WARP engine (arXiv 2501.17788) in Rust on top of torch 2.11 with CUDA; see peers-torch211.txt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from xtr_warp.search import XTRWarp

from benchmarks.engine.arrays import Floats, Ids, Offsets

BITS = 4
SAMPLED_VECTORS = 300_000


@dataclass(frozen=True)
class Probes:
    probe: int


class Warp:
    name = "xtr-warp"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        items = [torch.from_numpy(np.array(vectors[a:b])) for a, b in pairwise(offsets)]
        sampled = min(int(SAMPLED_VECTORS * len(items) / offsets[-1]), len(items))
        XTRWarp(str(folder)).create(items, device="cpu", nbits=BITS, show_progress=False, n_samples_kmeans=sampled)

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._index = XTRWarp(str(folder))
        self._index.load("cpu")

    def settings(self) -> Sequence[Probes]:
        return [Probes(8), Probes(32), Probes(64)]

    def search(self, query: Floats, k: int, setting: Probes) -> Ids:
        batch = torch.from_numpy(query)[None]
        found = self._index.search(batch, top_k=k, num_threads=1, nprobe=setting.probe, show_progress=False)[0]
        return np.array([row for row, _ in found], np.int64)

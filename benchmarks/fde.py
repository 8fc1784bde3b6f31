"""Fixed dimensional encodings and binary codes against the libraries that people use for them, on one core.

    python -m benchmarks.engine.data     makes the data, below build/bench
    python -m benchmarks.fde             encoding against muvfde (a binding of Google's C++), what the candidates are
                                         worth, and Hamming search against faiss

Needs muvfde and faiss-cpu. Rates are per second of processor time, the best of three runs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from benchmarks.engine.threads import limit

limit(1)

import faiss  # noqa: E402
import muvfde  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks.engine.sets import FOLDER, BenchSet, load  # noqa: E402
from bowerbird.embeddings import Binary, Dense, MultiVector  # noqa: E402
from bowerbird.index import kernels  # noqa: E402
from bowerbird.index.binary import BinaryIndex  # noqa: E402
from bowerbird.index.fde import FDE, FDEConfig  # noqa: E402

TIMED = 2000
"""Documents whose encoding is timed."""
DEPTHS = (1, 10, 100, 1000)
BITS = 256
TRAINED = 10_000
"""Encodings that product quantisation is trained on."""
ITERATIONS = 6
"""Of its k-means; more take minutes and change nothing that can be seen here."""

CONFIGS = (FDEConfig(128), FDEConfig(128, simhash=5, projection=16))
"""2,560 and 10,240 numbers, from the settings of the paper."""
FORMS = {"bowerbird (C)": "c", "bowerbird (numba)": "numba", "bowerbird (numpy)": "numpy"}

Rates = tuple[float, float]
Singles = NDArray[np.float32]
Batch = TypeVar("Batch", bound=Sized)


def rate(batches: Sequence[Batch], work: Callable[[Batch], object]) -> float:
    """Rows of the batches per second."""
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        for batch in batches:
            work(batch)
        best = min(best, time.process_time() - started)
    return sum(len(batch) for batch in batches) / best


def google(config: FDEConfig, tokens: MultiVector, kind: muvfde.encoding_type) -> Singles:
    """What muvfde makes of sets of float32 tokens."""
    settings = muvfde.fixed_dimensional_encoding_config()
    settings.set_num_repetitions(config.repetitions)
    settings.set_num_simhash_projections(config.simhash)
    settings.set_projection_dimension(config.projection or config.dim)
    settings.set_projection_type(muvfde.projection_type.AMS_SKETCH)
    settings.set_encoding_type(kind)
    settings.enable_fill_empty(config.fill and kind == muvfde.encoding_type.AVERAGE)
    settings.set_seed(1)
    make = muvfde.generate_fixed_dimensional_encoding
    return np.stack([make(tokens[row], settings) for row in range(len(tokens))])


def encoding(console: Console, documents: MultiVector, queries: MultiVector) -> dict[str, dict[str, Rates]]:
    """Sets per second, of documents and of queries: float32 tokens in memory → encodings."""
    measured = {}
    title = (
        f"encoding sets of {documents.lengths.mean():.0f} and {queries.lengths.mean():.0f} tokens of {documents.dim}"
    )
    table = Table("numbers", "by", "documents/s", "", "queries/s", "", "ns per token", title=title)
    for config in CONFIGS:
        base = google_rates(config, documents, queries)
        rows = [("muvfde (C++)", base)] + [(form, our_rates(form, config, documents, queries)) for form in FORMS]
        measured[f"{config.width:,}"] = {"muvfde": base, "bowerbird": max(rates for _, rates in rows[1:])}
        for name, rates in rows:
            cells = [
                cell
                for mine, theirs in zip(rates, base, strict=True)
                for cell in (f"{mine:,.0f}", f"{mine / theirs:.1f} ×")
            ]
            table.add_row(f"{config.width:,}", name, *cells, f"{1e9 / rates[0] / documents.lengths.mean():,.0f}")
    console.print(table)
    return measured


def google_rates(config: FDEConfig, documents: MultiVector, queries: MultiVector) -> Rates:
    return (
        rate([documents], lambda sets: google(config, sets, muvfde.encoding_type.AVERAGE)),
        rate([queries], lambda sets: google(config, sets, muvfde.encoding_type.DEFAULT_SUM)),
    )


def our_rates(form: str, config: FDEConfig, documents: MultiVector, queries: MultiVector) -> Rates:
    os.environ[kernels.CHOICE] = FORMS[form]
    fde = FDE(config)
    rates = rate([documents], fde.encode_documents), rate([queries], fde.encode_queries)
    del os.environ[kernels.CHOICE]
    return rates


def candidates(console: Console, found: BenchSet) -> None:
    """How often the best item by exact MaxSim is among the first N candidates, and the share of its best ten."""
    documents = MultiVector(np.asarray(found.vectors), found.offsets)
    queries = MultiVector.of(found.queries)
    title = (
        f"candidates for {len(queries)} queries among {len(documents):,} documents: where is the best of exact MaxSim?"
    )
    table = Table("candidates by", "bytes per document", *(f"first {n}" for n in DEPTHS), "best 10 in 100", title=title)

    def row(name: str, size: int, scores: Singles) -> None:
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, : DEPTHS[-1]]
        firsts = [(ranked[:, :depth] == found.truth[:, :1]).any(axis=1).mean() for depth in DEPTHS]
        ten = np.mean([np.isin(best[:10], hits[:100]).mean() for best, hits in zip(found.truth, ranked, strict=True)])
        table.add_row(name, f"{size:,}", *(f"{share:.3f}" for share in (*firsts, ten)))

    row("mean pooling", 4 * documents.dim, means(queries) @ means(documents).T)
    for config in CONFIGS:
        for filled in (config, replace(config, fill=False)):
            fde = FDE(filled)
            name = f"FDE {fde.config.width:,}{'' if filled.fill else ' without fill'}"
            asked, stored = fde.encode_queries(queries).vectors, fde.encode_documents(documents).vectors
            row(name, 4 * fde.config.width, asked @ stored.T)
            row(f"{name}, PQ-256-8", fde.config.width // 8, quantised(asked, stored))
    sketched = FDE(FDEConfig(documents.dim, simhash=5, projection=None, fill=False, final_dim=2560))
    scores = sketched.encode_queries(queries).vectors @ sketched.encode_documents(documents).vectors.T
    row("FDE 81,920 without fill, count sketch 2,560", 4 * 2560, scores)
    wide, asked_wide = float32(documents), float32(queries)
    stored = google(CONFIGS[0], wide, muvfde.encoding_type.AVERAGE)
    row("muvfde 2,560", 4 * 2560, google(CONFIGS[0], asked_wide, muvfde.encoding_type.DEFAULT_SUM) @ stored.T)
    console.print(table)


def means(tokens: MultiVector) -> Singles:
    pooled = np.add.reduceat(tokens.vectors.astype(np.float32), tokens.offsets[:-1]) / tokens.lengths[:, None]
    return Dense(pooled.astype(np.float32)).normalized().vectors.astype(np.float32)


def quantised(queries: Singles, documents: Singles) -> Singles:
    """Scores with documents as a byte for every 8 numbers (product quantisation by faiss) and queries as they are."""
    coded = faiss.IndexPQ(documents.shape[1], documents.shape[1] // 8, 8, faiss.METRIC_INNER_PRODUCT)
    coded.pq.cp.niter = ITERATIONS
    coded.train(documents[:TRAINED])
    coded.add(documents)
    scores: Singles = queries @ coded.reconstruct_n(0, len(documents)).T
    return scores


def float32(tokens: MultiVector) -> MultiVector:
    return MultiVector(np.asarray(tokens.vectors, np.float32), tokens.offsets)


def hamming(console: Console, folder: Path) -> None:
    """Signs of the first dimensions of pooled vectors, the ten nearest of a million."""
    codes, asked = (signs(np.load(folder / name, mmap_mode="r")) for name in ("dense1m.npy", "dense_q.npy"))
    theirs = faiss.IndexBinaryFlat(BITS)
    theirs.add(codes)
    ours = BinaryIndex.build(np.arange(len(codes)), Binary(codes))
    expected, _ = theirs.search(asked, 10)
    assert np.array_equal(-ours.search(Binary(asked), 10).scores, expected)
    table = Table("by", "queries at a time", "queries/s", "", title=f"the 10 nearest of {len(codes):,} × {BITS} bits")
    for together in (1, len(asked)):
        batches = np.split(asked[: max(together, 50)], max(together, 50) // together)
        base = rate(batches, lambda batch: theirs.search(batch, 10))
        mine = rate(batches, lambda batch: ours.search(Binary(batch), 10))
        for name, figure in (("faiss IndexBinaryFlat", base), (f"bowerbird ({kernels.name()})", mine)):
            table.add_row(name, str(together), f"{figure:,.0f}", f"{figure / base:.1f} ×")
    console.print(table)


def signs(vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.packbits(np.asarray(vectors[:, :BITS]) > 0, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--set", default="s20", help="documents among which candidates are sought")
    wanted = parser.parse_args()
    faiss.omp_set_num_threads(1)
    console = Console(width=120)
    found = load(wanted.set, wanted.folder)
    first = found.offsets[: TIMED + 1]
    rates = encoding(console, float32(MultiVector(found.vectors[: first[-1]], first)), MultiVector.of(found.queries))
    results = wanted.folder / "results"
    results.mkdir(exist_ok=True)
    (results / "fde.json").write_text(json.dumps({"encoding": rates}, indent=1))
    hamming(console, wanted.folder)
    candidates(console, found)


if __name__ == "__main__":
    main()

"""Who takes part: adapters by name, and those that could not be installed, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from benchmarks.engine.adapter import Adapter


@dataclass(frozen=True)
class Entry:
    """An adapter class as `module:Class`, loaded only when it is asked for."""

    name: str
    kind: Literal["tokens", "dense"]
    place: str
    ours: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Absent:
    name: str
    reason: str


PEERS = "benchmarks.engine.peers"
TORCH_211 = " (its wheel needs torch 2.11 with CUDA in an environment of its own: peers-torch211.txt)"
ENTRIES = (
    Entry("bowerbird", "tokens", "benchmarks.engine.ours:Tokens", ours=True),
    Entry("bowerbird + float16", "tokens", "benchmarks.engine.ours:TokensExact", ours=True),
    Entry("bowerbird, pooled by 2", "tokens", "benchmarks.engine.ours:TokensPooled", ours=True),
    Entry("bowerbird 4 bit", "tokens", "benchmarks.engine.ours:Tokens4", ours=True),
    Entry("bowerbird 2 bit", "tokens", "benchmarks.engine.ours:Tokens2", ours=True),
    Entry("bowerbird 2 bit + float16", "tokens", "benchmarks.engine.ours:Tokens2Exact", ours=True),
    Entry("bowerbird dense", "dense", "benchmarks.engine.ours:Dense", ours=True),
    Entry("bowerbird dense, product codes", "dense", "benchmarks.engine.ours:DenseProduct", ours=True),
    Entry("maxsim-cpu", "tokens", f"{PEERS}.exact:MaxSimCpu"),
    Entry("mean pooling + MaxSim", "tokens", f"{PEERS}.two_stage:MeanPooling"),
    Entry("MUVERA FDE 2560 + MaxSim", "tokens", f"{PEERS}.two_stage:Muvera2560"),
    Entry("MUVERA FDE 10240 + MaxSim", "tokens", f"{PEERS}.two_stage:Muvera10240"),
    Entry("lancedb multivector", "tokens", f"{PEERS}.lance:LanceTokens"),
    Entry("pylate PLAID", "tokens", f"{PEERS}.pylate:Plaid"),
    Entry("fast-plaid", "tokens", f"{PEERS}.plaid:FastPlaid", needs=TORCH_211),
    Entry("xtr-warp", "tokens", f"{PEERS}.warp:Warp", needs=TORCH_211),
    Entry("faiss flat SQ8", "dense", f"{PEERS}.faiss:FlatSq8"),
    Entry("faiss IVF-PQ fast scan + refine", "dense", f"{PEERS}.faiss:IvfFastScan"),
    Entry("faiss HNSW", "dense", f"{PEERS}.faiss:Hnsw"),
    Entry("faiss HNSW-SQ8", "dense", f"{PEERS}.faiss:HnswSq8"),
    Entry("hnswlib", "dense", f"{PEERS}.hnswlib:HnswLib"),
    Entry("usearch f16", "dense", f"{PEERS}.usearch:UsearchF16"),
    Entry("usearch i8", "dense", f"{PEERS}.usearch:UsearchI8"),
    Entry("voyager", "dense", f"{PEERS}.voyager:Voyager"),
    Entry("turbovec", "dense", f"{PEERS}.turbovec:Turbovec"),
    Entry("turbovec + refine", "dense", f"{PEERS}.turbovec:TurbovecRefined"),
    Entry("lancedb IVF_HNSW_SQ", "dense", f"{PEERS}.lance:LanceDense"),
)
NOT_BUILT = (
    Absent(
        "TACHIOM 0.4.0",
        "no wheel for Linux; its source needs crates and a git tag that could not be fetched; its paper (arXiv "
        "2604.28142) has up to 9.8 × the speed of the systems before it",
    ),
    Absent(
        "LEMUR", "no package found, only a repository with a C++ extension and a network to train for each collection"
    ),
    Absent("muvera", "no wheel, its source needs crates that could not be fetched; muvfde stands for MUVERA"),
    Absent("muvera-rs 0.1.0", "installs, but takes lists of Python floats: over 6 GB for 20,000 documents"),
    Absent("voyager-index 0.1.6", "installs without its kernels; adding 1,000 documents did not end in 160 s"),
)
"""Tried with Python 3.11 on Linux, five minutes each."""


def load(entry: Entry) -> Adapter[Any] | Absent:
    module, _, name = entry.place.partition(":")
    try:
        adapter: Adapter[Any] = getattr(import_module(module), name)()
    except (ImportError, AttributeError) as error:
        return Absent(entry.name, f"not installed: {str(error).splitlines()[0]}{entry.needs}")
    return adapter

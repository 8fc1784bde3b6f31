"""LanceDB: multivector search on IVF-PQ, and dense search on a graph per partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa

from benchmarks.engine.arrays import Floats, Ids, Offsets

BATCH = 2000
TABLE = "items"


@dataclass(frozen=True)
class Refined:
    probes: int
    refine: int
    """Times k candidates are scored with the vectors themselves; 0 for none."""


class Lance:
    """A table in the folder; cosine of unit vectors."""

    metric: str

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        self._table = lancedb.connect(folder).open_table(TABLE)

    def search(self, query: Floats, k: int, setting: Refined) -> Ids:
        asked = self._table.search(query if len(query) > 1 else query[0], vector_column_name="vector")
        asked = asked.metric(self.metric).limit(k).nprobes(setting.probes)
        if setting.refine:
            asked = asked.refine_factor(setting.refine)
        found: Ids = asked.select(["id", "_distance"]).to_arrow()["id"].to_numpy()
        return found


class LanceTokens(Lance):
    name = "lancedb multivector"
    metric = "cosine"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        kind = pa.list_(pa.list_(pa.float16(), vectors.shape[1]))
        schema = pa.schema([pa.field("id", pa.int64()), pa.field("vector", kind)])
        reader = pa.RecordBatchReader.from_batches(schema, _ragged(vectors, offsets, schema))
        table = lancedb.connect(folder).create_table(TABLE, reader)
        partitions = min(1024, int(offsets[-1]) // 256)
        table.create_index("cosine", num_partitions=partitions, num_sub_vectors=32, vector_column_name="vector")

    def settings(self) -> Sequence[Refined]:
        return [Refined(8, 0), Refined(8, 2), Refined(32, 2), Refined(32, 8)]


class LanceDense(Lance):
    name = "lancedb IVF_HNSW_SQ"
    metric = "dot"

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        table = lancedb.connect(folder).create_table(TABLE, _flat(vectors))
        partitions = max(1, len(vectors) // 100_000 * 8)
        table.create_index(
            "dot",
            num_partitions=partitions,
            vector_column_name="vector",
            index_type="IVF_HNSW_SQ",
            m=16,
            ef_construction=100,
        )

    def settings(self) -> Sequence[Refined]:
        return [Refined(4, 0), Refined(8, 2), Refined(8, 4)]


def _ragged(vectors: Floats, offsets: Offsets, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    items = len(offsets) - 1
    for first in range(0, items, BATCH):
        bounds = offsets[first : min(first + BATCH, items) + 1]
        flat = pa.array(np.asarray(vectors[bounds[0] : bounds[-1]]).ravel())
        rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        lists = pa.ListArray.from_arrays(pa.array((bounds - bounds[0]).astype(np.int32)), rows)
        yield pa.record_batch([pa.array(np.arange(first, first + len(bounds) - 1)), lists], schema=schema)


def _flat(vectors: Floats) -> pa.Table:
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.asarray(vectors, np.float32).ravel()), vectors.shape[1])
    return pa.table({"id": np.arange(len(vectors)), "vector": rows})

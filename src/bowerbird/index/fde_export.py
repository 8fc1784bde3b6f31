"""Fixed dimensional encodings for engines that know only single vectors: files and arrays that they read.

Every engine takes ids and float32 vectors and searches them by inner product (never cosine: the length of a document's
encoding counts). A query is encoded with `FDE.encode_queries` of the same configuration; the hits are candidates,
which late interaction has to score again.

>>> from bowerbird.index.fde import FDE, FDEConfig
>>> from bowerbird.embeddings import MultiVector
>>> tokens = MultiVector.of([np.eye(3, 8, dtype=np.float32), np.eye(2, 8, k=1, dtype=np.float32)])
>>> fde = FDE(FDEConfig(8, repetitions=4, simhash=2, projection=4))
>>> [(key, vector.shape, vector.dtype.name) for key, vector in points(fde, np.array([7, 9]), tokens)]
[(7, (64,), 'float32'), (9, (64,), 'float32')]

    Qdrant     client.upsert(name, [PointStruct(id=key, vector=vector.tolist()) for key, vector in points(...)])
               (a collection with Distance.DOT)
    Milvus     client.insert(name, [{"id": key, "vector": vector} for key, vector in points(...)])   (metric "IP")
    pgvector   cursor.executemany("INSERT INTO items VALUES (%s, %s)", points(...))   (operator <#>, at most 2,000
               dimensions with an index: FDEConfig(final_dim=2000))
    Lance      lancedb.connect(folder).create_table(name, table(...))   (metric "dot")
    Parquet    write_parquet(path, ...), with the configuration in the file's metadata
    numpy      np.savez(path, ids=keys, vectors=fde.encode_documents(tokens).vectors)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bowerbird.embeddings import Floats, MultiVector
from bowerbird.index.base import Keys, check_keys
from bowerbird.index.fde import FDE, FDEConfig

CONFIG = b"bowerbird.fde"
"""Where the metadata of a table keeps the configuration, as JSON."""
BATCH = 4096
"""Documents that are encoded at a time."""


def points(fde: FDE, keys: Keys, tokens: MultiVector) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Key and encoding of every document. Raises ValueError for keys that do not fit."""
    for some, vectors in _batches(fde, keys, tokens):
        yield from zip(some.tolist(), vectors, strict=True)


def table(fde: FDE, keys: Keys, tokens: MultiVector) -> pa.Table:
    """Columns id (int64) and vector (a list of float32 of one size). Raises ValueError for keys that do not fit."""
    batches = [record(*batch, metadata_of(fde)) for batch in _batches(fde, keys, tokens)]
    return pa.Table.from_batches(batches, _empty(fde).schema)


def write_parquet(path: Path, fde: FDE, keys: Keys, tokens: MultiVector) -> None:
    """As `table`, a batch at a time. Raises ValueError for keys that do not fit."""
    with pq.ParquetWriter(path, _empty(fde).schema) as writer:
        for batch in _batches(fde, keys, tokens):
            writer.write_batch(record(*batch, metadata_of(fde)))


def record(
    ids: NDArray[np.int64] | NDArray[np.str_], vectors: Floats, metadata: Mapping[bytes, bytes]
) -> pa.RecordBatch:
    """Columns id and vector. vectors: n × width."""
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1])
    names = pa.array(ids.tolist(), pa.string() if ids.dtype.kind == "U" else pa.int64())
    fields = [pa.field("id", names.type), pa.field("vector", column.type)]
    return pa.record_batch([names, column], pa.schema(fields, metadata=dict(metadata)))


def metadata_of(fde: FDE) -> dict[bytes, bytes]:
    """Of a table of encodings."""
    return {CONFIG: json.dumps(asdict(fde.config)).encode()}


def config_of(path: Path) -> FDEConfig:
    """What the encodings of a Parquet file were made with. Raises ValueError for a file without it."""
    kept = (pq.read_schema(path).metadata or {}).get(CONFIG)
    if kept is None:
        raise ValueError(f"{path} does not say how its encodings were made; write it with write_parquet")
    return FDEConfig(**json.loads(kept))


def _batches(fde: FDE, keys: Keys, tokens: MultiVector) -> Iterator[tuple[Keys, NDArray[np.float32]]]:
    check_keys(keys, len(tokens))
    for start in range(0, len(keys), BATCH):
        offsets = tokens.offsets[start : start + BATCH + 1]
        some = MultiVector(tokens.vectors[offsets[0] : offsets[-1]], offsets - offsets[0])
        vectors: NDArray[np.float32] = fde.encode_documents(some).vectors.astype(np.float32, copy=False)
        yield keys[start : start + BATCH], vectors


def _empty(fde: FDE) -> pa.RecordBatch:
    return record(np.zeros(0, np.int64), np.zeros((0, fde.config.width), np.float32), metadata_of(fde))

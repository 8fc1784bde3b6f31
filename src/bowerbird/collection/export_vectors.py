"""The vectors of a collection as Parquet files that vector databases and data frames read.

FIELD.parquet       id and vector: one per item
FIELD.fde.parquet   id and vector: the token vectors of an item as one (index/fde.py), for engines that know only
                    single vectors; hits are candidates for late interaction. How it was made is in the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Embedding, Floats
from bowerbird.index.fde import FDE, FDEConfig
from bowerbird.index.fde_export import metadata_of, record
from bowerbird.storage.files import partial_file

BATCH = 1000
Part = tuple[NDArray[np.str_], Floats]
Mask = NDArray[np.bool_]


def export_vectors(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Write the vectors of every field that has some. Raises EncoderMismatch if an encoder has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for field in snapshot.fields:
        fde = FDE(FDEConfig(snapshot.encoder(field).dim, fill=False))
        plain = _written(folder / f"{field}.parquet", _parts(snapshot, field, _dense), {})
        encoded = _parts(snapshot, field, partial(_encoded, fde))
        written += [*plain, *_written(folder / f"{field}.fde.parquet", encoded, metadata_of(fde))]
    return written


def _parts(snapshot: Snapshot, field: str, of: Callable[[Embedding], tuple[Floats, Mask]]) -> Iterator[Part]:
    """Ids and vectors, a batch of rows at a time."""
    for start in range(0, len(snapshot), BATCH):
        rows = np.arange(start, min(start + BATCH, len(snapshot)))
        numbers, held = snapshot.stored(field, rows)
        vectors, there = of(held)
        if there.any():
            yield snapshot.ids_of(rows[numbers][there]), vectors[there]


def _dense(held: Embedding) -> tuple[Floats, Mask]:
    """Vectors, and where there are some."""
    if held.dense is None:
        return np.zeros((0, 0), np.float16), np.zeros(0, bool)
    return held.dense.vectors, (held.dense.vectors != 0).any(axis=1)


def _encoded(fde: FDE, held: Embedding) -> tuple[Floats, Mask]:
    if held.tokens is None:
        return np.zeros((0, 0), np.float16), np.zeros(0, bool)
    return fde.encode_documents(held.tokens).vectors, held.tokens.lengths > 0


def _written(path: Path, parts: Iterator[Part], metadata: dict[bytes, bytes]) -> list[Path]:
    """The file, if there are any vectors."""
    first = next(parts, None)
    if first is None:
        return []
    batch = record(*first, metadata)
    with partial_file(path) as unfinished, pq.ParquetWriter(unfinished, batch.schema) as writer:
        writer.write_batch(batch)
        for part in parts:
            writer.write_batch(record(*part, metadata))
    return [path]

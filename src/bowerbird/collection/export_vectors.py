"""The vectors of a collection as Parquet files that vector databases and data frames read.

FIELD.parquet       id and vector: one per item
FIELD.fde.parquet   id and vector: the token vectors of an item as one (index/fde.py), for engines that know only
                    single vectors; hits are candidates for late interaction. How it was made is in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Floats
from bowerbird.index.fde import FDE, FDEConfig
from bowerbird.index.fde_export import metadata_of, record
from bowerbird.storage.files import partial_file

BATCH = 1000
Part = tuple[NDArray[np.str_], Floats]
Rows = NDArray[np.int64]


def export_vectors(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Write the vectors of every field that has some. Raises EncoderMismatch if an encoder of tokens has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for field in snapshot.fields:
        with_vector, with_tokens = snapshot.held(field)
        plain = ((snapshot.ids_of(rows), snapshot.vectors(field, rows).vectors) for rows in _batches(with_vector))
        written += _written(folder / f"{field}.parquet", plain, {})
        encoded, metadata = _encoded(snapshot, field, with_tokens)
        written += _written(folder / f"{field}.fde.parquet", encoded, metadata)
    return written


def _encoded(snapshot: Snapshot, field: str, rows: Rows) -> tuple[Iterator[Part], dict[bytes, bytes]]:
    """Ids and encodings of rows, and how they were made."""
    if not len(rows):
        return iter(()), {}
    fde = FDE(FDEConfig(snapshot.encoder(field).dim, fill=False))

    def encoded(part: Rows) -> Part:
        tokens = snapshot.tokens(part, field)
        filled = tokens.lengths > 0
        return snapshot.ids_of(part[filled]), fde.encode_documents(tokens).vectors[filled]

    return map(encoded, _batches(rows)), metadata_of(fde)


def _batches(rows: Rows) -> Iterator[Rows]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def _written(path: Path, parts: Iterator[Part], metadata: dict[bytes, bytes]) -> list[Path]:
    """The file, if there are any vectors; none is left of an earlier export otherwise."""
    first = next(parts, None)
    if first is None:
        path.unlink(missing_ok=True)
        return []
    batch = record(*first, metadata)
    with partial_file(path) as unfinished, pq.ParquetWriter(unfinished, batch.schema) as writer:
        writer.write_batch(batch)
        for part in parts:
            writer.write_batch(record(*part, metadata))
    return [path]

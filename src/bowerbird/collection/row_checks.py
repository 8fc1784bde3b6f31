"""Checksums of rows: Lance has none, so the pack of a row holds one for what the table says of it.

A row is checked when its item is read, so that a search never shows a text with a wrong letter. Rows whose pack was
written before there were such checksums pass.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.storage.packs import Pack

CHECKS = "rows.crc"
PLACE = {"pack", "slot"}
"""Columns that say where a row's vectors are: they lead to the checksum, and are not under it."""


def check_arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """The array of a pack with the checksum of every slot's row; rows as the table will give them back."""
    import pyarrow as pa

    from bowerbird.collection.schema import schema

    columns = pa.schema([column for column in schema() if column.name not in PLACE])
    stored = pa.Table.from_pylist([{name: row[name] for name in columns.names} for row in rows], schema=columns)
    return {CHECKS: np.array([row_check(row) for row in stored.to_pylist()], np.uint32)}


def row_check(row: Mapping[str, Any]) -> int:
    """CRC-32 of all that a row says."""
    said = {name: value for name, value in row.items() if name not in PLACE}
    text = json.dumps(said, sort_keys=True, default=str)  # the same in every version of Python, as a repr is not
    return zlib.crc32(text.encode())


def has_checks(pack: Pack) -> bool:
    return CHECKS in pack


def fits(row: Mapping[str, Any], pack: Pack) -> bool:
    """Whether a row, of the table with all columns, is the one that was stored with its pack."""
    if not has_checks(pack):
        return True
    checks, slot = pack[CHECKS], int(row["slot"])
    return 0 <= slot < len(checks) and int(checks[slot]) == row_check(row)

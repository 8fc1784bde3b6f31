"""The ranking of one query as bytes: an Arrow table of its hits, with the query beside it where it was rewritten."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import fields
from typing import Any

import numpy as np

from bowerbird.items import Audio, Image, Part, Query, Table, Text, Video
from bowerbird.ranking import Ranking

KINDS: dict[str, type[Part]] = {kind.__name__: kind for kind in (Text, Image, Table, Audio, Video)}
COLUMN = "matched."


def pack(ranking: Ranking, asked: Query) -> bytes:
    """asked: the query before the pipeline, which may have rewritten it."""
    import pyarrow as pa

    columns = {"id": pa.array(ranking.ids.astype(str)), "score": pa.array(ranking.scores)}
    if ranking.places is not None:
        columns["place"] = pa.array(ranking.places.astype(str))
    columns |= {f"{COLUMN}{name}": pa.array(column) for name, column in ranking.matched.items()}
    rewritten = ranking.queries[0] if ranking.queries[0] != asked else None
    metadata = {"query": json.dumps(query_to_json(rewritten))} if rewritten else {}
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unpack(content: bytes, asked: Query) -> Ranking:
    """asked: a query that is equal in content to the one before the pipeline."""
    import pyarrow as pa

    table = pa.ipc.open_stream(content).read_all()
    rewritten = (table.schema.metadata or {}).get(b"query")
    query = query_from_json(json.loads(rewritten)) if rewritten else asked
    matched = {
        name.removeprefix(COLUMN): table[name].to_numpy() for name in table.column_names if name.startswith(COLUMN)
    }
    return Ranking(
        (query,),
        np.array([0, table.num_rows], np.int64),
        np.array(table["id"].to_pylist(), object),
        table["score"].to_numpy(),
        matched,
        np.array(table["place"].to_pylist(), object) if "place" in table.column_names else None,
    )


def query_to_json(query: Query) -> dict[str, Any]:
    return {
        "parts": [{"kind": type(part).__name__, **{f.name: _plain(getattr(part, f.name)) for f in fields(part)}}
                  for part in query.parts],
        "instruction": query.instruction,
        "modalities": None if query.modalities is None else sorted(query.modalities),
        "where": query.where,
    }  # fmt: skip


def query_from_json(content: dict[str, Any]) -> Query:
    parts = tuple(
        KINDS[part["kind"]](**{name: _value(value) for name, value in part.items() if name != "kind"})
        for part in content["parts"]
    )
    modalities = None if content["modalities"] is None else frozenset(content["modalities"])
    return Query(parts, content["instruction"], modalities, content["where"])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return b64decode(value["base64"])
    return tuple(_value(entry) for entry in value) if isinstance(value, list) else value

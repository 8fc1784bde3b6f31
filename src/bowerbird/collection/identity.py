"""Which encoder made the vectors of every field.

This is written into the schema of the table, so it is a part of every version: a commit changes the vectors and what is
said about them at once, a crash leaves both as they were, and an older version still knows its own encoders.
`library.json` says what a library was made with, and counts only for tables that say nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bowerbird.errors import CollectionError, EncoderMismatch

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder

KEY = "bowerbird.fields"


@dataclass(frozen=True, slots=True)
class FieldEncoder:
    """An encoder as a field remembers it."""

    encoder: str
    """The spec to load it by."""
    id: str


Fields: TypeAlias = Mapping[str, FieldEncoder]


def chosen(specs: Mapping[str, str]) -> dict[str, FieldEncoder]:
    """The encoders that these specs stand for today. Loads them. Raises CollectionError for names that no file has."""
    from bowerbird.encoders import load

    for name in specs:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
            raise CollectionError(f"field {name!r} has characters other than letters, digits, '_' and '-'")
    encoders = {name: load(spec).id for name, spec in specs.items()}
    return {name: FieldEncoder(identity.spec, str(identity)) for name, identity in encoders.items()}


def opened(folder: Path, field: str, stored: FieldEncoder) -> Encoder:
    """The encoder of a field. Raises EncoderMismatch if its spec has come to stand for another one."""
    from bowerbird.encoders import load

    encoder = load(stored.encoder)
    require_same(folder, field, stored, str(encoder.id))
    return encoder


def require_same(folder: Path, field: str, stored: FieldEncoder, given: str) -> None:
    if stored.id != given:
        raise EncoderMismatch(
            f"field {field!r} of {folder} was made with {stored.id}, not {given}; vectors of different encoders are "
            f"not comparable: keep to {stored.encoder!r}, or run: bowerbird reembed --encoder {field}=SPEC -l {folder}"
        )


def require_known(folder: Path, fields: Fields, field: str) -> FieldEncoder:
    """What a field was made with. Raises EncoderMismatch if there is no such field."""
    if field not in fields:
        raise EncoderMismatch(f"{folder} has no field {field!r}, it has {', '.join(fields)}; use one, or a new library")
    return fields[field]


def to_metadata(fields: Fields) -> dict[str, str]:
    return {KEY: to_json(fields)}


def from_metadata(metadata: Mapping[bytes, bytes] | None) -> dict[str, FieldEncoder]:
    """The fields that a version of the table records; empty if it records none."""
    written = (metadata or {}).get(KEY.encode(), b"{}")
    return from_json(json.loads(written))


def to_json(fields: Fields) -> str:
    return json.dumps({name: asdict(field) for name, field in fields.items()})


def from_json(entries: Mapping[str, Mapping[str, str]]) -> dict[str, FieldEncoder]:
    return {name: FieldEncoder(entry["encoder"], entry["id"]) for name, entry in entries.items()}

"""Items and queries → embeddings. `load` makes an encoder from its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from bowerbird.encoders.base import Encoder, EncoderId, Input
from bowerbird.errors import BowerbirdError

__all__ = ["Encoder", "EncoderId", "Input", "load", "names", "token_counter"]

_FAMILIES = {
    "e5": "bowerbird.encoders.e5",
    "lite": "bowerbird.encoders.lite",
    "sentence-transformers": "bowerbird.encoders.sentence_transformers",
    "open_clip": "bowerbird.encoders.open_clip",
    "clip": "bowerbird.encoders.clip",
    "colpali": "bowerbird.encoders.colpali",
    "clap": "bowerbird.encoders.clap",
    "http": "bowerbird.encoders.http",
}


def names() -> list[str]:
    """The families that `load` knows, those of plugins (entry point group 'bowerbird.encoders') last."""
    return [*_FAMILIES, *sorted(entry.name for entry in entry_points(group="bowerbird.encoders"))]


@cache
def load(spec: str) -> Encoder:
    """An encoder from 'FAMILY' or 'FAMILY:ARGUMENT', such as 'e5' or 'sentence-transformers:intfloat/e5-base'.

    The same spec gives the same object. Raises BowerbirdError for an unknown family, MissingExtra
    where its package is not installed.
    """
    family, _, argument = spec.partition(":")
    if family in _FAMILIES:
        make: Callable[[str], Encoder] = import_module(_FAMILIES[family]).load
        return make(argument)
    for entry in entry_points(group="bowerbird.encoders"):
        if entry.name == family:
            make = entry.load()
            return make(argument)
    raise BowerbirdError(f"unknown encoder {spec!r}: known families are {', '.join(names())}")


def token_counter(spec: str) -> Callable[[str], int]:
    """How many tokens a text has for an encoder; encoders that do not tell are counted as the default one."""
    encoder = load(spec)
    count: Callable[[str], int] | None = getattr(encoder, "count_tokens", None)
    return count if count is not None else token_counter("e5")

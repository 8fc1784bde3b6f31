"""Ways to search that a request may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from bowerbird.collection import Snapshot
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.group import Group, Level
from bowerbird.pipeline.late import LateInteraction
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.pipeline.stage import Stage
from bowerbird.server.problems import Refused

Build: TypeAlias = Callable[[Snapshot, Level, int], Stage]
"""Snapshot, grouping and number of candidates → pipeline."""


def words(snapshot: Snapshot, level: Level, depth: int) -> Stage:
    """BM25 alone."""
    return Lexical(snapshot, depth) >> Group(snapshot, level)


def meaning(snapshot: Snapshot, level: Level, depth: int) -> Stage:
    """Vectors of the text field, re-scored by late interaction."""
    return Dense(snapshot, "text", depth) >> LateInteraction(snapshot, depth) >> Group(snapshot, level)


def pictures(snapshot: Snapshot, level: Level, depth: int) -> Stage:
    """Vectors of the image field alone."""
    return Dense(snapshot, "image", depth) >> Group(snapshot, level)


PIPELINES: Mapping[str, Build] = {
    "default": default_pipeline,
    "words": words,
    "meaning": meaning,
    "pictures": pictures,
}
NEEDS = {"meaning": "text", "pictures": "image"}
"""The field that a pipeline searches."""


def named(name: str, snapshot: Snapshot) -> Build:
    """A pipeline by its name. Raises Refused where there is none, or the collection lacks its field."""
    if name not in PIPELINES:
        raise Refused(422, f"no pipeline {name!r}: there are {', '.join(available(snapshot))}")
    if NEEDS.get(name, "text") not in snapshot.fields:
        raise Refused(422, f"pipeline {name!r} needs a field that this collection lacks: {NEEDS[name]}")
    return PIPELINES[name]


def available(snapshot: Snapshot) -> list[str]:
    return [name for name in PIPELINES if NEEDS.get(name, "text") in snapshot.fields]

"""The search that runs when nobody asks for another: words ⊕ meaning ⊕ pictures, late interaction, grouping."""

from __future__ import annotations

from functools import reduce

from bowerbird.collection.snapshot import Snapshot
from bowerbird.pipeline.group import Group, Level
from bowerbird.pipeline.rerank import LateInteraction
from bowerbird.pipeline.retrieve import Lexical, Nearest
from bowerbird.pipeline.stage import Stage

LEXICAL = 1.25
DENSE = 0.3
PICTURE = 1.5
"""Weights of calibrated scores, chosen by benchmarks/quality.py; MaxSim counts 1."""


def default_pipeline(snapshot: Snapshot, level: Level = "page", depth: int = 100) -> Stage:
    """Candidates from every field of the collection, re-scored by late interaction, one hit per page."""
    sources: list[Stage] = [LEXICAL * Lexical(snapshot)]
    for field in snapshot.fields:
        weight = DENSE if field == "text" else PICTURE
        sources.append(weight * Nearest(snapshot, field))
    candidates = reduce(lambda left, right: left | right, sources)
    return candidates >> LateInteraction(snapshot, depth) >> Group(snapshot, level)

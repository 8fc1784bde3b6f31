"""The search that runs when nobody asks for another: words ⊕ meaning ⊕ pictures, late interaction, grouping."""

from __future__ import annotations

from functools import reduce

from bowerbird.collection.snapshot import Snapshot
from bowerbird.pipeline.group import Group, Level
from bowerbird.pipeline.late import SAMPLE, LateInteraction, MaxSim
from bowerbird.pipeline.retrieve import SAMPLE as CHANCE
from bowerbird.pipeline.retrieve import Dense, Lexical
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
        tokens_only = not len(snapshot.sample(field, CHANCE)) and has_tokens(snapshot, field)
        sources.append(weight * (MaxSim(snapshot, field) if tokens_only else Dense(snapshot, field)))
    candidates = reduce(lambda left, right: left | right, sources)
    if "text" in snapshot.fields and len(snapshot.sample("text", CHANCE)) and has_tokens(snapshot, "text"):
        candidates = candidates >> LateInteraction(snapshot, depth)
    return candidates >> Group(snapshot, level)


def has_tokens(snapshot: Snapshot, field: str) -> bool:
    """Whether any item of a field has token vectors."""
    return len(snapshot.sample_tokens(SAMPLE, field)[1]) > 1

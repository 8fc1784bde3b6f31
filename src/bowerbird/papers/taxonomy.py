"""What a survey lists, and which part of bowerbird does it: the completeness tables of the surveys' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Mechanism:
    """part: 'module:name' of what does it here; empty if nothing does."""

    aspect: str
    name: str
    part: str = ""


def resolved(mechanism: Mechanism) -> object:
    """The part itself. Raises ImportError or AttributeError if there is no such part."""
    module, _, name = mechanism.part.partition(":")
    return getattr(import_module(module), name)


def completeness(mechanisms: Sequence[Mechanism]) -> tuple[str, ...]:
    """One line per aspect: what is here with its part, then what is not."""
    lines = []
    for aspect in dict.fromkeys(mechanism.aspect for mechanism in mechanisms):
        some = [mechanism for mechanism in mechanisms if mechanism.aspect == aspect]
        have = [f"{each.name} (`{each.part.replace(':', '.')}`)" for each in some if each.part]
        lack = [each.name for each in some if not each.part]
        missing = f"; not here: {', '.join(lack)}" if lack else ""
        lines.append(f"{aspect}, {len(have)} of {len(some)}: {', '.join(have)}{missing}")
    return tuple(lines)

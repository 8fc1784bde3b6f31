"""Benchmarks as they are published, read from a folder: `load("circo", folder)`; one file per family of formats."""

from bowerbird.evaluate.benchmarks.cards import Card, cards, load
from bowerbird.evaluate.benchmarks.complete import Contents, check

__all__ = ["Card", "Contents", "cards", "check", "load"]

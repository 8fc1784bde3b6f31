"""bowerbird: universal multimodal retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bowerbird.errors import BowerbirdError
    from bowerbird.evaluate.benchmark import Benchmark
    from bowerbird.evaluate.experiment import experiment
    from bowerbird.evaluate.fill import fill
    from bowerbird.items import Audio, Image, Item, Locator, Query, Table, Text, Video
    from bowerbird.library import Library, open
    from bowerbird.pipeline.cache import cached
    from bowerbird.pipeline.check import check
    from bowerbird.pipeline.compose import Compose
    from bowerbird.pipeline.filter import Filter
    from bowerbird.pipeline.fusion import comb, rrf
    from bowerbird.pipeline.generate import Answer
    from bowerbird.pipeline.group import Group
    from bowerbird.pipeline.late import LateInteraction
    from bowerbird.pipeline.normalise import Normalise
    from bowerbird.pipeline.rerank import Rerank
    from bowerbird.pipeline.retrieve import Dense, Lexical
    from bowerbird.pipeline.rewrite import Rewrite
    from bowerbird.pipeline.select import Select
    from bowerbird.pipeline.stage import Stage
    from bowerbird.ranking import Ranking

_HOME = {
    "BowerbirdError": "errors",
    "Benchmark": "evaluate.benchmark",
    "experiment": "evaluate.experiment",
    "fill": "evaluate.fill",
    "Audio": "items",
    "Image": "items",
    "Item": "items",
    "Locator": "items",
    "Query": "items",
    "Table": "items",
    "Text": "items",
    "Video": "items",
    "Library": "library",
    "open": "library",
    "cached": "pipeline.cache",
    "check": "pipeline.check",
    "Compose": "pipeline.compose",
    "Filter": "pipeline.filter",
    "comb": "pipeline.fusion",
    "rrf": "pipeline.fusion",
    "Answer": "pipeline.generate",
    "Group": "pipeline.group",
    "LateInteraction": "pipeline.late",
    "Normalise": "pipeline.normalise",
    "Rerank": "pipeline.rerank",
    "Dense": "pipeline.retrieve",
    "Lexical": "pipeline.retrieve",
    "Rewrite": "pipeline.rewrite",
    "Select": "pipeline.select",
    "Stage": "pipeline.stage",
    "Ranking": "ranking",
}

__all__ = [
    "Answer",
    "Audio",
    "Benchmark",
    "BowerbirdError",
    "Compose",
    "Dense",
    "Filter",
    "Group",
    "Image",
    "Item",
    "LateInteraction",
    "Lexical",
    "Library",
    "Locator",
    "Normalise",
    "Query",
    "Ranking",
    "Rerank",
    "Rewrite",
    "Select",
    "Stage",
    "Table",
    "Text",
    "Video",
    "__version__",
    "cached",
    "check",
    "comb",
    "experiment",
    "fill",
    "open",
    "rrf",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that `import bowerbird` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'bowerbird' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"bowerbird.{_HOME[name]}"), name)

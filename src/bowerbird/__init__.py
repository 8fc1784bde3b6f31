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
    from bowerbird.pipeline.check import check
    from bowerbird.pipeline.fusion import comb, rrf
    from bowerbird.pipeline.group import Group
    from bowerbird.pipeline.late import LateInteraction
    from bowerbird.pipeline.retrieve import Dense, Lexical
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
    "comb": "pipeline.fusion",
    "rrf": "pipeline.fusion",
    "Group": "pipeline.group",
    "LateInteraction": "pipeline.late",
    "Dense": "pipeline.retrieve",
    "Lexical": "pipeline.retrieve",
    "Stage": "pipeline.stage",
    "check": "pipeline.check",
    "Ranking": "ranking",
}

__all__ = [
    "Audio",
    "Benchmark",
    "BowerbirdError",
    "Dense",
    "Group",
    "Image",
    "Item",
    "LateInteraction",
    "Lexical",
    "Library",
    "Locator",
    "Query",
    "Ranking",
    "Stage",
    "Table",
    "Text",
    "Video",
    "__version__",
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

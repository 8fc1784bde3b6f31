"""bowerbird: universal multimodal retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bowerbird.embeddings import Binary, Dense, Embedding, MultiVector, Sparse
    from bowerbird.errors import BowerbirdError
    from bowerbird.evaluate.benchmark import Benchmark
    from bowerbird.evaluate.experiment import experiment
    from bowerbird.evaluate.fill import fill
    from bowerbird.items import Audio, Image, Item, Locator, Query, Table, Text, Video
    from bowerbird.library import Library, open
    from bowerbird.ranking import Ranking

_HOME = {
    "Binary": "embeddings",
    "Dense": "embeddings",
    "Embedding": "embeddings",
    "MultiVector": "embeddings",
    "Sparse": "embeddings",
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
    "Ranking": "ranking",
    "Library": "library",
    "open": "library",
}

__all__ = [
    "Audio",
    "Benchmark",
    "Binary",
    "BowerbirdError",
    "Dense",
    "Embedding",
    "Image",
    "Item",
    "Library",
    "Locator",
    "MultiVector",
    "Query",
    "Ranking",
    "Sparse",
    "Table",
    "Text",
    "Video",
    "__version__",
    "experiment",
    "fill",
    "open",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that `import bowerbird` stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'bowerbird' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"bowerbird.{_HOME[name]}"), name)

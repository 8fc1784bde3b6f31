"""Late interaction over sets of vectors: the engine's main index."""

from bowerbird.index.multivector.index import MultiVectorIndex

__all__ = ["MultiVectorIndex"]

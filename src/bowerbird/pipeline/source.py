"""What stages search: a library as it is when they are called, or one version of it."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.ranking import Ranking, Store


@runtime_checkable
class HasVersions(Protocol):
    """A library or a collection: something that can be seen as it is now."""

    def snapshot(self) -> Snapshot: ...


Source: TypeAlias = Snapshot | HasVersions


def snapshot_of(source: Source) -> Snapshot:
    """The newest version of a library, or the version that is given."""
    if isinstance(source, Snapshot):
        return source
    if not isinstance(source, HasVersions):
        raise PipelineError(
            f"stages search a library or a snapshot, got {type(source).__name__}: open one with bowerbird.open(folder)"
        )
    return source.snapshot()


def rows_of(store: Store, ids: NDArray[Any], asker: object) -> NDArray[np.int64]:
    """Rows of hits. Raises PipelineError in the asking stage's name if the collection does not hold them all."""
    rows = store.rows_of(ids)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        raise PipelineError(
            f"{asker!r} was given {len(unknown)} hits that its library does not hold, such as "
            f"{str(ids[unknown[0]])!r}: use the library that they were found in"
        )
    return rows


def store_of(ranking: Ranking, source: Source | None, asker: object) -> Store:
    """Where the hits of a ranking are looked up: the stage's own source, or the one they were found in."""
    if source is not None:
        return snapshot_of(source)
    if ranking.store is None:
        raise PipelineError(f"{asker!r} cannot look its hits up: give it the library")
    return ranking.store

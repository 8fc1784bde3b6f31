"""What an index must offer to take part in the benchmark.

Bowerbird's own are `Tokens` and `Dense` in benchmarks/engine/ours.py; the roster names them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from benchmarks.engine.arrays import Floats, Ids, Offsets

Setting = TypeVar("Setting")
"""A frozen dataclass of search parameters, such as the number of probes; each adapter has its own."""


class Adapter(Protocol[Setting]):
    """One index. Made without arguments; then `build` once in a process of its own, `open`, and searches.

    Item i is `vectors[offsets[i]:offsets[i + 1]]`; ids are these numbers. In the dense sets every item and every
    query has one vector. A query is m × dim float32. All vectors have unit length; scores are inner products.
    """

    name: ClassVar[str]

    def build(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        """Writes everything that searching needs into the empty folder, but for the vectors as they were given."""

    def open(self, vectors: Floats, offsets: Offsets, folder: Path) -> None:
        """Makes the built index ready; `vectors` are mapped from disk and may be read for a last rescoring."""

    def settings(self) -> Sequence[Setting]:
        """What to measure, from fast to precise."""

    def search(self, query: Floats, k: int, setting: Setting) -> Ids:
        """At most k ids, best first."""


@runtime_checkable
class Batched(Protocol):
    """Optional: many queries at once. Without it, two threads search query by query to measure throughput."""

    def search_batch(self, queries: Sequence[Floats], k: int, setting: Any) -> Sequence[Ids]: ...


@runtime_checkable
class Counted(Protocol):
    """Optional: how many bytes of the index a search reads, on average."""

    def touched(self, setting: Any) -> float: ...


def label(setting: Any) -> str:
    """'full 256, probe 4' for Search(full=256, probe=4)."""
    return ", ".join(f"{field.name} {getattr(setting, field.name)}" for field in fields(setting))

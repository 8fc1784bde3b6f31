"""Put a benchmark's items into a library, so that pipelines over it can be compared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.progress import progress
from bowerbird.items import Item

if TYPE_CHECKING:
    from bowerbird.library import Library


@dataclass(frozen=True, slots=True)
class Filled:
    """What `fill` did: items added now, items that were there; judged items that the corpus does not have."""

    added: int
    present: int
    unknown: tuple[str, ...]


def fill(library: Library, benchmark: Benchmark, *, batch: int = 2000) -> Filled:
    """Add a benchmark's items in batches, one commit each; what is there is skipped, so a run goes on where it stopped.

    Items of one source belong together and must come one after the other.
    Warns if qrels, pools or left_out name items that the corpus does not have: they cannot be found.
    Raises EvaluationError if a source comes back after others, as its items would replace the earlier ones.
    """
    stored = set(library.snapshot().ids.tolist())
    added, present = 0, 0
    waiting: list[Item] = []
    seen: set[str] = set()
    with progress(f"{benchmark.name}: items", None) as advance:
        for items in _sources(benchmark):
            seen.update(item.id for item in items)
            advance(len(items))
            if all(item.id in stored for item in items):
                present += len(items)
                continue
            waiting += items
            if len(waiting) >= batch:
                added += library.add_items(waiting).items
                waiting = []
        if waiting:
            added += library.add_items(waiting).items
    return Filled(added, present, _unknown(benchmark, seen))


def _sources(benchmark: Benchmark) -> Iterator[list[Item]]:
    """The items of one source after the other."""
    done: set[str] = set()
    for source, items in groupby(benchmark.items(), lambda item: item.locator.source):
        if source in done:
            raise EvaluationError(
                f"{benchmark.name}: items of source {source!r} do not come one after the other; "
                f"sort the corpus by source, or give every item a source of its own"
            )
        done.add(source)
        yield list(items)


def _unknown(benchmark: Benchmark, seen: set[str]) -> tuple[str, ...]:
    """Items that the benchmark names but does not have."""
    named = {name: query for query, gains in benchmark.qrels.items() for name in gains}
    for sets in (benchmark.pools, benchmark.left_out):
        named |= {name: query for query, names in sets.items() for name in names}
    unknown = tuple(sorted(set(named) - seen))
    if unknown:
        warnings.warn(
            f"{benchmark.name}: {len(unknown)} of {len(named)} judged items are not in the corpus, such as "
            f"{unknown[0]!r} of query {named[unknown[0]]!r}; they count as never found",
            stacklevel=3,
        )
    return unknown

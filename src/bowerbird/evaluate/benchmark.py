"""What a retrieval benchmark is: things to search, queries to ask, and which things are relevant to which query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from bowerbird.items import Item, Locator, Query

Qrels: TypeAlias = Mapping[str, Mapping[str, float]]
"""Query id → item id → gain. 0 is judged and not relevant; items that are not named are not judged."""


@dataclass(frozen=True, slots=True)
class Gold:
    """What is judged of an answer, beside what was retrieved for it; what a benchmark does not judge is empty.

    answers: the accepted answers; with options, the letter of the right one.
    options: the choices in order, the first is A.
    rewrites: the question as it would be put to a search engine.
    images: the pictures that belong into the answer, in order.
    candidates: the items that the question is asked of, in order: the pictures of a haystack, the subset of CIRR.
    labels: what figures are broken down by, such as {"domain": ("Sports",)}.
    """

    answers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """Read from published files by a loader; nothing of the corpus is in memory before it is asked for.

    items: streams the corpus. An item's id is its id in the qrels; a long one is a "document" item with its passages
    as children, so that a pipeline that ends in Group("document") ranks what is judged.
    measures: what its paper reports, the main one first.
    left_out: per query the items that its ranking must not hold, such as the picture that a query was made from.
    pools: per query the only items it may find; queries without an entry search everything.
    places: per query the regions or moments that answer it, where overlap with hits is measured and not identity.
    gold: per query what a right answer is; where only answers are judged, qrels are empty.
    """

    name: str
    queries: Mapping[str, Query]
    qrels: Qrels
    items: Callable[[], Iterator[Item]]
    measures: tuple[str, ...] = ("nDCG@10",)
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pools: Mapping[str, frozenset[str]] = field(default_factory=dict)
    places: Mapping[str, tuple[Locator, ...]] = field(default_factory=dict)
    gold: Mapping[str, Gold] = field(default_factory=dict)

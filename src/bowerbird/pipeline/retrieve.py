"""First stages: words and vectors to candidates, with scores that can be compared and added.

Raw scores of different sources live on different scales, and on different scales for different queries.
Each source is therefore calibrated against what the query could have scored anyway:

    lexical   BM25 / sqrt(the highest BM25 that this query could reach)
    vectors   (similarity - mean) / deviation over a sample of the collection

A query in another language, whose words the collection does not know, thus gets next to nothing from BM25
instead of a confident wrong answer, and a picture can stand beside a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Dense
from bowerbird.items import MODALITY_OF, Image, Parts, Query
from bowerbird.pipeline.stage import Stage
from bowerbird.ranking import Ranking

SAMPLE = 1000
"""Rows that stand for the whole collection when a similarity is compared with chance."""

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Lexical(Stage):
    """BM25 over the words of all items."""

    snapshot: Snapshot
    k: int = 200

    def __call__(self, ranking: Ranking) -> Ranking:
        texts = [words_of(query) for query in ranking.queries]
        rows, raw = np.full((len(texts), self.k), -1, np.int64), np.zeros((len(texts), self.k), np.float32)
        for numbers, mask in by_filter(self.snapshot, ranking.queries):
            rows[numbers], raw[numbers] = self.snapshot.lexical([texts[n] for n in numbers], self.k, mask)
        ceiling = np.sqrt(np.maximum(self.snapshot.lexical_ceiling(texts), 1e-6))
        return to_ranking(self.snapshot, ranking.queries, "lexical", rows, (raw / ceiling[:, None]).astype(np.float32))

    def __repr__(self) -> str:
        return "Lexical"


@dataclass(frozen=True)
class Nearest(Stage):
    """Items whose vector in a field has the highest inner product with the query's."""

    snapshot: Snapshot
    field: str
    k: int = 200

    def __call__(self, ranking: Ranking) -> Ranking:
        queries = query_vectors(self.snapshot, self.field, ranking.queries)
        rows, raw = np.full((len(queries), self.k), -1, np.int64), np.zeros((len(queries), self.k), np.float32)
        for numbers, mask in by_filter(self.snapshot, ranking.queries):
            some = Dense(queries.vectors[numbers])
            rows[numbers], raw[numbers] = self.snapshot.dense(self.field, some, self.k, mask)
        rows[~queries.vectors.any(axis=1)] = -1  # nothing in the query that this field understands
        mean, deviation = chance(queries, self.snapshot.sample(self.field, SAMPLE))
        return to_ranking(
            self.snapshot, ranking.queries, self.field, rows, ((raw - mean) / deviation).astype(np.float32)
        )

    def __repr__(self) -> str:
        return f"Nearest({self.field!r})"


def words_of(query: Query) -> str:
    """What a query says about the words of its answers: nothing if it is about a picture, as its words then say
    how the picture should differ."""
    return "" if any(isinstance(part, Image) for part in query.parts) else query.text


def query_vectors(snapshot: Snapshot, field: str, queries: Sequence[Query]) -> Dense:
    """n × dim query vectors of a field; zero rows for queries with no part that its encoder takes."""
    encoder = snapshot.encoder(field)
    pictured = "image" in encoder.inputs
    parts: list[Parts] = [query.parts if pictured or words_of(query) else () for query in queries]
    vectors = encoder.encode_queries(parts).dense
    if vectors is None:
        raise ValueError(f"field {field!r} has no dense vectors: its encoder gives token vectors only")
    return vectors


def chance(queries: Dense, sample: Dense) -> tuple[Scores, Scores]:
    """Mean and deviation, n × 1 each, of every query's similarity to the sampled items."""
    if not len(sample):
        return np.zeros((len(queries), 1), np.float32), np.ones((len(queries), 1), np.float32)
    scores = queries.vectors @ sample.vectors.astype(np.float32).T
    return scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True) + np.float32(1e-3)


def by_filter(snapshot: Snapshot, queries: Sequence[Query]) -> Iterator[tuple[list[int], NDArray[np.bool_] | None]]:
    """Query numbers that share a filter, and the rows it allows (None for all)."""
    groups: dict[tuple[frozenset[str] | None, str], list[int]] = {}
    for number, query in enumerate(queries):
        groups.setdefault((query.modalities, query.where), []).append(number)
    for (modalities, where), numbers in groups.items():
        yield numbers, allowed_rows(snapshot, modalities, where)


def allowed_rows(snapshot: Snapshot, modalities: frozenset[str] | None, where: str) -> NDArray[np.bool_] | None:
    """The rows that modalities and a filter expression allow; None where they allow all.

    A page is found by the passages on it, so a row also passes by the kind of the page it is on.
    """
    if modalities is None and not where:
        return None
    mask = np.ones(len(snapshot.ids), bool)
    if modalities is not None:
        kinds = [kind for kind, modality in MODALITY_OF.items() if modality in modalities]
        mask &= np.isin(snapshot.kinds, kinds) | np.isin(snapshot.kinds[snapshot.groups], kinds)
    if where:
        mask &= snapshot.where(where)
    return mask


def to_ranking(snapshot: Snapshot, queries: Sequence[Query], source: str, rows: Rows, scores: Scores) -> Ranking:
    """n × k rows (-1 pads) with calibrated scores as a ranking, with the source as its one evidence column."""
    query, column = np.nonzero(rows >= 0)
    found = scores[query, column].astype(np.float32)
    return Ranking.from_hits(queries, query.astype(np.int64), snapshot.ids[rows[query, column]], found, {source: found})

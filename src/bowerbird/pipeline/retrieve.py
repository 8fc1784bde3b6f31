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

from bowerbird import embeddings
from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.items import MODALITY_OF, Image, Parts, Query
from bowerbird.pipeline.stage import Names, Over, shown
from bowerbird.ranking import Ranking

K = 200
"""Hits of a first stage for each query."""
SAMPLE = 1000
"""Rows that stand for the whole collection when a similarity is compared with chance."""

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]


RETRIEVED: Names = frozenset({"hits", "items"})
"""What a first stage gives."""


@dataclass(frozen=True)
class Lexical(Over):
    """BM25 over the words of all items, up to k hits of each query."""

    k: int = K

    def run(self, ranking: Ranking) -> Ranking:
        snapshot = self.snapshot
        texts = [words_of(query) for query in ranking.queries]
        rows, raw = np.full((len(texts), self.k), -1, np.int64), np.zeros((len(texts), self.k), np.float32)
        for numbers, mask in by_filter(snapshot, ranking.queries):
            rows[numbers], raw[numbers] = snapshot.lexical([texts[n] for n in numbers], self.k, mask)
        ceiling = np.sqrt(np.maximum(snapshot.lexical_ceiling(texts), 1e-6))
        return to_ranking(snapshot, ranking.queries, "lexical", rows, (raw / ceiling[:, None]).astype(np.float32))

    @property
    def gives(self) -> Names:
        return RETRIEVED

    def __repr__(self) -> str:
        return shown("Lexical", [], k=(self.k, K))


@dataclass(frozen=True)
class Dense(Over):
    """Items whose vector in a field has the highest inner product with the query's, up to k of each query.

    Queries with no part that the field's encoder takes get no hits.
    """

    field: str
    k: int = K

    def run(self, ranking: Ranking) -> Ranking:
        snapshot = self.snapshot
        return nearest(
            snapshot, self.field, ranking.queries, query_vectors(snapshot, self.field, ranking.queries), self.k
        )

    @property
    def needs(self) -> Names:
        return frozenset({f"field {self.field!r}"})

    @property
    def gives(self) -> Names:
        return RETRIEVED

    def __repr__(self) -> str:
        return shown("Dense", [repr(self.field)], k=(self.k, K))


def nearest(snapshot: Snapshot, field: str, queries: Sequence[Query], vectors: embeddings.Dense, k: int) -> Ranking:
    """Up to k items per query by inner product with its vector, calibrated; queries without a vector get none."""
    rows, raw = np.full((len(vectors), k), -1, np.int64), np.zeros((len(vectors), k), np.float32)
    for numbers, mask in by_filter(snapshot, queries):
        some = embeddings.Dense(vectors.vectors[numbers])
        rows[numbers], raw[numbers] = snapshot.dense(field, some, k, mask)
    rows[~vectors.vectors.any(axis=1)] = -1
    mean, deviation = chance(vectors, snapshot.sample(field, SAMPLE))
    return to_ranking(snapshot, queries, field, rows, ((raw - mean) / deviation).astype(np.float32))


def words_of(query: Query) -> str:
    """What a query says about the words of its answers: nothing if it is about a picture, as its words then say
    how the picture should differ."""
    return "" if any(isinstance(part, Image) for part in query.parts) else query.text


def asked_parts(snapshot: Snapshot, field: str, queries: Sequence[Query]) -> list[Parts]:
    """What of every query a field's encoder is asked: all of it if it takes pictures, else the words (`words_of`)."""
    pictured = "image" in snapshot.encoder(field).inputs
    return [query.parts if pictured or words_of(query) else () for query in queries]


def query_vectors(snapshot: Snapshot, field: str, queries: Sequence[Query]) -> embeddings.Dense:
    """n × dim query vectors of a field; zero rows for queries with no part that its encoder takes."""
    encoder = snapshot.encoder(field)
    vectors = encoder.encode_queries(asked_parts(snapshot, field, queries)).dense
    if vectors is None:
        raise PipelineError(
            f"field {field!r} has no dense vectors, as {encoder.id.spec!r} gives token vectors only: "
            f"search it by LateInteraction, or give the field another encoder with Library.reembed"
        )
    return vectors


def chance(queries: embeddings.Dense, sample: embeddings.Dense) -> tuple[Scores, Scores]:
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
    mask = np.ones(len(snapshot), bool)
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
    ids = snapshot.ids_of(rows[query, column])
    return Ranking.from_hits(queries, query.astype(np.int64), ids, found, {source: found}, store=snapshot)

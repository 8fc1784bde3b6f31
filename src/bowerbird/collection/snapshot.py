"""A consistent view of a collection at one version: what pipelines search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.collection.batch import read_picture
from bowerbird.collection.derived import DenseRows, Derived
from bowerbird.collection.filters import columns_of, evaluate, parse
from bowerbird.collection.generations import Generations
from bowerbird.collection.identity import Fields, opened
from bowerbird.collection.live import Live
from bowerbird.collection.open_packs import OpenPack, TokenSample
from bowerbird.collection.row_checks import fits
from bowerbird.collection.schema import FileInfo, from_row
from bowerbird.collection.stored_tokens import StoredTokens
from bowerbird.embeddings import Dense, Embedding, MultiVector
from bowerbird.errors import CollectionError
from bowerbird.index.analysis import matching_words, query_terms
from bowerbird.index.kernels import Blocks, Query, quantize
from bowerbird.items import Item
from bowerbird.storage.checked import DamagedFile

if TYPE_CHECKING:
    from bowerbird.encoders.base import Encoder

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]
T = TypeVar("T")
MAX_LANGUAGES = 8
TRIES = 8
"""Damaged index files that are made again before a search gives up."""
RECALL = 0.99
"""Share of the best ten that are found in large collections; small ones are searched whole."""


@dataclass(frozen=True, slots=True)
class QueryWords:
    """number_of: hashed term → number of the query's word that it stands for. weights: per word, its rarity."""

    number_of: Mapping[int, int]
    weights: Scores

    def find(self, text: str, language: str) -> list[tuple[int, int, int]]:
        """Where the words stand in a text: start, end, number of the word."""
        return [(a, b, self.number_of[term]) for a, b, term in matching_words(text, self.number_of, language)]

    def share(self, numbers: Iterable[int]) -> float:
        """The weight of some words as a share of the whole query's."""
        return float(self.weights[list(set(numbers))].sum() / max(float(self.weights.sum()), 1e-6))


class Snapshot:
    """Rows are numbers 0 … n - 1 of the live items. Reading never changes and never sees a writer's work."""

    def __init__(self, folder: Path, dataset: Any, fields: Fields, generations: Generations) -> None:
        self.version = int(dataset.version)
        self._dataset = dataset
        self._fields = fields
        self._generations = generations
        self._derived: Derived | None = None
        self._encoders: dict[str, Encoder] = {}
        self._folder = folder
        self._open_packs: dict[str, OpenPack] = {}
        self._samples: dict[tuple[str, int], Dense] = {}
        self._token_samples: dict[tuple[str, int], TokenSample] = {}

    def index(self, ask: Callable[[Derived], T]) -> T:
        """What the derived index says; what is damaged in it is made again.

        Raises CollectionError if that cannot be: a pack is damaged, or files change faster than they are made.
        """
        for _ in range(TRIES):
            try:
                if self._derived is None:
                    encoders = {name: field.id for name, field in self._fields.items()}
                    self._derived = Derived(self._generations.of(self._dataset, encoders))
                return ask(self._derived)
            except DamagedFile as damage:
                self._generations.forget(damage)
                self._derived = None
        raise CollectionError(f"index files in {self._generations.home} are damaged again and again; check the disk")

    def _pack(self, name: str) -> OpenPack:
        if name not in self._open_packs:
            self._open_packs[name] = self._generations.packs[name]
        return self._open_packs[name]

    @property
    def fields(self) -> list[str]:
        return list(self._fields)

    @property
    def identity(self) -> str:
        """Names this version of this collection: its folder, when it was made, its version, files and encoders."""
        made = (self._folder / "library.json").stat().st_mtime_ns
        encoders = sorted((name, field.id) for name, field in self._fields.items())
        return f"{self._folder.resolve()} {made} {self.version} {self._state} {encoders}"

    @cached_property
    def _state(self) -> str:
        return Live(self._dataset).state

    def encoder(self, field: str) -> Encoder:
        """The encoder of a field, loaded when it is first needed. Raises EncoderMismatch if it has changed."""
        if field not in self._encoders:
            self._encoders[field] = opened(self._folder, field, self._fields[field])
        return self._encoders[field]

    def __len__(self) -> int:
        return self.index(lambda derived: derived.count)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """Item ids, n strings."""
        return self.index(lambda derived: derived.column("ids"))

    def ids_of(self, rows: Rows) -> NDArray[Any]:
        """The ids of some rows; does not read all."""
        return self.index(lambda derived: derived.at("ids", rows))

    @cached_property
    def kinds(self) -> NDArray[Any]:
        return self.index(lambda derived: derived.column("kinds"))

    @cached_property
    def parents(self) -> Rows:
        """Row of the parent, -1 for roots."""
        return self.index(lambda derived: derived.parents)

    @cached_property
    def groups(self) -> Rows:
        """Row of the page, picture, shot or segment that a row belongs to; itself if there is none."""
        return self.index(lambda derived: derived.groups)

    @cached_property
    def documents(self) -> Rows:
        """Row of the root of the file."""
        return self.index(lambda derived: derived.documents)

    def rows_of(self, ids: Sequence[str] | NDArray[Any]) -> Rows:
        """Rows of items by id; -1 where there is no such item."""
        names = np.asarray(ids, str)
        return self.index(lambda derived: derived.rows_of(names))

    def columns(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Some columns of all rows, a tuple per row."""
        table = self._dataset.to_table(columns=list(names))
        return zip(*(table[name].to_pylist() for name in names), strict=True)

    def where(self, expression: str) -> NDArray[np.bool_]:
        """The rows that a filter expression selects. Raises FilterError."""
        condition = parse(expression)
        return evaluate(condition, self._dataset.to_table(columns=columns_of(condition)))

    def lexical(self, texts: Sequence[str], k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Scores]:
        """BM25: n texts → n × k rows (-1 pads) and scores."""
        queries = [self._words(text) for text in texts]
        return self.index(lambda derived: derived.lexical).search(queries, k, allowed)

    def lexical_ceiling(self, texts: Sequence[str]) -> Scores:
        """The highest BM25 that each text could reach."""
        return self.index(lambda derived: derived.lexical).ceiling([self._words(text) for text in texts])

    def query_words(self, text: str) -> QueryWords:
        """The words of a query with their weights, to be found again in other texts."""
        words = self._words(text)
        numbers = {term: number for number, word in enumerate(words) for term in word}
        return QueryWords(numbers, np.array(self.index(lambda derived: derived.lexical).weights(words), np.float32))

    def _words(self, text: str) -> list[tuple[int, ...]]:
        return query_terms(text, self.languages)

    @cached_property
    def languages(self) -> list[str]:
        """The languages of the collection, most frequent first."""
        found = self._dataset.to_table(columns=["language"])["language"].value_counts().to_pylist()
        found.sort(key=lambda entry: -entry["counts"])
        return [entry["values"] for entry in found if entry["values"]][:MAX_LANGUAGES]

    def dense(
        self, field: str, queries: Dense, k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[Rows, Scores]:
        """Nearest neighbours: n queries → n × k rows (-1 pads) and inner products."""
        index = self._dense(field)
        if index is None:
            return np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
        found = index.search(queries, k, allowed, RECALL)
        return found.keys, found.scores

    def _dense(self, field: str) -> DenseRows | None:
        return self.index(lambda derived: derived.dense(field))

    def sample(self, field: str, count: int) -> Dense:
        """Up to `count` vectors of a field, the same ones every time."""
        if (field, count) not in self._samples:
            index = self._dense(field)
            vectors = np.zeros((0, 1), np.float16)
            if index is not None:
                held = index.rows
                vectors = index.vectors(self.index(lambda derived: derived.sample(held, count)))
            self._samples[field, count] = Dense(vectors.astype(np.float32))
        return self._samples[field, count]

    def held(self, field: str) -> tuple[Rows, Rows]:
        """The rows that have a vector in a field, and those that have token vectors; ascending."""
        index = self._dense(field)
        return np.zeros(0, np.int64) if index is None else index.rows, np.flatnonzero(self._token_row(field) >= 0)

    def vectors(self, field: str, rows: Rows) -> Dense:
        """The vectors of rows that have one, as they are stored."""
        index = self._dense(field)
        return Dense(np.zeros((0, 1), np.float16) if index is None else index.vectors(rows))

    def stored(self, field: str, rows: Rows) -> tuple[list[int], Embedding]:
        """The numbers of those of the rows that a field holds, and their vectors as they are stored."""
        index = self._dense(field)
        with_tokens = self._token_row(field) >= 0
        held = with_tokens[rows] if index is None else np.isin(rows, index.rows) | with_tokens[rows]
        dense = None if index is None else Dense(index.vectors(rows[held]))
        tokens = self.tokens(rows[held], field) if with_tokens.any() else None
        return np.flatnonzero(held).tolist(), Embedding(dense, tokens)

    def _token_row(self, field: str, rows: Rows | None = None) -> NDArray[np.int32]:
        """Where the tokens of rows, or of all, lie in their packs; -1 for none."""
        name = f"{field}.token_row"
        if rows is None:
            return self.index(lambda derived: derived.column(name, np.int32))
        return self.index(lambda derived: derived.at(name, rows, np.int32))

    def _packs_of(self, rows: Rows) -> tuple[list[str], Rows]:
        """Names of packs, and per row the number of its pack among them."""
        return self.index(lambda derived: (derived.packs, derived.pack(rows)))

    def _stored_tokens(self, field: str, rows: Rows) -> StoredTokens:
        return StoredTokens(field, self._pack, *self._packs_of(rows), self._token_row(field, rows))

    def tokens(self, rows: Rows, field: str = "text") -> MultiVector:
        """Token vectors of rows; an empty set where a row has none."""
        stored, dim = self._stored_tokens(field, rows), self.encoder(field).dim
        empty = np.zeros((0, dim), np.float32)
        sets = [empty if place < 0 else stored.vectors(row)[:, :dim] for row, place in enumerate(stored.place)]
        return MultiVector.of(sets or [empty])

    def maxsim(self, query: Query, rows: Rows, field: str = "text") -> Scores:
        """Late interaction of one query with rows: the mean over its tokens of the best token of a row.

        NaN for rows without tokens. Raises CollectionError if what was stored is damaged.
        """
        scores = self._stored_tokens(field, rows).maxsim(query) / np.float32(len(query))
        scores[np.isneginf(scores)] = np.nan
        return scores

    def late(self, field: str, query: Query, k: int, allowed: NDArray[np.bool_] | None = None) -> tuple[Rows, Scores]:
        """The rows with the highest `maxsim`, up to k, best first, and what it is."""
        rows = self.index(lambda derived: derived.late(field)).nominate(query, k, allowed, RECALL)
        scores = self.maxsim(query, rows, field)
        best = np.lexsort((rows, -scores))[: min(k, np.count_nonzero(~np.isnan(scores)))]
        return rows[best], scores[best]

    def sample_tokens(self, count: int, field: str = "text") -> TokenSample:
        """Tokens of up to `count` rows that have some, the same ones every time, and their offsets."""
        if (field, count) not in self._token_samples:
            filled = np.flatnonzero(self._token_row(field) >= 0)
            chosen = self.index(lambda derived: derived.sample(filled, count))
            (names, packs), places = self._packs_of(chosen), self._token_row(field, chosen).tolist()
            lies = [(names[pack], place) for pack, place in zip(packs.tolist(), places, strict=True)]
            known, sample = self._generations.packs.samples.get((field, count), ([], None))
            if sample is None or known != lies:  # another version may have had the same one
                sample = self._read_tokens(chosen, field)
                self._generations.packs.samples[field, count] = lies, sample
            self._token_samples[field, count] = sample
        return self._token_samples[field, count]

    def _read_tokens(self, rows: Rows, field: str) -> TokenSample:
        tokens = self.tokens(rows, field)
        values, scales = quantize(tokens.vectors)
        offsets = tokens.offsets[np.concatenate([[True], tokens.lengths > 0])]
        return Blocks.of(values, scales.astype(np.float16)), offsets

    def items(self, rows: Rows) -> list[Item]:
        """Whole items, their pictures as thumbnails. Raises CollectionError if one is not as it was stored."""
        found = self.records(rows)
        return [from_row(row, self.thumbnail(int(number))) for row, number in zip(found, rows, strict=True)]

    def records(self, rows: Rows) -> list[dict[str, Any]]:
        """Rows of the table as they were stored. Raises CollectionError for one that is damaged."""
        found: list[dict[str, Any]] = self._dataset.take(rows.tolist()).to_pylist() if len(rows) else []
        for number, row in zip(rows.tolist(), found, strict=True):
            if not fits(row, self._pack(row["pack"]).pack):
                raise CollectionError(
                    f"{self._data_file(number)} is damaged: an item of {row['source']} is not as it was stored; "
                    "run 'bowerbird doctor --verify --repair'"
                )
        return found

    def _data_file(self, row: int) -> str:
        """The file of the table that holds a row."""
        for fragment in self._dataset.get_fragments():
            if row < fragment.metadata.num_rows:
                return f"items.lance/data/{fragment.metadata.files[0].path}"
            row -= fragment.metadata.num_rows
        return "items.lance"

    def files(self, rows: Rows) -> list[FileInfo]:
        """The file that each row came from."""
        names = ["path", "digest", "size", "modified"]
        found = self._dataset.take(rows.tolist(), columns=names).to_pylist() if len(rows) else []
        return [FileInfo(**row) for row in found]

    def thumbnail(self, row: int) -> bytes | None:
        """The picture of an item as WebP, at most 384 pixels a side."""
        one = np.array([row])
        slot = int(self.index(lambda derived: derived.at("slot", one, np.int32))[0])
        names, packs = self._packs_of(one)
        return read_picture(self._pack(names[packs[0]]).pack, slot) or None

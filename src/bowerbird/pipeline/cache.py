"""Results that are remembered on disk: a query that was asked before is not run again.

The key is what the pipeline is, the versions of the libraries it searches, and the query's content. One SQLite file
holds all results, so that any number of processes read and write it at the same time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from bowerbird.collection.snapshot import Snapshot
from bowerbird.errors import PipelineError
from bowerbird.items import Query
from bowerbird.pipeline.identity import identity, query_identity
from bowerbird.pipeline.packed import pack, unpack
from bowerbird.pipeline.profile import Timed
from bowerbird.pipeline.stage import Composite, Stage
from bowerbird.ranking import Ranking, Store

FORMAT = 1
WAIT_S = 60.0
"""For another process that is writing."""
AT_ONCE = 500
"""Keys per question to the database."""


@dataclass(frozen=True)
class Cached(Composite):
    """The results of a pipeline, run only for queries that are new; made by `cached`."""

    path: str

    def run(self, ranking: Ranking) -> Ranking:
        stage = self.stages[0]
        name = identity(stage)
        keys = [key_of(name, ranking, number) for number in range(len(ranking))]
        with opened(self.path) as database:
            known = {key: result for key, result in self.read(database, keys, ranking) if result is not None}
        new = {key: number for number, key in enumerate(keys) if key not in known}
        if new:
            found = stage.run(ranking.of_queries(list(new.values())))
            if type(found) is not Ranking:
                raise PipelineError(f"{self!r} remembers rankings, not answers: put the stage that answers behind it")
            results = [found.of_queries([number]) for number in range(len(new))]
            with opened(self.path) as database, database:
                rows = [
                    (key, packed_with_sum(result, ranking.queries[number]))
                    for (key, number), result in zip(new.items(), results, strict=True)
                ]
                database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?)", rows)
            known.update(zip(new, results, strict=True))
        return Ranking.concat([known[key] for key in keys], store_in(stage, ranking))

    def read(
        self, database: sqlite3.Connection, keys: Sequence[bytes], ranking: Ranking
    ) -> Iterator[tuple[bytes, Ranking | None]]:
        """What is remembered; None for entries that are damaged, which are then written anew."""
        asked: Mapping[bytes, Query] = dict(zip(keys, ranking.queries, strict=True))
        wanted = list(asked)
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            for key, content in database.execute(f"SELECT key, result FROM results WHERE key IN ({marks})", some):
                yield key, unpacked_if_whole(content, asked[key])

    def __repr__(self) -> str:
        return f"cached({self.stages[0]!r}, {self.path!r})"

    @property
    def label(self) -> str:
        return "cached"


def cached(stage: Stage, path: str | Path) -> Stage:
    """Remembers the stage's result for every query in a file.

    A result counts for the same expression with the same settings and models, the same versions of its libraries, and
    the same content of the query, pictures and sounds by their bytes. Several pipelines and processes may share a file.
    Raises PipelineError at the first run for a stage whose parts cannot be told apart (see `identity`).
    """
    return Cached((stage,), str(path))


def key_of(pipeline: str, ranking: Ranking, number: int) -> bytes:
    """What the result for one query depends on: pipeline, versions, query, the hits that come in, and where they are
    looked up."""
    store = identity(ranking.store) if isinstance(ranking.store, Snapshot) else ""
    asked, incoming = query_identity(ranking.queries[number]), json.dumps(ranking.hits(number))
    text = "\n".join([str(FORMAT), pipeline, asked, incoming, store])
    return blake2b(text.encode("utf8", "surrogatepass"), digest_size=16).digest()


@contextmanager
def opened(path: str) -> Iterator[sqlite3.Connection]:
    """The database, made where it is not there. Raises PipelineError if the file is none."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=WAIT_S)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, result BLOB) WITHOUT ROWID")
            yield database
    except (sqlite3.Error, OSError) as error:
        raise PipelineError(f"{path} cannot be used as a cache ({error}): delete it or name another file") from error


def packed_with_sum(ranking: Ranking, asked: Query) -> bytes:
    content = pack(ranking, asked)
    return blake2b(content, digest_size=8).digest() + content


def unpacked_if_whole(content: bytes, asked: Query) -> Ranking | None:
    whole = blake2b(content[8:], digest_size=8).digest() == content[:8]
    return unpack(content[8:], asked) if whole else None


def store_in(stage: Stage, ranking: Ranking) -> Store | None:
    """Where the ids of remembered hits are looked up: the library of the stage that found them."""
    if isinstance(stage, Timed):
        return store_in(stage.stage, ranking)
    if isinstance(stage, Composite):
        return next((found for inner in stage.stages if (found := store_in(inner, ranking)) is not None), ranking.store)
    source = getattr(stage, "source", None)
    return source if source is not None else ranking.store

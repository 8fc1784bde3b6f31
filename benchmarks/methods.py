"""The same method by other means, on real sets: BM25 beside bm25s, vectors beside plain numpy, both fused.

    python -m benchmarks.methods                        # all sets, some twenty minutes on two cores
    python -m benchmarks.methods xquad cisi --folder build/methods
    python -m benchmarks.methods --write docs/benchmarks.md

Peers search the same passages: bm25s what the library's index reads of them (k1, b, stemming and stop words as common
for their language), numpy the vectors of the default encoder by one matrix product. The hybrid is reciprocal rank
fusion on both sides. Figures are nDCG@10 and R@k over documents, as in benchmarks/quality.py. --folder keeps the
libraries, so that they are filled once.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import bowerbird as bb
from benchmarks import sets
from benchmarks.quality import measure
from benchmarks.report import machine, write_section
from bowerbird.collection.fields import text_input
from bowerbird.collection.snapshot import Snapshot
from bowerbird.encoders import e5, token_counter
from bowerbird.index.top import top_k
from bowerbird.items import text_of
from bowerbird.pipeline.fusion import rrf
from bowerbird.pipeline.merge import merge, reciprocal_ranks, total
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.ranking import Ranking
from bowerbird.readers.base import ReadOptions

DEPTH = 200
STEMMERS = {"en": "english", "de": "german"}
HEADER = ("set", "queries", "method", "by", "nDCG@10", "R@1", "R@10")

Search: TypeAlias = Callable[[Ranking], Ranking]
"""From queries without hits to their passages."""
Scores: TypeAlias = NDArray[np.float32]


class Peers:
    """What other tools make of the passages of a library. lang: of these."""

    def __init__(self, snapshot: Snapshot, lang: str) -> None:
        rows = np.arange(len(snapshot))
        texts = [text_of(text_input(item)) for item in snapshot.items(rows)]
        self.snapshot = snapshot
        self.rows = rows[[bool(text) for text in texts]]
        self.words = Words([text for text in texts if text], lang)

    def bm25s(self, asked: Ranking) -> Ranking:
        return self._ranking(asked, [self.words.scores(query.text) for query in asked.queries])

    def numpy(self, asked: Ranking) -> Ranking:
        numbers, stored = self.snapshot.stored("text", self.rows)
        assert stored.dense is not None
        vectors = e5.load().encode_queries([query.parts for query in asked.queries]).dense
        assert vectors is not None
        scores = np.full((len(asked), len(self.rows)), -np.inf, np.float32)
        scores[:, numbers] = vectors.vectors @ stored.dense.vectors.astype(np.float32).T
        return self._ranking(asked, list(scores))

    def fused(self, asked: Ranking) -> Ranking:
        table = merge([reciprocal_ranks(self.bm25s(asked)), reciprocal_ranks(self.numpy(asked))], asked.queries)
        return table.ranking(total(table.scores))

    def _ranking(self, asked: Ranking, scores: Sequence[Scores]) -> Ranking:
        """The first DEPTH passages of every query."""
        best = [_found(each) for each in scores]
        query = np.repeat(np.arange(len(best)), [len(places) for places in best])
        places = np.concatenate(best)
        ids = self.snapshot.ids[self.rows[places]]
        found = np.concatenate([each[mine] for each, mine in zip(scores, best, strict=True)])
        return Ranking.from_hits(asked.queries, query, ids, found, store=self.snapshot)


def _found(scores: Scores) -> NDArray[np.int64]:
    """The first DEPTH places of what has a score."""
    places = top_k(scores, DEPTH)
    return places[np.isfinite(scores[places]) & (scores[places] != 0)]


class Words:
    """A bm25s index, in the form its guide recommends for a language."""

    def __init__(self, texts: Sequence[str], lang: str) -> None:
        import bm25s
        import snowballstemmer

        stem = snowballstemmer.stemmer(STEMMERS[lang])
        self._tokens: dict[str, Any] = {"stopwords": lang, "stemmer": stem.stemWords, "show_progress": False}
        self._tokenize = bm25s.tokenize
        self._index = bm25s.BM25(k1=1.2, b=0.75)
        self._index.index(bm25s.tokenize(list(texts), **self._tokens), show_progress=False)
        self._count = len(texts)

    def scores(self, query: str) -> Scores:
        tokens = self._tokenize([query], return_ids=False, **self._tokens)[0]
        known = [token for token in tokens if token in self._index.vocab_dict]
        if not known:
            return np.zeros(self._count, np.float32)
        return np.asarray(self._index.get_scores(known), np.float32)


def methods(snapshot: Snapshot, lang: str) -> list[tuple[str, str, Search]]:
    """Method, by whom, and how."""
    words, meaning, peers = Lexical(snapshot, DEPTH), Dense(snapshot, "text", DEPTH), Peers(snapshot, lang)
    return [
        ("BM25", "bowerbird", words),
        ("BM25", "bm25s", peers.bm25s),
        ("vectors", "bowerbird", meaning),
        ("vectors", "numpy", peers.numpy),
        ("hybrid, reciprocal ranks", "bowerbird", rrf(words, meaning)),
        ("hybrid, reciprocal ranks", "bm25s and numpy", peers.fused),
        ("hybrid, calibrated sum", "bowerbird", words + meaning),
    ]


Row: TypeAlias = tuple[str, ...]


def rows_of(name: str, made: sets.Set, lang: str, home: Path) -> list[Row]:
    """Fill a library unless it is there, and measure all methods on all queries of a set."""
    library = bb.open(home / name)
    if not len(library.snapshot()):
        made.fill(library)
    snapshot = library.snapshot()
    names = made.names(snapshot)
    rows = []
    for title, asked in made.queries.items():
        for method, by, search in methods(snapshot, lang):
            ndcg, first, _, _, ten = measure(search, asked, names)  # type: ignore[arg-type]
            rows.append((title, f"{len(asked.queries):,}", method, by, f"{ndcg:.3f}", f"{first:.3f}", f"{ten:.3f}"))
    return rows


def markdown(rows: Sequence[Row]) -> str:
    lines = [HEADER, ("---", "---:", "---", "---", "---:", "---:", "---:"), *rows]
    return f"{machine()}.\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in lines)


def xquad(options: ReadOptions, lang: str) -> sets.Set:
    """Passages in a language, asked in English by every fourth question."""
    made = sets.xquad(options, corpus=lang)
    return replace(made, queries={f"xquad en→{lang}": made.queries[f"xquad en→{lang}"]})


def main() -> None:
    options = ReadOptions(count_tokens=token_counter("e5"))
    makers: dict[str, tuple[str, Callable[[], sets.Set]]] = {
        "xquad": ("en", lambda: xquad(options, "en")),
        "xquad-de": ("de", lambda: xquad(options, "de")),
        "cranfield": ("en", lambda: sets.beir("text/cranfield", options)),
        "cisi": ("en", lambda: sets.beir("text/cisi", options)),
        "tables": ("en", lambda: sets.beir("tables/wikitablequestions-subset", options, every=10)),
        "mmdocir": ("en", sets.pages),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=list(makers), help=f"any of {', '.join(makers)}")
    parser.add_argument("--folder", type=Path, help="where the libraries are kept; a temporary one without it")
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put the table into this guide")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name in given.sets:
            lang, make = makers[name]
            found = rows_of(name, make(), lang, given.folder or Path(temporary))
            table = Table(*HEADER)
            for row in found:
                table.add_row(*row)
            Console(width=110).print(table)
            rows += found
    if given.write:
        write_section(given.write, "methods", markdown(rows))


if __name__ == "__main__":
    main()

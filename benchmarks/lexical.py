"""BM25 over our own postings beside Lance full text, bm25s and tantivy, all over the same analysed terms.

python -m benchmarks.lexical                            # latency at a million short passages; quality
python -m benchmarks.lexical --speed --count 200000     # latency only; a million take 10 GB for the peers' words
python -m benchmarks.lexical --write docs/benchmarks.md

bm25s and tantivy are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import machine, write_section
from benchmarks.sets import DATA, lines, qrels
from bowerbird.embeddings import Sparse
from bowerbird.index.analysis import query_terms, terms
from bowerbird.index.language import guess_language
from bowerbird.index.lexical import K1, B, Counts, LexicalIndex, Postings, Words
from bowerbird.storage.checked import CheckedFile, write_checked

K = 10
LONGEST = 40
"""Words of a short passage, about."""
ROUNDS = 3
XQUAD_LANGUAGES = ("en", "de", "es", "ru", "el", "tr", "ar", "hi", "th", "vi", "zh", "ro")
Search = Callable[[Sequence[Words]], NDArray[np.int64]]
"""Queries → n × K rows, -1 pads."""


@dataclass(frozen=True)
class Table:
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.header, ("---", *["---:"] * (len(self.header) - 1)), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Task:
    """A corpus and judged queries. relevant: per query the gain of rows."""

    name: str
    texts: tuple[str, ...]
    queries: tuple[str, ...]
    relevant: tuple[dict[int, float], ...]


def task(name: str, corpora: Sequence[Path], queries: Path, judgements: Path) -> Task:
    """A task in BEIR's form; several corpora are searched as one, and only the last one is judged."""
    judged = qrels(judgements)
    entries = [entry for corpus in corpora[:-1] for entry in lines(corpus)]
    first = len(entries)
    entries += lines(corpora[-1])
    row = {entry["_id"]: first + number for number, entry in enumerate(entries[first:])}
    asked = [entry for entry in lines(queries) if entry["_id"] in judged]
    return Task(
        name,
        tuple(f"{entry.get('title') or ''}\n{entry['text']}" for entry in entries),
        tuple(entry["text"] for entry in asked),
        tuple({row[name]: gain for name, gain in judged[entry["_id"]].items() if name in row} for entry in asked),
    )


def tasks() -> Iterator[Task]:
    for name in (
        "text/cisi",
        "text/cranfield",
        "tables/wikitablequestions-subset",
        "documents/mmdocir-subset",
    ):
        at = DATA / name
        yield task(at.name, [at / "corpus.jsonl"], at / "queries.jsonl", at / "qrels/test.tsv")
    at = DATA / "text/xquad-crosslingual"
    spoken = [language for language in XQUAD_LANGUAGES if (at / f"corpus/{language}.jsonl").exists()]
    for language in spoken:
        # the corpora of all languages in one index: the language of a query is not told
        corpora = [at / f"corpus/{other}.jsonl" for other in spoken if other != language]
        corpora.append(at / f"corpus/{language}.jsonl")
        yield task(f"xquad {language}", corpora, at / f"queries/{language}.jsonl", at / "qrels/test.tsv")


def analysed(texts: Sequence[str]) -> tuple[list[list[int]], list[str]]:
    """The terms of every text, and the languages that the texts are in, most frequent first."""
    guessed = [guess_language(text) for text in texts]
    common = [language for language, _ in Counter(guessed).most_common() if language][:8]
    return [terms(text, language) for text, language in zip(texts, guessed, strict=True)], common


def counted(documents: Sequence[Sequence[int]]) -> Sparse:
    counts = [Counter(document) for document in documents]
    return Sparse(
        np.array([term for one in counts for term in one], np.uint64),
        np.array([number for one in counts for number in one.values()], np.float32),
        np.concatenate([[0], np.cumsum([len(one) for one in counts])]).astype(np.int64),
    )


def written(documents: Sequence[Sequence[int]], first: int = 0) -> Any:
    """The same terms as text that Lance splits at spaces."""
    import pyarrow as pa

    return pa.table(
        {
            "row": np.arange(first, first + len(documents)),
            "terms": [" ".join(f"{term:x}" for term in document) for document in documents],
        }
    )


def lance_dataset(documents: Sequence[Sequence[int]], folder: str) -> Any:
    import lance

    dataset = lance.write_dataset(written(documents), folder)
    dataset.create_scalar_index(
        "terms",
        "INVERTED",
        with_position=False,
        base_tokenizer="whitespace",
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )
    return dataset


def lance_search(dataset: Any) -> Search:
    def search(queries: Sequence[Words]) -> NDArray[np.int64]:
        found = np.full((len(queries), K), -1, np.int64)
        for number, query in enumerate(queries):
            text = " ".join(f"{term:x}" for word in query for term in word)
            if text:
                hits = dataset.to_table(columns=["row", "_score"], full_text_query=text, limit=K)
                hits = hits.sort_by([("_score", "descending"), ("row", "ascending")])
                found[number, : len(hits)] = hits["row"].to_numpy()
        return found

    return search


def ndcg(found: NDArray[np.int64], relevant: dict[int, float]) -> float:
    """Linear gains, cut at K."""
    discount = 1 / np.log2(np.arange(K) + 2)
    reached = sum(relevant.get(int(row), 0.0) * discount[place] for place, row in enumerate(found[:K]))
    best = float(np.sort(list(relevant.values()))[::-1][:K] @ discount[: min(K, len(relevant))])
    return float(reached / best)


def first(found: NDArray[np.int64], one: Task) -> float:
    """The share of queries whose first hit is relevant."""
    return statistics.mean(int(hits[0]) in wanted for hits, wanted in zip(found, one.relevant, strict=True))


def quality(names: Sequence[str]) -> Table:
    """nDCG@10 and R@1 of every system on the shared sets."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    heads = {}
    for one in tasks():
        documents, languages = analysed(one.texts)
        queries = [query_terms(text, languages) for text in one.queries]
        heads[one.name] = (one.name, f"{len(documents):,}", f"{len(queries):,}")
        with tempfile.TemporaryDirectory() as folder:
            for system in made(names, documents, Path(folder)):
                hits = system.search(queries)
                scores = [ndcg(some, wanted) for some, wanted in zip(hits, one.relevant, strict=True)]
                found.setdefault(one.name, {})[system.name] = statistics.mean(scores), first(hits, one)
        print(one.name, found[one.name], flush=True)
    systems = list(dict.fromkeys(name for scores in found.values() for name in scores))
    header = ("set", "passages", "queries", *(f"{name} {cut}" for cut in ("nDCG@10", "R@1") for name in systems))
    rows = [
        (*heads[name], *(f"{scores[system][cut]:.3f}" for cut in (0, 1) for system in systems))
        for name, scores in found.items()
    ]
    return Table(header, rows)


def many(documents: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """`count` short passages of realistic words: half of the words of some 2 × LONGEST neighbours in a real text."""
    rng = np.random.default_rng(0)
    real = [document for document in documents if len(document) > LONGEST]
    chosen, made = rng.integers(0, len(real), count), []
    for number in chosen.tolist():
        start = int(rng.integers(0, len(real[number]) - LONGEST))
        window = real[number][start : start + 2 * LONGEST]
        made.append([window[at] for at in np.flatnonzero(rng.random(len(window)) < 0.5)])
    return made


@dataclass(frozen=True)
class System:
    """A search engine over passages that are terms already."""

    name: str
    built_in: float
    """Seconds, written to disk."""
    size: int
    """Bytes on disk."""
    search: Search


def own(passages: Sequence[Sequence[int]], folder: Path, parts: int = 1) -> System:
    """Postings in `parts` segments, and a twentieth of the passages deleted if there are several."""
    sparse, step = counted(passages), -(-len(passages) // parts)
    ends = [(at, min(at + step, len(passages))) for at in range(0, len(passages), step)]
    slices = [counted(passages[start:end]) if parts > 1 else sparse for start, end in ends]

    def build() -> LexicalIndex:
        mapped = []
        for (start, _), piece in zip(ends, slices, strict=True):
            postings = Postings.build(Counts.of(piece), len(piece))
            write_checked(folder, "", {}, postings.arrays, f"postings-{start}")
            mapped.append((Postings.of(CheckedFile(folder / f"postings-{start}")), start))
        return LexicalIndex(mapped, rows)

    rows = None
    if parts > 1:
        rows = np.arange(len(passages))
        rows[::20] = -1
        rows[rows >= 0] = np.arange(np.count_nonzero(rows >= 0))
    index, took = timed(build)
    name = "bowerbird" if parts == 1 else f"bowerbird, {parts} segments, deletions"
    return System(name, took, size_of(folder), lambda queries: index.search(queries, K)[0])


def bm25s_system(passages: Sequence[Sequence[int]], folder: Path) -> System:
    """bm25s with its numba backend, its index mapped."""
    import bm25s

    vocabulary = {term: number for number, term in enumerate(sorted({term for one in passages for term in one}))}
    numbered = [[vocabulary[term] for term in one] for one in passages]

    def build() -> Any:
        built = bm25s.BM25(k1=K1, b=B, backend="numba")
        built.index((numbered, {f"{term:x}": number for term, number in vocabulary.items()}), show_progress=False)
        built.save(str(folder))
        return bm25s.BM25.load(str(folder), mmap=True)

    index, took = timed(build)
    index.backend = "numba"

    def search(queries: Sequence[Words]) -> NDArray[np.int64]:
        asked = [[vocabulary[term] for word in query for term in word if term in vocabulary] for query in queries]
        return np.asarray(index.retrieve(asked, k=K, show_progress=False, backend_selection="numba")[0], np.int64)

    return System(f"bm25s {bm25s.__version__} (numba)", took, size_of(folder), search)


def tantivy_system(passages: Sequence[Sequence[int]], folder: Path) -> System:
    """tantivy with one thread; lengths of documents are rounded, as in Lucene."""
    import tantivy

    texts = [" ".join(f"{term:x}" for term in one) for one in passages]
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    fields.add_unsigned_field("row", fast=True, stored=True)
    schema = fields.build()

    def build() -> Any:
        index = tantivy.Index(schema, path=str(folder))
        writer = index.writer(heap_size=500_000_000, num_threads=1)
        for row, text in enumerate(texts):
            document = tantivy.Document()
            document.add_text("terms", text)
            document.add_unsigned("row", row)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return index

    index, took = timed(build)
    searcher = index.searcher()

    def search(queries: Sequence[Words]) -> NDArray[np.int64]:
        found = np.full((len(queries), K), -1, np.int64)
        for number, query in enumerate(queries):
            asked = [tantivy.Query.term_query(schema, "terms", f"{term:x}") for word in query for term in word]
            any_of = tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in asked])
            hits = searcher.search(any_of, limit=K, count=False, order_by_field=None).hits
            rows = [searcher.doc(address)["row"][0] for _, address in hits]
            found[number, : len(rows)] = rows
        return found

    return System(f"tantivy {version('tantivy')}", took, size_of(folder), search)


def lance_system(passages: Sequence[Sequence[int]], folder: Path) -> System:
    dataset, took = timed(lambda: lance_dataset(passages, str(folder / "terms.lance")))
    return System("Lance full text", took, size_of(folder), lance_search(dataset))


MAKERS: dict[str, Callable[[Sequence[Sequence[int]], Path], System]] = {
    "bowerbird": own,
    "segments": lambda passages, folder: own(passages, folder, 5),
    "bm25s": bm25s_system,
    "tantivy": tantivy_system,
    "lance": lance_system,
}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def milliseconds(search: Search, queries: Sequence[Words]) -> list[float]:
    """Single queries, one after the other."""
    took = []
    for query in queries:
        started = time.perf_counter()
        search([query])
        took.append(1000 * (time.perf_counter() - started))
    return took


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started


def agreement(found: NDArray[np.int64], expected: NDArray[np.int64]) -> float:
    """The share of the first K that two systems have in common."""
    return statistics.mean(len(set(a.tolist()) & set(b.tolist())) / K for a, b in zip(found, expected, strict=True))


def made(names: Sequence[str], documents: Sequence[Sequence[int]], folder: Path) -> Iterator[System]:
    """The systems of these names over the documents, but for those that are not installed."""
    for name in names:
        (folder / name).mkdir()
        try:
            yield MAKERS[name](documents, folder / name)
        except ImportError as error:
            print(f"{name} is left out: {error}; pip install {name}")


def speed(count: int, names: Sequence[str]) -> Table:
    """The systems take turns, so that whatever else the machine does slows all of them; the best of ROUNDS counts."""
    texts = [text for one in list(tasks())[:4] for text in one.texts if text.strip()]
    documents, languages = analysed(texts)
    asked = [query_terms(text, languages) for text in next(tasks()).queries]
    passages = many(documents, count)
    with tempfile.TemporaryDirectory() as folder:
        systems = list(made(names, passages, Path(folder)))
        short = [query[:5] for query in asked]
        best: dict[str, list[list[float]]] = {system.name: [] for system in systems}
        batches: dict[str, list[float]] = {system.name: [] for system in systems}
        for _ in range(ROUNDS):
            for system in systems:
                best[system.name] += [milliseconds(system.search, short), milliseconds(system.search, asked)]
                batches[system.name].append(1000 * timed(lambda one=system: one.search(asked))[1] / len(asked))
        expected, rows = systems[0].search(short), []
        for system in systems:
            cells = [system.name, f"{system.built_in:.1f}", f"{system.size / 1e6:,.0f}"]
            for kind in (0, 1):
                fastest = np.min(best[system.name][kind::2], axis=0)  # of every query
                cells += [f"{np.percentile(fastest, share):.2f}" for share in (50, 95)]
            same = f"{agreement(system.search(short), expected):.2f}" if "deletions" not in system.name else ""
            rows.append((*cells, f"{min(batches[system.name]):.2f}", same))
    asked_as = ("5 words p50", "p95", "questions p50", "p95")
    return Table(("system", "build s", "MB", *asked_as, "in a batch", "same hits"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true", help="only that")
    parser.add_argument("--count", type=int, default=1_000_000, help="of short passages, for speed")
    parser.add_argument("--systems", nargs="*", choices=list(MAKERS), default=list(MAKERS))
    parser.add_argument("--write", type=Path, metavar="GUIDE", help="put both tables into this guide")
    options = parser.parse_args()
    fast = speed(options.count, options.systems)
    print(fast.markdown())
    if options.speed:
        return
    good = quality([name for name in options.systems if name != "segments"])
    print(good.markdown())
    if options.write:
        text = f"""{machine()}. All systems get the same terms.

{good.markdown()}

{options.count:,} short passages, milliseconds per query on one thread, ten hits (load {os.getloadavg()[0]:.0f}):

{fast.markdown()}"""
        write_section(options.write, "lexical", text)


if __name__ == "__main__":
    main()

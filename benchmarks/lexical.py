"""BM25 over our own postings against Lance full text over the same analysed terms: quality, latency, freshness.

python -m benchmarks.lexical            # quality on the shared sets
python -m benchmarks.lexical --speed    # latency and build time at 100,000 passages
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sets import DATA, lines, qrels
from bowerbird.embeddings import Sparse
from bowerbird.index.analysis import query_terms, terms
from bowerbird.index.language import guess_language
from bowerbird.index.lexical import Counts, LexicalIndex, Postings, Words
from bowerbird.storage.checked import CheckedFile, write_checked

K = 10
XQUAD_LANGUAGES = ("en", "de", "es", "ru", "el", "tr", "ar", "hi", "th", "vi", "zh", "ro")
Search = Callable[[Sequence[Words]], NDArray[np.int64]]
"""Queries → n × K rows, -1 pads."""


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


def quality() -> None:
    print(f"{'':28}{'passages':>9}{'queries':>9}   {'nDCG@10':>16}   {'R@1':>16}")
    print(f"{'':46}   {'own':>8}{'Lance':>8}   {'own':>8}{'Lance':>8}")
    for one in tasks():
        documents, languages = analysed(one.texts)
        queries = [query_terms(text, languages) for text in one.queries]
        with tempfile.TemporaryDirectory() as folder:
            own = LexicalIndex.build(counted(documents)).search(queries, K)[0]
            other = lance_search(lance_dataset(documents, f"{folder}/terms.lance"))(queries)
        cells = [f"{one.name:28}{len(documents):9}{len(queries):9}   "]
        for found in (own, other):
            scores = [ndcg(hits, wanted) for hits, wanted in zip(found, one.relevant, strict=True)]
            cells.append(f"{statistics.mean(scores):8.3f}")
        cells.append("   ")
        cells += [f"{first(found, one):8.3f}" for found in (own, other)]
        print("".join(cells), flush=True)


def many(documents: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """`count` passages of realistic words: real ones, each mixed half and half with another."""
    rng = np.random.default_rng(0)
    made = []
    for first, second in rng.integers(0, len(documents), (count, 2)):
        whole = [*documents[first], *documents[second]]
        chosen = np.flatnonzero(rng.random(len(whole)) < 0.5)
        made.append([whole[at] for at in chosen])
    return made


def milliseconds(search: Search, queries: Sequence[Words]) -> tuple[float, float]:
    """Median and 95th percentile of single queries."""
    took = []
    for query in queries:
        started = time.perf_counter()
        search([query])
        took.append(1000 * (time.perf_counter() - started))
    return float(np.percentile(took, 50)), float(np.percentile(took, 95))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    done = work()
    return done, time.perf_counter() - started


def written_postings(documents: Sparse, folder: Path) -> None:
    write_checked(folder, "", {}, Postings.build(Counts.of(documents), len(documents)).arrays, "postings")


def opened(folder: Path) -> LexicalIndex:
    return LexicalIndex([(Postings.of(CheckedFile(folder / "postings")), 0)])


def speed(count: int) -> None:
    english = next(tasks())
    texts = [text for one in list(tasks())[:4] for text in one.texts if text.strip()]
    real, took = timed(lambda: analysed(texts))
    documents, languages = real
    print(f"analysis: {sum(map(len, documents)) / took:,.0f} words/s")
    queries = [query_terms(text, languages) for text in english.queries]
    short = [query[:5] for query in queries]
    for size in (1500, count):
        passages = many(documents, size)
        with tempfile.TemporaryDirectory() as folder:
            sparse = counted(passages)
            _, built = timed(lambda sparse=sparse, folder=folder: written_postings(sparse, Path(folder)))
            index = opened(Path(folder))
            dataset, written_in = timed(
                lambda passages=passages, folder=folder: lance_dataset(passages, f"{folder}/terms.lance")
            )
            other = lance_search(dataset)
            systems = {"own": lambda batch, index=index: index.search(batch, K)[0], "Lance": other}
            print(f"{size:,} passages: build own {built:.2f} s, Lance {written_in:.2f} s (written and indexed)")
            for name, search in systems.items():
                search(queries)
                p50, p95 = milliseconds(search, short)
                long50, long95 = milliseconds(search, queries)
                _, batch = timed(lambda search=search: search(queries))
                print(
                    f"  {name:6} 5 words: p50 {p50:6.2f} p95 {p95:6.2f} ms   whole questions: p50 {long50:6.2f} "
                    f"p95 {long95:6.2f} ms   batch of {len(queries)}: {1000 * batch / len(queries):6.2f} ms/query"
                )
            import lance

            dataset = lance.write_dataset(written(passages[:1000], size), dataset.uri, mode="append")
            dataset.delete("row < 100")
            p50, p95 = milliseconds(lance_search(lance.dataset(dataset.uri)), short)
            print(f"  Lance after 1,000 more rows and 100 deletions, not indexed again: p50 {p50:.2f} p95 {p95:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    if options.speed:
        speed(options.count)
    else:
        quality()


if __name__ == "__main__":
    main()

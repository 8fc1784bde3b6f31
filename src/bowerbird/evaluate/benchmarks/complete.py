"""Whether everything that a benchmark names is there: before hours of embedding, not after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.items import Part, Table, Text

SHOWN = 3
"""So many of the things that are missing are named."""


@dataclass(frozen=True)
class Contents:
    """What was counted. items: things that can be found; passages of a longer one count with it."""

    queries: int
    judgements: int
    items: int


def check(benchmark: Benchmark) -> Contents:
    """Read the corpus once; raises BenchmarkError if media or items are missing that queries, qrels or pools name."""
    ids: set[str] = set()
    twice: list[str] = []
    media: set[str] = set()
    for item in benchmark.items():
        if item.parent is None:
            if item.id in ids:
                twice.append(item.id)
            ids.add(item.id)
        media |= absent(item.parts)
    for query in benchmark.queries.values():
        media |= absent(query.parts)
    named = {
        "qrels": _names(benchmark.qrels),
        "pools": _names(benchmark.pools),
        "items left out": _names(benchmark.left_out),
    }
    problems = [_few("files are missing", sorted(media))] if media else []
    problems += [_few("items have the id of another", twice)] if twice else []
    for where, names in named.items():
        unknown = sorted(names - ids)
        problems += [_few(f"items of the {where} are not in the corpus", unknown)] if unknown and ids else []
    unknown = sorted(set(benchmark.qrels) - set(benchmark.queries))
    problems += [_few("judged queries are not asked", unknown)] if unknown else []
    if problems:
        raise BenchmarkError(f"{benchmark.name}: " + "; ".join(problems))
    return Contents(len(benchmark.queries), sum(map(len, benchmark.qrels.values())), len(ids))


def absent(parts: Iterable[Part]) -> set[str]:
    """Paths of media that do not exist."""
    sources = (part.source for part in parts if not isinstance(part, Text | Table))
    return {source for source in sources if isinstance(source, str) and not Path(source).is_file()}


def _names(by_query: Mapping[str, Iterable[str]]) -> set[str]:
    return {name for names in by_query.values() for name in names}


def _few(what: str, names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"

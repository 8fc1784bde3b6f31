"""What stages need and give, checked before the first query runs.

"hits"                       something to re-score, cut, group or answer from
"items"                      hits whose content can be looked up
"text", "image", …           such a part in every query
"chat", "logits"             a language model, one that tells the probabilities of its words
"field 'NAME'"               such a field in the collection
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bowerbird.errors import PipelineError
from bowerbird.items import Audio, Image, Part, Query, QueryLike, Table, Text, Video
from bowerbird.ranking import Ranking

if TYPE_CHECKING:
    from bowerbird.pipeline.stage import Stage

KINDS: Mapping[str, tuple[type[Part], ...]] = {
    "text": (Text, Table),
    "image": (Image,),
    "audio": (Audio,),
    "video": (Video,),
}

REMEDY = {
    "hits": "put a stage that retrieves before it, such as Lexical(library) >> …",
    "items": "give it the library, or put a stage that retrieves from one before it",
    "text": "ask with words",
    "image": "ask with a picture, such as [Image('shoe.jpg'), 'but in red']",
    "audio": "ask with a sound",
    "video": "ask with a film",
    "chat": "give it a language model, such as OpenAIChat('http://localhost:8000/v1', 'model')",
    "logits": "use a language model that gives them (OpenAIChat on a server with logprobs), or GradeJudge(chat)",
}


def check(pipeline: Stage, queries: Ranking | Sequence[QueryLike]) -> None:
    """Whether the pipeline can run on these queries; nothing is searched.

    Raises PipelineError that names the stage, what it needs, and what to do.
    """
    ranking = queries if isinstance(queries, Ranking) else as_ranking(queries)
    pipeline.flow(given(ranking), ranking.queries)


def as_ranking(queries: Sequence[QueryLike]) -> Ranking:
    """A batch of queries as what a pipeline starts from. Raises PipelineError for a single one."""
    if isinstance(queries, str | Query | Part):
        raise PipelineError(
            "a pipeline takes a batch of queries: put a single one in a list, such as pipeline([query])"
        )
    return Ranking.empty([Query.of(query) for query in queries])


def given(ranking: Ranking) -> frozenset[str]:
    """What a ranking offers to the first stage: hits if it has some, and kinds of parts that all its queries have."""
    found = {kind for kind in KINDS if all(holds(query, kind) for query in ranking.queries)}
    if len(ranking.ids):
        found.add("hits")
    if ranking.store is not None:
        found.add("items")
    return frozenset(found)


def holds(query: Query, kind: str) -> bool:
    return any(isinstance(part, KINDS[kind]) for part in query.parts)


def require(stage: Stage, needs: frozenset[str], offered: frozenset[str], queries: Sequence[Query]) -> None:
    """Raises PipelineError if something that the stage needs is not offered."""
    missing = sorted(needs - offered)
    if not missing:
        return
    need = missing[0]
    if need in KINDS:
        number = next(n for n, query in enumerate(queries) if not holds(query, need))
        what = (
            f"{need} in every query, and query {number + 1} of {len(queries)} ({queries[number].text[:60]!r}) has none"
        )
        raise PipelineError(f"{stage!r} needs {what}: {REMEDY[need]}")
    if need.startswith("field"):
        fields = ", ".join(sorted(name for name in offered if name.startswith("field"))) or "no fields"
        raise PipelineError(f"{stage!r} needs the {need}: the collection has {fields}; choose one of these")
    raise PipelineError(f"{stage!r} needs {need}, and nothing before it gives them: {REMEDY.get(need, 'add it')}")

"""A library as a retriever of LlamaIndex: query engines, chat engines and agents can search it.

from bowerbird.integrations.llama_index import BowerbirdRetriever

retriever = BowerbirdRetriever(bb.open("library"), k=5)
nodes = retriever.retrieve("diagram of the heart valves")
nodes = retriever.retrieve(QueryBundle("but in red", image_path="shoe.jpg"))
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from bowerbird.errors import MissingExtra
from bowerbird.integrations.documents import facts_of, picture_of, words_of
from bowerbird.items import Image, Modality, Part, Text
from bowerbird.library import Library
from bowerbird.pipeline.group import Level
from bowerbird.pipeline.results import Hit

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise MissingExtra("llama-index", "a retriever for LlamaIndex") from error

UNREAD = ["id", "score", "snippet", "matched", "box", "chars", "rows"]
"""Metadata that neither language models nor encoders are shown."""


class BowerbirdRetriever(BaseRetriever):
    """Searches a library with the words and the picture of a query; one node per hit, best first.

    modalities, where, group: as for `Library.search`. Hits with a picture are `ImageNode`s that hold it.
    Raises FilterError for a wrong `where`, ReadError for a picture that cannot be read.
    """

    def __init__(
        self,
        library: Library,
        k: int = 10,
        *,
        modalities: Sequence[Modality] | None = None,
        where: str = "",
        group: Level = "page",
    ) -> None:
        super().__init__()
        self._library, self._k = library, k
        self._modalities, self._where, self._group = modalities, where, group

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        parts: list[Part] = [Image(query_bundle.image_path)] if query_bundle.image_path else []
        parts += [Text(query_bundle.query_str)] if query_bundle.query_str.strip() else []
        if not parts:
            return []
        found = self._library.search(parts, self._k, modalities=self._modalities, where=self._where, group=self._group)
        return [node(hit) for hit in found.hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def node(hit: Hit) -> NodeWithScore:
    """A hit as a node of LlamaIndex with the hit's score. Its id is that of the best place inside it."""
    about: dict[str, Any] = {
        "id_": hit.best.id,
        "text": words_of(hit),
        "metadata": facts_of(hit),
        "excluded_llm_metadata_keys": UNREAD,
        "excluded_embed_metadata_keys": UNREAD,
    }
    if hit.thumbnail:
        return NodeWithScore(
            node=ImageNode(**about, image=picture_of(hit), image_mimetype="image/webp"), score=hit.score
        )
    return NodeWithScore(node=TextNode(**about), score=hit.score)

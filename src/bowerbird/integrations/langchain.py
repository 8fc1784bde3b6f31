"""A library as a retriever of LangChain: anything that takes a retriever, from chains to agents, can search it.

from bowerbird.integrations.langchain import BowerbirdRetriever

retriever = BowerbirdRetriever(library=bb.open("library"), k=5)
documents = retriever.invoke("diagram of the heart valves")
"""

from __future__ import annotations

from typing import Any

from bowerbird.errors import MissingExtra
from bowerbird.integrations.documents import facts_of, picture_of, words_of
from bowerbird.items import Modality
from bowerbird.library import Library
from bowerbird.pipeline.group import Level
from bowerbird.pipeline.results import Hit

try:
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError as error:
    raise MissingExtra("langchain", "a retriever for LangChain") from error


class BowerbirdRetriever(BaseRetriever):
    """Searches a library in words; one document per hit, best first.

    modalities, where, group: as for `Library.search`. pictures: puts the picture of a page, photo or shot into
    `metadata["picture"]`, a data: URL that models with eyes take as it is. Raises FilterError for a wrong `where`.
    """

    library: Library
    k: int = 10
    modalities: tuple[Modality, ...] | None = None
    where: str = ""
    group: Level = "page"
    pictures: bool = False

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        if not query.strip():
            return []
        found = self.library.search(query, self.k, modalities=self.modalities, where=self.where, group=self.group)
        return [document(hit, pictures=self.pictures) for hit in found.hits]


def document(hit: Hit, *, pictures: bool = False) -> Document:
    """A hit as a document of LangChain. Its id is that of the best place inside it."""
    facts: dict[str, Any] = facts_of(hit)
    if pictures and hit.thumbnail:
        facts["picture"] = f"data:image/webp;base64,{picture_of(hit)}"
    return Document(words_of(hit), id=hit.best.id, metadata=facts)

"""The retriever inside LangChain's own machinery."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import create_retriever_tool
from PIL import Image as pil

from bowerbird.errors import FilterError
from bowerbird.integrations.langchain import BowerbirdRetriever
from bowerbird.library import Library
from tests.integrations.conftest import VALVES


def test_documents_hold_the_words_and_where_they_are(shelf: Library) -> None:
    retriever = BowerbirdRetriever(library=shelf, k=3, modalities=("page", "text"))
    first = retriever.invoke("valves of the heart")[0]
    assert VALVES in first.page_content
    assert first.metadata["source"].endswith("heart.pdf")
    assert (first.metadata["page"], first.metadata["modality"]) == (1, "page")
    assert len(first.metadata["box"]) == 4
    found = shelf.search("valves of the heart", 3, modalities=["page", "text"])
    assert [document.id for document in retriever.invoke("valves of the heart")] == [hit.best.id for hit in found.hits]
    json.dumps(first.metadata)


def test_it_searches_as_it_is_told(shelf: Library) -> None:
    filtered = BowerbirdRetriever(library=shelf, where="source ~ '*salmon*'").invoke("heart")
    assert {document.metadata["title"] for document in filtered} == {"salmon.txt"}
    photos = BowerbirdRetriever(library=shelf, modalities=("image",), k=2).invoke("a photo")
    assert [document.metadata["modality"] for document in photos] == ["image", "image"]
    assert BowerbirdRetriever(library=shelf).invoke("  ") == []
    with pytest.raises(FilterError, match="unknown field"):
        BowerbirdRetriever(library=shelf, where="colour = 'red'").invoke("heart")


def test_pictures_come_as_data_urls(shelf: Library) -> None:
    documents = BowerbirdRetriever(library=shelf, pictures=True).invoke("valves of the heart")
    page = next(one for one in documents if one.metadata["modality"] == "page")
    head, _, data = page.metadata["picture"].partition(",")
    assert head == "data:image/webp;base64"
    assert pil.open(io.BytesIO(base64.b64decode(data))).format == "WEBP"
    assert "picture" not in next(one for one in documents if one.metadata["title"] == "salmon.txt").metadata


def test_it_is_a_link_of_a_chain_and_a_tool_of_an_agent(shelf: Library) -> None:
    retriever = BowerbirdRetriever(library=shelf, k=1, modalities=("text",))

    def cite(documents: list[Document]) -> str:
        return f"{documents[0].page_content} ({documents[0].metadata['source'].rsplit('/', 1)[-1]})"

    chain = retriever | RunnableLambda(cite)
    assert chain.batch(["salmon swim", "rivers"]) == [chain.invoke("salmon")] * 2
    assert asyncio.run(chain.ainvoke("salmon upstream")).endswith("(salmon.txt)")
    tool = create_retriever_tool(retriever, "shelf", "Searches the shelf.")
    assert "Salmon swim upstream" in tool.invoke({"query": "salmon"})

"""The retriever inside LlamaIndex's own machinery."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import QueryBundle
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import ImageNode, MetadataMode, TextNode

from bowerbird.errors import FilterError, ReadError
from bowerbird.integrations.llama_index import BowerbirdRetriever
from bowerbird.library import Library
from tests.integrations.conftest import PHOTOS, VALVES


def test_nodes_hold_the_words_and_where_they_are(shelf: Library) -> None:
    first = BowerbirdRetriever(shelf, k=3, modalities=["page"]).retrieve("valves of the heart")[0]
    assert isinstance(first.node, TextNode)
    assert VALVES in first.node.text
    assert first.metadata["source"].endswith("heart.pdf")
    assert first.metadata["page"] == 1
    hit = shelf.search("valves of the heart", 3, modalities=["page"]).hits[0]
    assert (first.node.node_id, first.score) == (hit.best.id, pytest.approx(hit.score))
    read = first.node.get_content(MetadataMode.LLM)
    assert "page: 1" in read
    assert "matched" not in read


def test_pictures_find_and_are_found(shelf: Library) -> None:
    asked = QueryBundle("", image_path=str(PHOTOS / "photo-03.jpg"))
    first = BowerbirdRetriever(shelf, modalities=["image"]).retrieve(asked)[0]
    assert first.metadata["source"].endswith("photo-03.jpg")
    assert isinstance(first.node, ImageNode)
    assert first.node.resolve_image().read(4) == b"RIFF"
    with pytest.raises(ReadError, match="not a readable picture"):
        BowerbirdRetriever(shelf).retrieve(QueryBundle("red", image_path="/absent.jpg"))


def test_it_searches_as_it_is_told(shelf: Library) -> None:
    filtered = BowerbirdRetriever(shelf, where="source ~ '*salmon*'").retrieve("heart")
    assert {node.metadata["title"] for node in filtered} == {"salmon.txt"}
    assert BowerbirdRetriever(shelf).retrieve(" ") == []
    with pytest.raises(FilterError, match="unknown field"):
        BowerbirdRetriever(shelf, where="colour = 'red'").retrieve("heart")


def test_a_query_engine_answers_from_it(shelf: Library) -> None:
    retriever = BowerbirdRetriever(shelf, k=1, modalities=["text"])
    engine = RetrieverQueryEngine(retriever, get_response_synthesizer(llm=MockLLM(), response_mode="compact"))
    answer = engine.query("Where do salmon swim?")
    assert "Salmon swim upstream" in str(answer)  # the mock repeats its prompt
    assert answer.source_nodes[0].metadata["title"] == "salmon.txt"
    assert asyncio.run(retriever.aretrieve("salmon"))[0].metadata["title"] == "salmon.txt"

"""POST /v1/embeddings in OpenAI's shape, POST /v1/rerank in that of Cohere and Jina: the collection's own encoders."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from bowerbird.encoders import token_counter
from bowerbird.encoders.base import Encoder
from bowerbird.index.maxsim import maxsim
from bowerbird.items import Text
from bowerbird.server.limits import Limits
from bowerbird.server.names import encoder_name
from bowerbird.server.problems import Refused, documented
from bowerbird.server.schemas import example
from bowerbird.server.served import Served
from bowerbird.server.services import In, Services

router = APIRouter(prefix="/v1", tags=["models"], responses=documented(400, 401, 403, 408, 413, 422, 429, 503))


class EmbeddingsRequest(BaseModel):
    input: str | Annotated[list[str], Field(min_length=1)]
    model: str = Field("text", description="A field of the collection, 'text' or 'image', or its encoder's name.")
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["document", "query"] = Field("document", description="What the texts are to be used as.")
    dimensions: int | None = Field(None, description="How many the vectors have; no other number can be had.")

    model_config = example({"input": ["salmon swim upstream"], "model": "text"})


class Embedded(BaseModel):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsReply(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedded]
    model: str
    usage: Usage

    model_config = example(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}],
            "model": "e5",
            "usage": {"prompt_tokens": 5, "total_tokens": 5},
        }
    )


class Document(BaseModel):
    text: str


class RerankRequest(BaseModel):
    query: str = Field(min_length=1)
    documents: list[str | Document] = Field(min_length=1)
    model: str = "text"
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False

    model_config = example({"query": "fish", "documents": ["Salmon swim upstream.", "Apples are red."], "top_n": 1})


class Reranked(BaseModel):
    index: int
    relevance_score: float
    document: Document | None = None


class RerankReply(BaseModel):
    model: str
    results: list[Reranked]
    usage: Usage

    model_config = example(
        {
            "model": "e5",
            "results": [{"index": 0, "relevance_score": 0.83, "document": None}],
            "usage": {"prompt_tokens": 14, "total_tokens": 14},
        }
    )


@router.post("/embeddings", response_model=EmbeddingsReply)
async def embeddings(asked: EmbeddingsRequest, of: In) -> dict[str, Any]:
    """Vectors of texts, as the collection's own encoder makes them: unit length, for inner products."""
    return await of.work(_embed, asked, of)


def _embed(asked: EmbeddingsRequest, of: Services) -> dict[str, Any]:
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    _check(texts, of.limits)
    encoder = _encoder(asked.model, of.served)
    batch = [(Text(text),) for text in texts]
    encode = encoder.encode_queries if asked.input_type == "query" else encoder.encode_items
    dense = encode(batch).dense
    if dense is None:
        raise Refused(422, f"model: {asked.model} gives a set of vectors per text, which has no place here")
    if asked.dimensions not in (None, encoder.dim):
        raise Refused(422, f"dimensions: these vectors have {encoder.dim}; leave it out")
    return {
        "data": [
            {"index": row, "embedding": _written(vector, asked.encoding_format)}
            for row, vector in enumerate(dense.vectors)
        ],
        "model": encoder_name(encoder.id.spec),
        "usage": _usage(encoder, texts),
    }


def _written(vector: NDArray[Any], form: str) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    return [float(value) for value in vector]


@router.post("/rerank", response_model=RerankReply)
async def rerank(asked: RerankRequest, of: In) -> dict[str, Any]:
    """Documents by their relevance to a query, best first: late interaction of the collection's text encoder."""
    return await of.work(_rerank, asked, of)


def _rerank(asked: RerankRequest, of: Services) -> dict[str, Any]:
    texts = [one if isinstance(one, str) else one.text for one in asked.documents]
    _check([asked.query, *texts], of.limits)
    encoder = _encoder(asked.model, of.served)
    scores = _relevance(encoder, asked.query, texts)
    order = np.argsort(-scores, kind="stable")[: asked.top_n]
    return {
        "model": encoder_name(encoder.id.spec),
        "results": [
            {
                "index": int(row),
                "relevance_score": float(scores[row]),
                "document": {"text": texts[row]} if asked.return_documents else None,
            }
            for row in order
        ],
        "usage": _usage(encoder, [asked.query, *texts]),
    }


def _relevance(encoder: Encoder, query: str, texts: list[str]) -> NDArray[np.float32]:
    """MaxSim where the encoder gives token vectors, else inner products; at most 1."""
    asked = encoder.encode_queries([(Text(query),)])
    answered = encoder.encode_items([(Text(text),) for text in texts])
    if asked.tokens is not None and answered.tokens is not None:
        return np.nan_to_num(maxsim(asked.tokens, answered.tokens, np.zeros(len(texts), np.int64)))
    assert asked.dense is not None
    assert answered.dense is not None
    return np.asarray(answered.dense.vectors @ asked.dense.vectors[0], np.float32)


def _encoder(model: str, served: Served) -> Encoder:
    """An encoder by the field that it fills, or by its name. Raises Refused (422)."""
    snapshot = served.reader.snapshot
    encoders = {field: snapshot.encoder(field) for field in snapshot.fields}
    for field, encoder in encoders.items():
        if model in (field, encoder_name(encoder.id.spec)) and "text" in encoder.inputs:
            return encoder
    known = [name for field, encoder in encoders.items() for name in (field, encoder_name(encoder.id.spec))]
    raise Refused(422, f"model: no {model[:80]!r} here that takes texts; there are {', '.join(known)}")


def _check(texts: list[str], limits: Limits) -> None:
    if len(texts) > limits.texts:
        raise Refused(422, f"at most {limits.texts} texts at once")
    if any(not text.strip() for text in texts):
        raise Refused(422, "a text is empty")
    if any(len(text) > limits.text_chars for text in texts):
        raise Refused(422, f"a text is longer than {limits.text_chars} characters")


def _usage(encoder: Encoder, texts: list[str]) -> dict[str, int]:
    count = token_counter(encoder.id.spec)
    tokens = sum(count(text) for text in texts)
    return {"prompt_tokens": tokens, "total_tokens": tokens}

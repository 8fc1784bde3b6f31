"""MTEB scores any pipeline or encoder of ours (Muennighoff et al., arXiv 2210.07316).

    import mteb
    from bowerbird.integrations.mteb import EncoderModel, SearchModel

    search = SearchModel(lambda library: bb.Lexical(library, k=1000), name="bm25")
    mteb.evaluate(search, mteb.get_tasks(tasks=["NanoArguAnaRetrieval"]))
    mteb.evaluate(EncoderModel(bowerbird.encoders.load("e5")), mteb.get_tasks(task_types=["STS"]))

Both satisfy the protocols of mteb 2; mteb is imported here and nowhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.encoders.base import Encoder
from bowerbird.errors import BowerbirdError, MissingExtra
from bowerbird.evaluate.measures.composed import within
from bowerbird.evaluate.runs import Pipeline, run
from bowerbird.items import Image, Item, Kind, Locator, Parts, Query, Text
from bowerbird.library import Library
from bowerbird.library import open as open_library

BATCH = 100
"""Queries that a pipeline is asked at once."""


class SearchModel:
    """A pipeline as a search model of MTEB: builds a library from a task's corpus and searches it.

    pipeline: given that library, makes the pipeline; let it keep as many hits as the task counts (1,000 by default).
    fields: encoders of the library, as for `bowerbird.open`. The library lives until the next task or the end.
    """

    def __init__(
        self, pipeline: Callable[[Library], Pipeline], *, name: str, fields: Mapping[str, str] | None = None
    ) -> None:
        self._make = pipeline
        self._name = name
        self._fields = fields
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pipeline: Pipeline | None = None

    @property
    def mteb_model_meta(self) -> Any:
        return model_meta(self._name, [])

    def index(self, corpus: Any, **about: Any) -> None:
        """Fill a new library with the corpus: rows with id and any of title, text, image."""
        self.close()
        self._folder = tempfile.TemporaryDirectory(prefix="bowerbird-mteb-")
        library = open_library(self._folder.name, fields=self._fields)
        library.add_items(items_of(corpus))
        self._pipeline = self._make(library)

    def search(
        self, queries: Any, *, top_k: int, top_ranked: Mapping[str, Sequence[str]] | None = None, **about: Any
    ) -> dict[str, dict[str, float]]:
        """Scores of the first top_k hits per query id; with top_ranked, of those candidates that were found."""
        if self._pipeline is None:
            raise BowerbirdError("search comes after index: MTEB calls both, see mteb.evaluate")
        rows = list(queries)
        names = [str(row["id"]) for row in rows]
        asked = [Query(parts_of(row), instruction=row.get("instruction") or "") for row in rows]
        ranking, _ = run(self._pipeline, asked, name=self._name, batch=BATCH, advance=lambda done: None)
        pools = {name: frozenset(candidates) for name, candidates in (top_ranked or {}).items()}
        ranking = within(ranking, names, pools).top(top_k)
        return {name: dict(ranking.hits(number)) for number, name in enumerate(names)}

    def close(self) -> None:
        """Remove the library of the last task."""
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = self._pipeline = None


class EncoderModel:
    """An encoder of ours as an encoder of MTEB: texts and pictures to vectors, compared by inner product.

    What a task calls documents is encoded as items; queries, and texts of tasks without sides, as queries.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def mteb_model_meta(self) -> Any:
        modalities = [name for name in ("text", "image") if name in self._encoder.inputs]
        return model_meta(self._encoder.id.spec, modalities, self._encoder.id.weights, self._encoder.dim)

    def encode(self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: Any = None, **about: Any) -> NDArray[Any]:
        """Batches of columns (text, image) → n × dim. Raises BowerbirdError for encoders without dense vectors."""
        encode = self._encoder.encode_items if prompt_type == "document" else self._encoder.encode_queries
        vectors = []
        for batch in inputs:
            dense = encode([parts_of(row) for row in _rows(batch)]).dense
            if dense is None:
                raise BowerbirdError(
                    f"{self._encoder.id} has no dense vectors; put it into a pipeline, see SearchModel"
                )
            vectors.append(dense.vectors)
        return np.concatenate(vectors)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """n × dim and m × dim → n × m."""
        import torch

        return torch.as_tensor(embeddings1) @ torch.as_tensor(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """n × dim twice → n."""
        import torch

        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(-1)


def items_of(corpus: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
    """Rows of an MTEB corpus as items, each a source of its own."""
    for row in corpus:
        name, parts = str(row["id"]), parts_of(row)
        kind: Kind = "image" if any(isinstance(part, Image) for part in parts) else "passage"
        yield Item(name, kind, parts, Locator(name), title=row.get("title") or "")


def parts_of(row: Mapping[str, Any]) -> Parts:
    """Title, text and picture of a row, as far as it has them."""
    parts: list[Text | Image] = []
    if row.get("title"):
        parts.append(Text(row["title"], "heading", 1))
    if row.get("text"):
        parts.append(Text(row["text"]))
    if row.get("image") is not None:
        parts.append(Image.from_pil(row["image"]))
    return tuple(parts)


def _rows(batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A batch of columns as rows. The text column has title and instruction in it already."""
    columns = {name: batch[name] for name in ("text", "image") if name in batch}
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def model_meta(name: str, modalities: Sequence[str], revision: str = "1", dim: int | None = None) -> Any:
    """What MTEB keeps beside results. Raises MissingExtra without mteb."""
    try:
        from mteb.models import ModelMeta
    except ImportError:
        raise MissingExtra("mteb", "scoring by MTEB") from None
    short = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)
    known = {"name": f"bowerbird/{short}", "revision": revision, "embed_dim": dim, "framework": ["NumPy"]}
    return ModelMeta.create_empty(known | {"modalities": list(modalities) or ["text", "image"]})

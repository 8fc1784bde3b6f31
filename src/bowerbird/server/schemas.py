"""What requests and replies look like. Examples are shown in the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from bowerbird.items import Kind, Modality

Level = Literal["page", "document", "none"]
ItemId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{24}$", strict=True)]
ITEM = "0f3a9c51d2b4e6708192a3b4"


def example(value: dict[str, Any], *, closed: bool = False) -> ConfigDict:
    """Configuration of a model: its example, and whether it refuses unknown fields."""
    return ConfigDict(extra="forbid" if closed else "ignore", json_schema_extra={"example": value})


class SearchRequest(BaseModel):
    """A query of words, media and stored items in any mix, and what may be found. Media are base64 or data: URLs."""

    text: str = Field("", description="Words.")
    images: list[str] = Field([], description="Pictures, as base64 or data: URLs. No other URL is ever fetched.")
    audio: list[str] = Field([], description="Sounds, as base64 or data: URLs.")
    video: list[str] = Field([], description="Clips, as base64 or data: URLs.")
    items: list[ItemId] = Field([], description="Stored items to search with: more like these.")
    instruction: str = Field("", description="What is looked for, to encoders that take instructions.")
    modalities: list[Modality] | None = Field(None, description="Only hits of these kinds.")
    filter: str = Field("", description="A filter such as \"page <= 3 and source ~ '*.pdf'\"; see docs/queries.md.")
    k: int = Field(10, ge=1, description="How many hits.")
    pipeline: str = Field("default", description="A pipeline by the name that GET /v1/collections lists.")
    group: Level = Field("page", description="One hit per page, photo or shot; per document; or every place.")

    model_config = example(
        {"text": "diagram of the heart valves", "modalities": ["page", "image"], "k": 5}, closed=True
    )


class AskRequest(BaseModel):
    """A question of words and pictures."""

    question: str = Field(description="Words.")
    images: list[str] = Field([], description="Pictures, as base64 or data: URLs.")
    filter: str = Field("", description="Only evidence that the filter selects.")
    k: int = Field(8, ge=1, le=50, description="How many pieces of evidence.")

    model_config = example({"question": "How long do I bake the apple cake?"}, closed=True)


class Links(BaseModel):
    """Where the item's forms are; null where it has none."""

    self: str
    thumbnail: str | None = None
    page: str | None = Field(None, description="The page or picture, large, with the evidence marked.")
    media: str | None = Field(None, description="The file; answers byte ranges.")


class Locator(BaseModel):
    """Where in the source. Boxes are x0, y0, x1, y1 in fractions of the page; times are seconds."""

    member: str | None = None
    page: int | None = None
    box: list[float] | None = None
    chars: list[int] | None = None
    rows: list[int] | None = None
    start: float | None = None
    end: float | None = None


class TableOut(BaseModel):
    header: list[str]
    rows: list[list[str]]
    caption: str


class Excerpt(TableOut):
    """Some rows of a table: those that the snippet is from."""

    first: int = Field(description="The number of the first row given, from 1.")
    total: int = Field(description="How many rows the item's table has.")


class Hit(BaseModel):
    rank: int
    score: float
    id: str
    best: str = Field(description="The id of the best place inside the item, such as a passage on a page.")
    kind: Kind
    modality: Modality
    source: str
    locator: Locator
    title: str
    snippet: str
    words: list[tuple[int, int]] = Field(description="Where in the snippet the query's words stand.")
    table: Excerpt | None = Field(None, description="If the best place is a table: the rows that the snippet is from.")
    date: str | None = Field(None, description="When it was made, ISO 8601, as far as the file says.")
    matched: dict[str, float] = Field(description="Score per source of evidence.")
    links: Links


HIT = {
    "rank": 1, "score": 7.21, "id": ITEM, "best": "5d2c9c51d2b4e6708192a3ff", "kind": "page", "modality": "page",
    "source": "papers/heart.pdf", "locator": {"page": 3, "box": [0.1, 0.2, 0.9, 0.4]}, "title": "The heart",
    "snippet": "The four valves of the heart.", "words": [[9, 15], [23, 28]],
    "table": None, "date": "2026-01-31", "matched": {"lexical": 3.1, "text": 2.4, "tokens": 4.0},
    "links": {"self": f"/v1/items/{ITEM}", "thumbnail": f"/v1/items/{ITEM}/thumbnail",
              "page": f"/v1/items/{ITEM}/page.png?box=0.1,0.2,0.9,0.4", "media": f"/v1/items/{ITEM}/media"},
}  # fmt: skip


class SearchReply(BaseModel):
    query: str
    took_ms: float
    version: int = Field(description="The version of the collection that was searched.")
    hits: list[Hit]

    model_config = example({"query": "heart valves", "took_ms": 21.4, "version": 7, "hits": [HIT]})


class Citation(Hit):
    n: int = Field(description="The number in the answer's text.")
    quote: str


class ItemOut(BaseModel):
    id: str
    kind: Kind
    modality: Modality
    source: str
    locator: Locator
    parent: str | None
    title: str
    text: str
    tables: list[TableOut]
    metadata: dict[str, Any]
    links: Links

    model_config = example(
        {
            "id": ITEM,
            "kind": "page",
            "modality": "page",
            "source": "papers/heart.pdf",
            "locator": {"page": 3},
            "parent": "77aa9c51d2b4e6708192a3b4",
            "title": "The heart",
            "text": "",
            "tables": [],
            "metadata": {"size": [595.0, 842.0]},
            "links": HIT["links"],
        }
    )


class Entry(BaseModel):
    """A page, picture, passage, table, stretch or shot of a file."""

    id: str
    kind: Kind
    modality: Modality
    title: str
    locator: Locator
    text: str = Field(description="Words of passages, stretches and shots; empty for everything else.")
    table: Excerpt | None = Field(None, description="The first rows of a table.")
    thumbnail: str | None = None


class Contents(BaseModel):
    """What a file holds, in its order. `position`: where the asked item is among all `total` entries, from 0."""

    id: str = Field(description="The file's root item.")
    source: str
    title: str
    metadata: dict[str, Any]
    total: int
    position: int
    offset: int = Field(description="The position of the first entry given.")
    entries: list[Entry]

    model_config = example(
        {
            "id": "77aa9c51d2b4e6708192a3b4", "source": "papers/heart.pdf", "title": "The heart",
            "metadata": {"author": "A. Vesalius"}, "total": 12, "position": 2, "offset": 2,
            "entries": [{"id": ITEM, "kind": "page", "modality": "page", "title": "The heart", "locator": {"page": 3},
                         "text": "", "table": None, "thumbnail": f"/v1/items/{ITEM}/thumbnail"}],
        }
    )  # fmt: skip


class Waveform(BaseModel):
    """Loudness of a recording around an item: `peaks` from 0 to 1, evenly spaced from `start` to `end` seconds."""

    start: float
    end: float
    peaks: list[float]

    model_config = example({"start": 0.0, "end": 2.4, "peaks": [0.02, 0.61, 1.0, 0.33]})


class FileOut(BaseModel):
    """A file of the collection, by its root item."""

    id: str
    source: str
    kind: Kind
    title: str
    items: int = Field(description="How many items it holds.")
    size: int
    cover: str | None = Field(None, description="The thumbnail of its first page, picture or shot.")


class Files(BaseModel):
    total: int
    files: list[FileOut]

    model_config = example(
        {
            "total": 1,
            "files": [
                {
                    "id": ITEM,
                    "source": "heart.pdf",
                    "kind": "document",
                    "title": "Heart",
                    "items": 12,
                    "size": 48213,
                    "cover": f"/v1/items/{ITEM}/thumbnail",
                }
            ],
        }
    )


class JobFile(BaseModel):
    name: str
    source: str
    size: int
    state: Literal["waiting", "reading", "stored", "failed"]
    items: int = Field(0, description="Items of this file that were read and embedded so far.")
    item: str | None = Field(None, description="The id of the file's root item, once the job is done.")
    reason: str = Field("", description="Why it failed.")


class Job(BaseModel):
    """Files that were uploaded. They are on the disk; indexing them survives restarts of the server."""

    id: str
    state: Literal["queued", "running", "done"]
    files: list[JobFile]
    items: int = Field(0, description="Items read and embedded so far.")
    created: str
    finished: str | None = None

    model_config = example(
        {
            "id": "8c1f03b7a2de",
            "state": "done",
            "items": 12,
            "created": "2026-01-31T12:00:00Z",
            "finished": "2026-01-31T12:00:04Z",
            "files": [
                {
                    "name": "heart.pdf",
                    "source": "uploads/4be1c7f0a7d2/heart.pdf",
                    "size": 48213,
                    "state": "stored",
                    "items": 12,
                    "item": ITEM,
                    "reason": "",
                }
            ],
        }
    )


class LimitsOut(BaseModel):
    """Bytes that one request may have."""

    upload: int
    query: int


class CollectionOut(BaseModel):
    name: str
    version: int
    files: int
    items: int
    kinds: dict[str, int]
    fields: dict[str, str]
    pipelines: list[str]
    can_answer: bool = Field(description="Whether a language model writes answers; else sentences are quoted.")
    limits: LimitsOut


class Collections(BaseModel):
    collections: list[CollectionOut]

    model_config = example(
        {"collections": [{"name": "library", "version": 7, "files": 3, "items": 120, "kinds": {"page": 20},
                          "fields": {"text": "e5@ab12"}, "pipelines": ["default", "words"], "can_answer": False,
                          "limits": {"upload": 1073741824, "query": 67108864}}]}
    )  # fmt: skip


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    version: str

    model_config = example({"status": "ok", "version": "0.3.0"})

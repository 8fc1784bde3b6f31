"""Hits, items and answers as replies: sources relative, and links to their other forms."""

from __future__ import annotations

from typing import Any

from bowerbird.collection import FileRecord
from bowerbird.items import Item, Table
from bowerbird.pipeline.results import Citation, Hit
from bowerbird.server.contents import Part
from bowerbird.server.served import Found, Served

PICTURED = frozenset({"page", "image", "figure", "shot"})
"""Kinds that always have a picture."""
SPOKEN = frozenset({"passage", "segment", "shot"})
"""Kinds whose words are read where they are, not on a page."""
EXCERPT_ROWS = 6
EXCERPT_COLUMNS = 12


def hit_json(hit: Hit, served: Served) -> dict[str, Any]:
    """schemas.Hit"""
    place = hit.place
    return {
        **hit.to_json(),
        "best": hit.best.id,
        "kind": hit.item.kind,
        "source": served.names.shown(hit.source),
        "locator": place,
        "words": hit.evidence.words,
        "table": excerpt(hit.best, hit.evidence.snippet),
        "date": hit.best.metadata.get("date") or hit.item.metadata.get("date"),
        "links": links(hit.item, hit.thumbnail is not None, place.get("box")),
    }


def excerpt(item: Item, snippet: str = "") -> dict[str, Any] | None:
    """schemas.Excerpt: the rows of an item's table that a snippet is from, else its first ones."""
    table = next((part for part in item.parts if isinstance(part, Table)), None)
    if table is None or item.kind != "table":
        return None
    lines = set(snippet.split("\n"))
    begin = next((number for number, row in enumerate(table.rows) if " | ".join(row) in lines), 0)
    rows = table.rows[begin : begin + EXCERPT_ROWS]
    return {
        "header": table.header[:EXCERPT_COLUMNS],
        "rows": [row[:EXCERPT_COLUMNS] for row in rows],
        "caption": table.caption,
        "first": begin + (item.locator.rows[0] if item.locator.rows else 1),
        "total": len(table.rows),
    }


def contents_json(part: Part, served: Served) -> dict[str, Any]:
    """schemas.Contents"""
    return {
        "id": part.root.id,
        "source": served.names.shown(part.root.locator.source),
        "title": part.root.title,
        "metadata": dict(part.root.metadata),
        "total": part.total,
        "position": part.position,
        "offset": part.offset,
        "entries": [_entry(item) for item in part.items],
    }


def _entry(item: Item) -> dict[str, Any]:
    """schemas.Entry"""
    return {
        "id": item.id,
        "kind": item.kind,
        "modality": item.modality,
        "title": item.title,
        "locator": item.locator.place(),
        "text": item.text if item.kind in SPOKEN else "",
        "table": excerpt(item),
        "thumbnail": links(item, pictured=item.kind in PICTURED)["thumbnail"],
    }


def citation_json(citation: Citation, served: Served) -> dict[str, Any]:
    """schemas.Citation"""
    return {"n": citation.n, **hit_json(citation.hit, served), "quote": citation.quote}


def item_json(found: Found, served: Served) -> dict[str, Any]:
    """schemas.ItemOut"""
    item = found.item
    pictured = found.snapshot.thumbnail(int(found.snapshot.groups[found.row])) is not None
    own = found.snapshot.thumbnail(found.row) is not None
    return {
        "id": item.id,
        "kind": item.kind,
        "modality": item.modality,
        "source": served.names.shown(item.locator.source),
        "locator": item.locator.place(),
        "parent": item.parent,
        "title": item.title,
        "text": item.text,
        "tables": [
            {"header": part.header, "rows": part.rows, "caption": part.caption}
            for part in item.parts
            if isinstance(part, Table)
        ],
        "metadata": dict(item.metadata),
        "links": {**links(item, own), "page": f"/v1/items/{item.id}/page.png" if pictured else None},
    }


def links(item: Item, pictured: bool, box: Any = None) -> dict[str, str | None]:
    """schemas.Links"""
    here = f"/v1/items/{item.id}"
    marks = f"?box={','.join(f'{side:g}' for side in box)}" if box else ""
    return {
        "self": here,
        "thumbnail": f"{here}/thumbnail" if pictured else None,
        "page": f"{here}/page.png{marks}" if pictured else None,
        "media": None if item.locator.member else f"{here}/media",
    }


def file_json(file: FileRecord, served: Served, cover: str | None = None) -> dict[str, Any]:
    """schemas.FileOut. cover: the id of an item that has a picture."""
    return {
        "id": file.id,
        "source": served.names.shown(file.source),
        "kind": file.kind,
        "title": file.title,
        "items": file.items,
        "size": file.size,
        "cover": cover and f"/v1/items/{cover}/thumbnail",
    }

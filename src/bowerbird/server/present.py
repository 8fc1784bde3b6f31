"""Hits, items and answers as replies: sources relative, and links to their other forms."""

from __future__ import annotations

from typing import Any

from bowerbird.collection import FileRecord
from bowerbird.items import Item, Table
from bowerbird.pipeline.results import Citation, Hit
from bowerbird.server.served import Found, Served


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
        "links": links(hit.item, hit.thumbnail is not None, place.get("box")),
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


def file_json(file: FileRecord, served: Served) -> dict[str, Any]:
    """schemas.FileOut"""
    return {
        "id": file.id,
        "source": served.names.shown(file.source),
        "kind": file.kind,
        "title": file.title,
        "items": file.items,
        "size": file.size,
    }

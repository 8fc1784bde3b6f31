"""Which items fill which field of a collection, and with what."""

from __future__ import annotations

from bowerbird.items import Audio, Item, Parts, Text, Video

DEFAULT_FIELDS = {"text": "e5", "image": "lite"}
"""Encoder per field of a new collection."""

PICTURED = frozenset({"image", "figure", "page", "shot"})
"""Kinds whose picture is searched; the picture of a sound's segment is its waveform."""

MEDIA = frozenset({"image", "figure", "segment", "shot"})
"""Kinds that may have no words."""


def text_input(item: Item) -> Parts:
    """What a text encoder reads of an item: its title, its headings, its words.

    Documents and pages are found by the passages in them.
    """
    words = item.text.strip()
    if item.kind in ("document", "page") or not words:
        return ()
    context = [item.title, str(item.metadata.get("heading", ""))]
    return (Text("\n".join([line for line in context if line and line not in words] + [words])),)


def lexical_input(item: Item) -> Parts:
    """What the lexical index reads: the same, and the title of what has no words.

    So a recording or a photo is found by its name, while an encoder is not given names such as IMG_2041.
    """
    named = item.title and item.kind in MEDIA
    return text_input(item) or ((Text(item.title),) if named else ())


def image_input(item: Item) -> Parts:
    """The picture of an item, if it is one that people look for."""
    picture = item.image
    return (picture,) if picture is not None and item.kind in PICTURED else ()


def media_input(item: Item) -> Parts:
    """Sound and film, for encoders that take them; but those inside archives are gone once they are read."""
    media = [part for part in item.parts if isinstance(part, Audio | Video)]
    if item.locator.member is not None:
        media = [part for part in media if isinstance(part.source, bytes)]
    return tuple(media)


def field_input(item: Item, inputs: frozenset[str]) -> Parts:
    """The parts of an item that an encoder of these inputs is given; empty if the field does not hold the item."""
    if "image" in inputs:
        return image_input(item)
    if "audio" in inputs or "video" in inputs:
        return media_input(item)
    return text_input(item)

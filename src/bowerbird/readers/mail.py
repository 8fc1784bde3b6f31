"""E-mail: messages with their text and attachments."""

from __future__ import annotations

import mailbox
from collections.abc import Iterator
from contextlib import suppress
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.blocks import Block
from bowerbird.readers.html import html_blocks, parse
from bowerbird.readers.nested import Member, read_members
from bowerbird.readers.passages import cut
from bowerbird.readers.text import passage_item

MAX_MESSAGE = 100 << 20
MAX_MESSAGES = 100_000
MAX_PARTS = 1000


def read_message(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """One message: a document titled by its subject, its passages, and its attachments' items."""
    if Path(file.path).stat().st_size > MAX_MESSAGE:
        raise ReadError(f"is larger than {MAX_MESSAGE >> 20} MiB; save its attachments")
    with open(file.path, "rb") as stream:
        message = BytesParser(policy=policy.default).parse(stream)
    root = file.item("document", (), title=_subject(message), metadata=_metadata(message))
    yield root
    yield from _inside(file, message, root, options)


def read_mailbox(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """Every message of an mbox file as a document below the mailbox."""
    box = mailbox.mbox(file.path, factory=None, create=False)
    root = file.item("document", (), title=Path(file.name).name)
    yield root
    for number, key in enumerate(box.keys()):
        if number >= MAX_MESSAGES:
            return
        message = BytesParser(policy=policy.default).parsebytes(box.get_bytes(key))
        inner = file.inside(file.path, f"message {number + 1}", file.digest, file.media_type)
        top = inner.item("document", (), parent=root.id, title=_subject(message), metadata=_metadata(message))
        yield top
        yield from _inside(inner, message, top, options)


def _inside(file: SourceFile, message: EmailMessage, root: Item, options: ReadOptions) -> Iterator[Item]:
    for passage in cut(_body(message), options):
        yield passage_item(file, passage, root.id, root.title)
    yield from read_members(file, root, _attachments(message), options)


def _body(message: EmailMessage) -> list[Block]:
    """The words of a message: its plain text, else its HTML."""
    try:
        part = message.get_body(("plain", "html"))
        content = part.get_content() if part is not None else ""
    except (KeyError, LookupError, MessageError, UnicodeError, AttributeError):
        return []
    if part is not None and part.get_content_type() == "text/html":
        return html_blocks(parse(str(content)), lambda address: None, 0)
    return [Block(Text(paragraph.strip())) for paragraph in str(content).split("\n\n") if paragraph.strip()]


def _attachments(message: EmailMessage) -> Iterator[Member]:
    for number, part in enumerate(message.iter_attachments()):
        if number >= MAX_PARTS:
            return
        name = part.get_filename() or f"attachment {number + 1}"
        try:
            payload: Any = part.get_payload(decode=True)
        except (MessageError, ValueError, KeyError):
            continue
        if part.get_content_type() == "message/rfc822":
            payload = b"".join(inner.as_bytes() for inner in part.iter_parts())
            name = name if name.endswith(".eml") else f"{name}.eml"
        if isinstance(payload, bytes) and payload:
            yield name, payload


def _subject(message: EmailMessage) -> str:
    return str(message.get("subject", "") or "(no subject)").replace("\n", " ")


def _metadata(message: EmailMessage) -> dict[str, str]:
    found = {"author": str(message.get("from", "")), "to": str(message.get("to", ""))}
    with suppress(ValueError, TypeError):
        found["date"] = parsedate_to_datetime(str(message.get("date", ""))).isoformat()
    return {key: value for key, value in found.items() if value}

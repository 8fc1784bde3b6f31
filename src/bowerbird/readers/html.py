"""Web pages: the main content in order, headings, tables and pictures; nothing is fetched, nothing runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Role, Table, Text
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.beside import picture_beside
from bowerbird.readers.blocks import Block
from bowerbird.readers.pictures import embedded
from bowerbird.readers.text import decode, document

_DROPPED = "script style noscript template nav footer aside form button select iframe svg canvas head".split()
_BREAKING = frozenset(
    "p div section article main header ul ol li dl dt dd blockquote pre figure figcaption table tr h1 h2 h3 h4 h5 h6 "
    "hr br address details summary body".split()
)
_BOILERPLATE = re.compile(r"\b(nav|menu|sidebar|footer|breadcrumb|cookie|banner|share|social|toc|pagination)\b", re.I)
MAX_ELEMENTS = 500_000
Pictures = Callable[[str], bytes | None]


def read_html(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """A document titled by its title element, with author, date, language and address where it names them."""
    tree = parse(decode(file.path))
    blocks = html_blocks(tree, lambda address: picture_beside(file, address), options.preview_side)
    metadata = page_metadata(tree)
    title = " ".join((tree.findtext(".//title") or "").split()) or _first_heading(blocks) or Path(file.name).name
    yield from document(file, title, blocks, options, metadata)


def parse(text: str) -> Any:
    """The element tree of a page; broken markup is repaired. Raises ReadError."""
    from lxml import etree, html

    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    try:
        tree = html.document_fromstring(text.encode("utf-8", "surrogatepass") or b"<p></p>", parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, RecursionError) as error:
        raise ReadError(f"is no readable HTML ({error})") from error
    if sum(1 for _ in tree.iter()) > MAX_ELEMENTS:
        raise ReadError(f"has more than {MAX_ELEMENTS} elements; split it")
    return tree


def html_blocks(tree: Any, pictures: Pictures, side: int) -> list[Block]:
    """Headings, paragraphs, tables and pictures of the main content in reading order.

    Pictures are at most `side` pixels long; their bytes come from `pictures`, by their addresses.
    """
    body = tree.find(".//body")
    root = body if body is not None else tree
    for candidate in ("main", "article"):
        found = root.findall(f".//{candidate}")
        if len(found) == 1 and len(_words(found[0])) > 200:
            root = found[0]
            break
    walker = _Walker(pictures, side)
    walker.walk(root)
    walker.flush()
    return walker.blocks


class _Walker:
    """Collects the words between breaking elements; iterative, so that deep nesting cannot overflow the stack."""

    def __init__(self, pictures: Pictures, side: int) -> None:
        self.blocks: list[Block] = []
        self._pictures = pictures
        self._side = side
        self._words: list[str] = []
        self._role: Role = "body"
        self._level = 0

    def walk(self, root: Any) -> None:
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            element, leaving = stack.pop()
            if leaving:
                self._leave(element)
                continue
            tag = element.tag if isinstance(element.tag, str) else ""
            if not tag or (element is not root and _is_dropped(element, tag)):
                self._words.append(element.tail or "")
            elif tag == "table" and _is_data(element):
                self.flush()
                self.blocks.append(Block(_table(element)))
                self._words.append(element.tail or "")
            elif tag == "img":
                self._picture(element)
                self._words.append(element.tail or "")
            else:
                self._enter(element, tag)
                stack.append((element, True))
                stack.extend((child, False) for child in reversed(element))

    def _enter(self, element: Any, tag: str) -> None:
        if tag in _BREAKING:
            self.flush()
            if tag[0] == "h" and tag[1:].isdigit():
                self._role, self._level = "heading", int(tag[1])
            elif tag == "figcaption":
                self._role = "caption"
            elif tag == "pre":
                self._role = "code"
        self._words.append(element.text or "")

    def _leave(self, element: Any) -> None:
        if element.tag in _BREAKING:
            self.flush()
        self._words.append(element.tail or "")

    def flush(self) -> None:
        raw = "".join(self._words)
        text = raw.strip("\n") if self._role == "code" else " ".join(raw.split())
        if text.strip():
            self.blocks.append(Block(Text(text, self._role, self._level)))
        self._words, self._role, self._level = [], "body", 0

    def _picture(self, element: Any) -> None:
        role, level = self._role, self._level
        self.flush()
        self._role, self._level = role, level
        alt = " ".join((element.get("alt") or element.get("title") or "").split())
        part = embedded(self._pictures(element.get("src") or ""), alt, self._side)
        if part is not None:
            self.blocks.append(Block(part))


def _is_dropped(element: Any, tag: str) -> bool:
    if tag in _DROPPED or element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    names = f"{element.get('class', '')} {element.get('id', '')} {element.get('role', '')}"
    return tag in ("div", "ul", "section") and bool(_BOILERPLATE.search(names)) and len(_words(element)) < 1500


def _is_data(table: Any) -> bool:
    """Tables of cells, not of layout."""
    rows = table.findall(".//tr")
    return len(rows) > 1 and not table.findall(".//table") and max(len(row) for row in rows) > 1


def _table(element: Any) -> Table:
    rows = [tuple(_words(cell) for cell in row if cell.tag in ("td", "th")) for row in element.findall(".//tr")]
    first = element.find(".//tr")
    headed = first is not None and all(cell.tag == "th" for cell in first if isinstance(cell.tag, str))
    caption = _words(element.find("caption")) if element.find("caption") is not None else ""
    return Table(tuple(rows[1:] if headed else rows), rows[0] if headed else (), caption)


def _words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def page_metadata(tree: Any) -> dict[str, Any]:
    """Author, date, language and address, as pages commonly name them."""
    named: dict[str, str] = {}
    for meta in tree.iter("meta"):
        name = (meta.get("name") or meta.get("property") or "").lower()
        if name and meta.get("content"):
            named.setdefault(name, meta.get("content").strip())
    link = tree.find(".//link[@rel='canonical']")
    found = {
        "author": named.get("author") or named.get("article:author"),
        "date": named.get("date") or named.get("article:published_time") or named.get("dcterms.date"),
        "language": (tree.get("lang") or "")[:2].lower(),
        "description": named.get("description") or named.get("og:description"),
        "url": link.get("href") if link is not None else named.get("og:url"),
    }
    return {key: value for key, value in found.items() if value}


def _first_heading(blocks: list[Block]) -> str:
    parts = (block.part for block in blocks)
    return next((part.text for part in parts if isinstance(part, Text) and part.role == "heading"), "")

"""A collection as tools of an assistant (Model Context Protocol). Pictures are given as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field
from starlette.types import ASGIApp

from bowerbird import __version__
from bowerbird.collection.ingest import Failure, walk
from bowerbird.errors import BowerbirdError
from bowerbird.items import Modality
from bowerbird.server.guard import Access, Guard
from bowerbird.server.limits import Limits
from bowerbird.server.present import citation_json, file_json, hit_json, item_json
from bowerbird.server.problems import Refused, told
from bowerbird.server.queries import ask_query, search_query
from bowerbird.server.schemas import AskRequest, SearchRequest
from bowerbird.server.served import Served
from bowerbird.server.sources import is_below

P = ParamSpec("P")
T = TypeVar("T")
PATH = "/mcp"
PICTURES = 4
"""Thumbnails that come with a search, at most: pictures cost an assistant's context."""
PICTURED = frozenset({"page", "image", "video"})
MAX_SOURCES = 500
READING = ToolAnnotations(read_only_hint=True, open_world_hint=False)
ADDING = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
ABOUT = (
    "Search a collection of documents, pictures, tables, sound and film. `search` finds pages, photos and passages; "
    "`get_page_image` shows one with the evidence marked; cite `source` and `locator` of what you use."
)

Words = Annotated[str, Field(description="What to look for, in any language.")]
Wanted = Annotated[list[Modality] | None, Field(description="Only hits of these kinds.")]
Filter = Annotated[str, Field(description="Such as \"source ~ '*.pdf' and page <= 3\"; empty for all.")]
ItemId = Annotated[str, Field(description="An id from a search.", pattern="^[0-9a-f]{24}$")]


@dataclass(frozen=True)
class Tools:
    """The tools, as functions. add_from: the folder that `add` may take files from; None is no `add`."""

    served: Served
    add_from: Path | None = None

    def search(self, query: Words, k: Annotated[int, Field(ge=1, le=50)] = 8, modalities: Wanted = None,
               filter: Filter = "", pictures: bool = True) -> list[Any]:  # fmt: skip
        """Find pages, pictures, passages, tables, sounds and shots. Hits come with small pictures of the first few."""
        asked = SearchRequest.model_validate({"text": query, "k": k, "modalities": modalities, "filter": filter})
        _, (results,) = self.served.search([search_query(asked, [], self.served)], k, "default", "page")
        shown = [hit for hit in results.hits if hit.thumbnail and hit.modality in PICTURED][:PICTURES]
        found: list[Any] = [_brief(hit_json(hit, self.served)) for hit in results.hits]
        if pictures:
            for hit in shown:
                found += [f"picture of hit {hit.rank}:", Image(data=hit.thumbnail, format="webp")]
        return found

    def ask(self, question: Words, filter: Filter = "") -> dict[str, Any]:
        """Answer a question from the collection alone, with citations; `supported` is false without an answer in it."""
        asked = AskRequest.model_validate({"question": question, "filter": filter})
        answer = self.served.ask(ask_query(asked, self.served), asked.k, lambda text: None)
        citations = [_brief(citation_json(citation, self.served)) for citation in answer.citations]
        return {"answer": answer.text, "supported": answer.supported, "model": answer.model, "citations": citations}

    def get_item(self, id: ItemId) -> dict[str, Any]:
        """All words and tables of an item, and where it is from."""
        return _brief(item_json(self.served.find(id), self.served))

    def get_page_image(self, id: ItemId) -> Image:
        """The page, slide or picture that an item is on, large, with the item's place on it marked."""
        return Image(data=self.served.page(id), format="png")

    def list_sources(self, offset: Annotated[int, Field(ge=0)] = 0) -> dict[str, Any]:
        """The files of the collection, 500 at a time."""
        files = self.served.files()
        shown = files[offset : offset + MAX_SOURCES]
        return {"total": len(files), "sources": [file_json(file, self.served) for file in shown]}

    def add(self, path: Annotated[str, Field(description="A file or folder, relative.")]) -> dict[str, Any]:
        """Index a file or folder, so that it can be found."""
        assert self.add_from is not None
        given = self.add_from / path
        if not is_below(given, self.add_from):
            raise Refused(403, "only files below the folder that this server was started with can be added")
        files = [one.path for one in walk([given]) if not isinstance(one, Failure)]
        inside = [one for one in files if is_below(Path(one), self.add_from)]
        if not inside:
            raise Refused(404, "there is no such file")
        report = self.served.library.add(*inside)
        self.served.reader.refresh()
        failed = [
            {"source": self.served.names.shown(one.source), "reason": self.served.names.clean(one.reason)}
            for one in report.failed
        ]
        stored = len(report.added) + len(report.replaced)
        return {"added": stored, "unchanged": report.unchanged, "items": report.items, "failed": failed}


def mcp_server(served: Served, add_from: Path | None = None) -> MCPServer[Any]:
    """The tools on a server that speaks the protocol."""
    server: MCPServer[Any] = MCPServer("bowerbird", instructions=ABOUT, version=__version__, log_level="WARNING")
    tools = Tools(served, add_from)
    reading: Sequence[Callable[..., Any]] = (
        tools.search,
        tools.ask,
        tools.get_item,
        tools.get_page_image,
        tools.list_sources,
    )
    for tool in reading:
        server.add_tool(_safe(tool, served), annotations=READING, structured_output=False)
    if add_from is not None:
        server.add_tool(_safe(tools.add, served), annotations=ADDING, structured_output=False)
    return server


def http_app(server: MCPServer[Any], host: str, access: Access, limits: Limits) -> ASGIApp:
    """The server over streamable HTTP at /mcp, behind the same guard as REST."""
    app = server.streamable_http_app(streamable_http_path=PATH, host=host, stateless_http=True, json_response=True)
    return Guard(app, access, limits, frozenset())


def _safe(tool: Callable[P, T], served: Served) -> Callable[P, T]:
    """A tool whose errors are words that an assistant can act on, and tell nothing of the disk."""

    @wraps(tool)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return tool(*args, **kwargs)
        except (BowerbirdError, Refused) as error:
            raise ToolError(served.names.clean(told(error).detail)) from None

    return called


def _brief(reply: dict[str, Any]) -> dict[str, Any]:
    """Without what only a browser needs."""
    return {name: value for name, value in reply.items() if name not in ("links", "words", "matched") and value != ""}

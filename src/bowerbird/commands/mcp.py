"""bowerbird mcp"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, examples
from bowerbird.commands.serve import AllowHost, ChatUrl, Host, ModelName, language_model
from bowerbird.errors import BowerbirdError, MissingExtra

EXAMPLES = examples(
    "bowerbird mcp media                               over standard input and output, started by an assistant",
    "bowerbird mcp media --http --port 8757            over HTTP, at http://127.0.0.1:8757/mcp",
    "bowerbird mcp media --add-from ~/Documents        with a tool that adds files below that folder",
)


def mcp(
    library: Annotated[Path, typer.Argument(envvar="BOWERBIRD_LIBRARY", help="The library's folder.")] = HERE,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP in place of standard streams.")] = False,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --http; 0 chooses a free one.")] = 8757,
    allow_host: AllowHost = None,
    add_from: Annotated[
        Path | None,
        typer.Option(help="Offer `add` for files below this folder.", exists=True, file_okay=False),
    ] = None,
    chat: ChatUrl = "",
    model: ModelName = "",
) -> None:
    """Give an assistant the library as tools: search, ask, get_item, get_page_image, list_sources, add."""
    try:
        from bowerbird.server.limits import Limits
        from bowerbird.server.mcp import http_app, mcp_server
        from bowerbird.server.run import access_for, serve
        from bowerbird.server.served import open_served
    except ImportError as error:
        raise MissingExtra("mcp", "a server for assistants") from error

    if not (library / "library.json").exists() and add_from is None:
        raise BowerbirdError(f"no library in {library}; make one with: bowerbird add PATH -l {library}")
    limits = Limits()
    access = access_for(host, allow_host or []) if http else None
    server = mcp_server(open_served(library, limits, language_model(chat, model)), add_from)
    if access is None:
        server.run("stdio")
    else:
        serve(http_app(server, host, access, limits), host, port, limits, name=f"serving {library} to assistants")

"""bowerbird serve"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bowerbird.commands.common import HERE, examples
from bowerbird.errors import MissingExtra

if TYPE_CHECKING:
    from bowerbird.chat import Chat

EXAMPLES = examples(
    "bowerbird serve                                       the library 'library' on http://127.0.0.1:8756/",
    "bowerbird serve media --port 9000 --chat http://localhost:11434/v1 --model qwen3",
    "BOWERBIRD_TOKEN=$(openssl rand -hex 24) bowerbird serve --host 0.0.0.0 --allow-host shelf.example.org",
)

Host = Annotated[str, typer.Option(help="The address to listen on; others than loopback need BOWERBIRD_TOKEN.")]
AllowHost = Annotated[
    list[str] | None, typer.Option("--allow-host", help="A name that clients reach this server by; may be repeated.")
]
ChatUrl = Annotated[
    str, typer.Option("--chat", envvar="BOWERBIRD_CHAT", help="Base URL of an OpenAI-compatible server, with /v1.")
]
ModelName = Annotated[str, typer.Option("--model", envvar="BOWERBIRD_MODEL", help="The server's model.")]


def serve(
    library: Annotated[
        Path, typer.Argument(envvar="BOWERBIRD_LIBRARY", help="The library's folder; made if it is not there.")
    ] = HERE,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 chooses a free one.")] = 8756,
    allow_host: AllowHost = None,
    chat: ChatUrl = "",
    model: ModelName = "",
) -> None:
    """Serve a library: REST for programs, a page for people.

    Only this machine can reach it unless --host says otherwise; then BOWERBIRD_TOKEN must hold a secret, which
    clients send as 'Authorization: Bearer …'.
    """
    try:
        from bowerbird.server.app import create_app
        from bowerbird.server.limits import Limits
        from bowerbird.server.memory import keep_small
        from bowerbird.server.run import access_for
        from bowerbird.server.run import serve as run
    except ImportError as error:
        raise MissingExtra("serve", "a server") from error

    keep_small()
    limits = Limits()
    access = access_for(host, allow_host or [])
    app = create_app(library, access=access, limits=limits, chat=language_model(chat, model))
    run(app, host, port, limits, name=f"serving {library}")


def language_model(chat: str, model: str) -> Chat | None:
    """The model that writes answers, if one is named."""
    if bool(chat) != bool(model):
        raise typer.BadParameter("--chat needs --model, and --model needs --chat")
    if not chat:
        return None
    from bowerbird.chat import OpenAIChat

    return OpenAIChat(chat, model)

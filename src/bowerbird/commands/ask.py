"""bowerbird ask"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json
from bowerbird.commands.search import Pictures, query_parts

EXAMPLES = examples(
    'bowerbird ask "Which quarter had the highest revenue?"         quotes the best sentences',
    'bowerbird ask "Summarise the results" --chat http://localhost:11434/v1 --model qwen3',
    'bowerbird ask "What is this called?" --image plant.jpg --json',
)


def ask(
    question: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    image: Pictures = None,
    chat: Annotated[
        str, typer.Option(envvar="BOWERBIRD_CHAT", help="Base URL of an OpenAI-compatible server, with /v1.")
    ] = "",
    model: Annotated[str, typer.Option(envvar="BOWERBIRD_MODEL", help="The server's model.")] = "",
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="How many pieces of evidence.")] = 8,
    where: Annotated[str, typer.Option(metavar="EXPR", help="A filter; see docs/queries.md.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write the answer as a page with pictures.")] = None,
    library: LibraryOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from the library, with citations.

    Without --chat the best supporting sentences are quoted. The key of a server comes from BOWERBIRD_API_KEY.
    """
    parts = query_parts(question, image or [], [], [])
    if not parts:
        raise typer.BadParameter("the question is empty")
    if bool(chat) != bool(model):
        raise typer.BadParameter("--chat needs --model, and --model needs --chat")
    language_model = None
    if chat:
        from bowerbird.chat import OpenAIChat

        language_model = OpenAIChat(chat, model)
    streams = language_model is not None and not as_json

    def show(piece: str) -> None:
        sys.stdout.write(piece)
        sys.stdout.flush()

    answer = open_library(library).ask(parts, chat=language_model, k=k, where=where, show=show if streams else None)
    if html:
        from bowerbird.show.html import answer_page

        html.write_text(answer_page(question, answer), "utf8")
    if as_json:
        print_json(answer.to_json())
    else:
        from bowerbird.show.terminal import print_answer

        print_answer(answer, already_shown=streams)
    if not answer.supported:
        raise typer.Exit(1)

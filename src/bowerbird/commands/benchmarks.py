"""bowerbird benchmarks"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bowerbird.commands.common import JsonOption, examples, print_json

if TYPE_CHECKING:
    from bowerbird.evaluate.benchmarks import Card

EXAMPLES = examples(
    "bowerbird benchmarks                              what can be read, and where it is had",
    "bowerbird benchmarks circo ~/data/CIRCO           whether a folder is complete",
    "bowerbird benchmarks xtd10 ~/data/XTD10 --part de",
    "bowerbird benchmarks --json",
)
COLUMNS = ("name", "task", "size", "measure", "where it is had")


def benchmarks(
    name: Annotated[str, typer.Argument(help="A benchmark to check.", show_default=False)] = "",
    folder: Annotated[Path | None, typer.Argument(help="Its published files.", show_default=False)] = None,
    part: Annotated[str, typer.Option(help="A split, language or setting; --json lists them.")] = "",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the benchmarks that can be read, or check that a folder holds all of one."""
    if name:
        if folder is None:
            raise typer.BadParameter("give the folder of the benchmark's files as well")
        _check(name, folder, part, as_json)
        return
    from bowerbird.evaluate.benchmarks import cards

    if as_json:
        print_json([asdict(card) for card in cards().values()])
    elif markdown:
        typer.echo("\n".join(_markdown(list(cards().values()))))
    else:
        _print(list(cards().values()))


def _check(name: str, folder: Path, part: str, as_json: bool) -> None:
    from bowerbird.evaluate.benchmarks import check, load

    benchmark = load(name, folder, part)
    contents = check(benchmark)
    if as_json:
        print_json({"name": benchmark.name, **asdict(contents), "measures": benchmark.measures})
        return
    typer.echo(
        f"{benchmark.name}: {contents.queries} queries, {contents.judgements} judgements, {contents.items} items; "
        "all there"
    )


def _row(card: Card) -> tuple[str, ...]:
    return card.name, card.task, card.size, ", ".join(card.measures), card.source


def _markdown(cards: list[Card]) -> list[str]:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    return lines + ["| " + " | ".join(_row(card)) + " |" for card in cards]


def _print(cards: list[Card]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*COLUMNS, box=None, pad_edge=False, header_style="bold")
    for card in cards:
        table.add_row(*_row(card))
    Console(highlight=False).print(table)

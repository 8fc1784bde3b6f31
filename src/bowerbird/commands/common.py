"""What all commands share: the options that they have in common, and opening the library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bowerbird.library import Library

LibraryOption = Annotated[
    Path, typer.Option("--library", "-l", envvar="BOWERBIRD_LIBRARY", help="The library's folder.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
HERE = Path("library")


def open_library(path: Path, *, create: bool = False, fields: dict[str, str] | None = None) -> Library:
    import bowerbird

    return bowerbird.open(path, create=create, fields=fields)


def print_json(value: Any) -> None:
    """JSON as one document on standard output; nothing else goes there."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def examples(*lines: str) -> str:
    """The examples of a command, as its help shows them."""
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)

"""bowerbird export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json

EXAMPLES = examples("bowerbird export backup          backup/items.jsonl and backup/pictures/")


def export(
    folder: Annotated[Path, typer.Argument(help="Where to write.", show_default=False)],
    library: LibraryOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write all items as JSON lines, with their pictures."""
    count = open_library(library).collection.export(folder)
    if as_json:
        print_json({"items": count, "folder": str(folder)})
    else:
        typer.echo(f"wrote {count} items to {folder}")

"""bowerbird export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json

EXAMPLES = examples(
    "bowerbird export backup             backup/items.jsonl and backup/pictures/",
    "bowerbird export backup --vectors   and backup/vectors/*.parquet, for other engines",
)


def export(
    folder: Annotated[Path, typer.Argument(help="Where to write.", show_default=False)],
    library: LibraryOption = HERE,
    vectors: Annotated[bool, typer.Option("--vectors", help="Write vectors as Parquet files, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write all items as JSON lines, with their pictures."""
    from bowerbird.collection import export as files
    from bowerbird.collection.export_vectors import export_vectors

    snapshot = open_library(library).collection.snapshot()
    count = files.export(snapshot, folder)
    written = export_vectors(snapshot, folder / "vectors") if vectors else []
    if as_json:
        print_json({"items": count, "folder": str(folder), "vectors": [str(path) for path in written]})
        return
    typer.echo(f"wrote {count} items to {folder}")
    for path in written:
        typer.echo(f"wrote {path}")

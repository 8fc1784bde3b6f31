"""bowerbird demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import LibraryOption, examples
from bowerbird.errors import CollectionError

EXAMPLES = examples("bowerbird demo", "bowerbird demo --examples my-files --html tour.html")


def demo(
    folder: Annotated[Path, typer.Option("--examples", help="The files to index.")] = Path("examples"),
    library: LibraryOption = Path("demo-library"),
    html: Annotated[Path, typer.Option(help="The page of results.")] = Path("demo.html"),
) -> None:
    """Index the example files, search them in seven ways, ask a question, and write a page of it all."""
    if not folder.is_dir():
        raise CollectionError(
            f"no folder {folder}: run the demo in a clone of the repository, or name one by --examples"
        )
    from bowerbird.show.tour import tour

    tour(folder, library, html)

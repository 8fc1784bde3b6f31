"""bowerbird list, show, remove"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json
from bowerbird.errors import CollectionError

LIST_EXAMPLES = examples("bowerbird list", "bowerbird list --json -l media")
SHOW_EXAMPLES = examples("bowerbird show 0f3a9c…      an id from a search", "bowerbird show 0f3a9c… --json")
REMOVE_EXAMPLES = examples("bowerbird remove reports/2019.pdf", "bowerbird remove 0f3a9c…     the file of this item")


def list_(library: LibraryOption = HERE, as_json: JsonOption = False) -> None:
    """List the files in the library, and those that could not be added."""
    collection = open_library(library).collection
    files, failures = collection.files(), collection.failures()
    if as_json:
        print_json({"files": [asdict(file) for file in files], "failed": [asdict(failure) for failure in failures]})
        return
    from bowerbird.show.terminal import print_files

    print_files(files, failures)


def show(
    item: Annotated[str, typer.Argument(help="The id of an item.", show_default=False)],
    library: LibraryOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show one item: its text, where it is from, what is known about it."""
    snapshot = open_library(library).collection.snapshot()
    rows = snapshot.rows_of([item])
    if rows[0] < 0:
        raise CollectionError(f"no item {item!r} in {library}: ids come from 'bowerbird search --json'")
    found = snapshot.items(rows)[0]
    if as_json:
        print_json(
            {
                "id": found.id,
                "kind": found.kind,
                "modality": found.modality,
                "source": found.locator.source,
                "locator": found.locator.place(),
                "parent": found.parent,
                "title": found.title,
                "text": found.text,
                "metadata": dict(found.metadata),
            }
        )
        return
    from bowerbird.show.terminal import print_item

    print_item(found)


def remove(
    names: Annotated[list[str], typer.Argument(help="Sources as listed, paths, or item ids.", show_default=False)],
    library: LibraryOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Take files out of the library; the files themselves stay."""
    count = open_library(library).collection.remove(names)
    if as_json:
        print_json({"removed": count})
    else:
        typer.echo(f"removed {count} {'file' if count == 1 else 'files'}")
    if not count:
        raise typer.Exit(1)

"""bowerbird reembed"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json

EXAMPLES = examples(
    "bowerbird reembed --encoder text=sentence-transformers:intfloat/multilingual-e5-base",
    "bowerbird reembed --encoder image=clip:google/siglip-base-patch16-224 -l photos",
    "bowerbird reembed --encoder text=e5 --encoder image=lite     back to the embedded encoders",
)


def reembed(
    encoder: Annotated[
        list[str],
        typer.Option(metavar="FIELD=SPEC", help="A field and its new encoder; may be repeated.", show_default=False),
    ],
    library: LibraryOption = HERE,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Reading processes; 0 chooses.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Change the encoders of a library: embed everything anew, then switch over at once.

    Until then searches use the old vectors, and an interruption leaves them. Words need no files; pictures, sound and
    film are read again from files that are there unchanged. Exit codes: 0 fine, 1 something has no vectors now because
    its file is gone or has changed, 2 wrong use.
    """
    from bowerbird.show.progress import reembedding

    fields = dict(_field_and_spec(given) for given in encoder)
    opened = open_library(library)
    with reembedding(quiet=as_json) as advance:
        report = opened.reembed(fields, jobs=jobs or None, advance=advance)
    if as_json:
        print_json(asdict(report))
    else:
        from bowerbird.show.terminal import print_reembedded

        print_reembedded(report)
    if report.left_out:
        raise typer.Exit(1)


def _field_and_spec(given: str) -> tuple[str, str]:
    field, sign, spec = given.partition("=")
    if not (field and sign and spec):
        raise typer.BadParameter(f"{given!r} is not FIELD=SPEC, such as text=e5", param_hint="--encoder")
    return field, spec

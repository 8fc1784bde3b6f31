"""bowerbird search"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json

if TYPE_CHECKING:
    from bowerbird.items import Modality, Part

Kind = StrEnum("Kind", ["page", "image", "text", "table", "audio", "video"])
Level = Literal["page", "document", "none"]
EXAMPLES = examples(
    'bowerbird search "diagram of the heart valves"',
    "bowerbird search --image shoe.jpg                      pictures that look alike",
    'bowerbird search "but in red" --image shoe.jpg         a picture and a change in words',
    'bowerbird search "revenue" --where "source ~ \'*.pdf\' and page <= 5" --modality page',
    'bowerbird search "goal" --html results.html            a page with pictures',
)


Pictures = Annotated[list[Path] | None, typer.Option("--image", help="A picture to search with.", exists=True)]


def search(
    text: Annotated[str, typer.Argument(help="Words to search with.", show_default=False)] = "",
    image: Pictures = None,
    audio: Annotated[list[Path] | None, typer.Option("--audio", help="A sound to search with.", exists=True)] = None,
    video: Annotated[list[Path] | None, typer.Option("--video", help="A clip to search with.", exists=True)] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many hits.")] = 10,
    modality: Annotated[list[Kind] | None, typer.Option(help="Only hits of this kind; may be repeated.")] = None,
    where: Annotated[str, typer.Option(metavar="EXPR", help="A filter; see docs/queries.md.")] = "",
    group: Annotated[Level, typer.Option(help="One hit per page, per document, or every place.")] = "page",
    html: Annotated[Path | None, typer.Option(help="Write the results as a page with pictures.")] = None,
    library: LibraryOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Search with words, pictures, sounds, clips, or any mix of them."""
    parts = query_parts(text, image or [], audio or [], video or [])
    if not parts:
        raise typer.BadParameter("say what to look for: words, --image, --audio or --video")
    wanted = [cast("Modality", one.value) for one in modality] if modality else None
    results = open_library(library).search(parts, k, modalities=wanted, where=where, group=group)
    if html:
        from bowerbird.show.html import results_page

        html.write_text(results_page([results]), "utf8")
    if as_json:
        print_json(results.to_json())
    else:
        from bowerbird.show.terminal import print_results

        print_results(results)
    if not results.hits:
        raise typer.Exit(1)


def query_parts(text: str, images: list[Path], audios: list[Path], videos: list[Path]) -> list[Part | str]:
    """What was given on the command line as parts of a query: media first, then words."""
    from bowerbird.items import Audio, Image, Video

    parts: list[Part | str] = [Image(str(path)) for path in images]
    parts += [Audio(str(path)) for path in audios]
    parts += [Video(str(path)) for path in videos]
    return [*parts, text] if text.strip() else parts

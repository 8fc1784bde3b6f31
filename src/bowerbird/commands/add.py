"""bowerbird add"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import HERE, JsonOption, LibraryOption, examples, open_library, print_json

EXAMPLES = examples(
    "bowerbird add ~/Documents                      a folder; again later: only what changed",
    "bowerbird add talks photos -l media --prune    two folders into the library 'media'; forget vanished files",
    "bowerbird add scans --image-encoder clip:openai/clip-vit-base-patch32",
)


def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", show_default=False)],
    library: LibraryOption = HERE,
    prune: Annotated[bool, typer.Option("--prune", help="Forget files below PATHS that have vanished.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=0, help="Reading processes; 0 chooses.")] = 0,
    ocr: Annotated[bool, typer.Option(help="Recognise text in pictures, with the extra 'ocr'.")] = True,
    speech: Annotated[bool, typer.Option(help="Transcribe speech, with the extra 'speech'.")] = True,
    speech_model: Annotated[str, typer.Option(help="A faster-whisper model, by name or folder.")] = "",
    text_encoder: Annotated[str, typer.Option(help="Encoder of words for a new library.")] = "",
    image_encoder: Annotated[str, typer.Option(help="Encoder of pictures for a new library.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Index files and folders. Unchanged files are skipped, changed ones replaced; a run can be interrupted."""
    from bowerbird.collection.fields import DEFAULT_FIELDS
    from bowerbird.collection.workers import Settings
    from bowerbird.show.progress import adding

    chosen = {name: spec for name, spec in (("text", text_encoder), ("image", image_encoder)) if spec}
    try:
        opened = open_library(library, create=True, fields={**DEFAULT_FIELDS, **chosen} if chosen else None)
        settings = Settings(opened.collection.text_encoder, ocr=ocr, speech=speech, speech_model=speech_model)
        with adding(quiet=as_json) as progress:
            report = opened.collection.add(paths, prune=prune, jobs=jobs or None, settings=settings, progress=progress)
    except KeyboardInterrupt:
        typer.echo("interrupted: what was added stays; run the same command again to go on", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(asdict(report))
    else:
        from bowerbird.show.terminal import print_report

        print_report(report)
    if report.failed:
        raise typer.Exit(1)

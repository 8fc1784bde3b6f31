"""bowerbird papers, bowerbird reproduce"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bowerbird.commands.common import JsonOption, examples, print_json

PAPERS_EXAMPLES = examples("bowerbird papers", "bowerbird papers --json")
REPRODUCE_EXAMPLES = examples(
    "bowerbird reproduce muvera --data data",
    "bowerbird reproduce dbnorm weimocir --data data --full",
    "bowerbird reproduce --all --data data --json",
)


def papers(as_json: JsonOption = False) -> None:
    """List the papers that have a page: what each adds, where its mechanism lives, and what was measured."""
    from bowerbird.papers import load, names
    from bowerbird.papers.measured import measured

    pages, found = [load(name) for name in names()], measured()
    if as_json:
        print_json(
            [
                {
                    "name": page.name, "title": page.title, "source": page.source, "adds": page.adds,
                    "claim": page.claim, "lives": page.lives, "data": page.data, "needs": page.needs,
                    "measured": found[page.name].report.to_json() if page.name in found else None,
                    "day": found[page.name].day.isoformat() if page.name in found else None,
                }
                for page in pages
            ]
        )  # fmt: skip
        return
    from bowerbird.show.papers import print_pages

    print_pages(pages, found)


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Pages.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every page.")] = False,
    data: Annotated[
        Path | None, typer.Option(envvar="BOWERBIRD_DATA", help="The folder of data sets.", show_default=False)
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All queries and items, however long it takes.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn at random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the experiment of a paper's page: its claim, the baseline, the ablations, with confidence intervals.

    Exit code 1: something that a paper says was not seen, or a page of several could not run. Without --full a page
    ends in some three minutes.
    """
    from rich.console import Console

    from bowerbird import papers as pages
    from bowerbird.errors import BowerbirdError
    from bowerbird.papers.page import Run
    from bowerbird.papers.page import reproduce as run_page

    wanted = pages.names() if all_ else names or []
    if not wanted:
        raise typer.BadParameter("name a page, or give --all; 'bowerbird papers' lists them", param_hint="NAME")
    if data is None:
        raise typer.BadParameter(
            "give the folder of data sets; docs/papers.md says what goes there", param_hint="--data"
        )
    chosen, console, reports = [pages.load(name) for name in wanted], Console(stderr=True), {}
    for page in chosen:
        with console.status(page.name) as status:
            say = lambda text, name=page.name: status.update(f"{name}: {text}")  # noqa: E731
            try:
                reports[page.name] = run_page(page, Run(data, full, seed, say))
            except Exception as error:  # whatever it is, the other pages run
                if len(chosen) == 1:
                    raise
                kind = "" if isinstance(error, BowerbirdError) else f"{type(error).__name__}: "
                console.print(f"{page.name}: {kind}{error}", style="red", highlight=False, markup=False)
                continue
        if not as_json:
            from bowerbird.show.papers import print_reproduced

            print_reproduced(page, reports[page.name])
    if as_json:
        print_json({name: report.to_json() for name, report in reports.items()})
    if len(reports) < len(chosen) or not all(report.holds for report in reports.values()):
        raise typer.Exit(1)

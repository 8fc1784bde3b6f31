"""Papers and reproductions in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bowerbird.papers.measured import Measured
from bowerbird.papers.page import Page, Report
from bowerbird.papers.table import verdict

STYLES = {"baseline": "dim", "ours": "bold", "ablation": ""}


def print_pages(pages: Sequence[Page], found: Mapping[str, Measured]) -> None:
    console = Console(highlight=False)
    head = ("name", "title, what it adds, where it lives", "claim seen", "measured")
    table = Table(*head, box=None, header_style="bold", padding=(0, 1, 1, 1))
    for page in pages:
        one = found.get(page.name)
        seen = ("not run", "") if one is None else (verdict(one.report), one.day.isoformat())
        paper = Text.assemble((page.title, "bold"), "\n", page.adds, "\n", (", ".join(page.lives), "dim"))
        table.add_row(page.name, paper, *seen)
    console.print(table)


def print_reproduced(page: Page, report: Report) -> None:
    console = Console(highlight=False)
    console.rule(Text(f"{page.name}: {page.title}"), align="left")
    console.print(Text(f"claim: {page.claim}"))
    console.print(Text(f"data: {report.data}", "dim"))
    table = Table("part", "method", "measure", "value", "95 % interval", box=None, header_style="bold")
    for figure in report.figures:
        interval = "" if figure.low == figure.high else f"{figure.low:.3f} – {figure.high:.3f}"
        cells = (figure.part, figure.method, figure.measure, f"{figure.value:.3f}", interval)
        table.add_row(*cells, style=STYLES[figure.part])
    console.print(table)
    for check in report.checks:
        console.print(
            Text(f"{'seen' if check.seen else 'not seen'}: {check.says}", "green" if check.seen else "yellow")
        )
    for note in report.notes:
        console.print(Text(f"note: {note}", "dim"))
    console.print(Text(f"{report.seconds:.1f} s", "dim"))

"""The table of papers in docs/papers.md, from what `bowerbird reproduce` measured."""

from __future__ import annotations

from collections.abc import Mapping

from bowerbird.papers.measured import Measured
from bowerbird.papers.page import Figure, Page, Report


def markdown(found: Mapping[str, Measured], pages: Mapping[str, Page]) -> str:
    """A table of all pages, then a section per page with its figures."""
    head = "| paper | what it adds | where it lives | claim seen | seconds | measured |\n|---|---|---|---|---|---|\n"
    rows = [_row(pages[name], one) for name, one in found.items()]
    sections = [_section(pages[name], one.report) for name, one in found.items()]
    return f"{head}{''.join(rows)}\n" + "\n".join(sections)


def verdict(report: Report) -> str:
    """'yes', or how many of the things that a paper says were seen."""
    seen = sum(check.seen for check in report.checks)
    return "yes" if report.holds else f"{seen} of {len(report.checks)}"


def _row(page: Page, one: Measured) -> str:
    lives = ", ".join(f"`{module}`" for module in page.lives)
    cells = [f"[{page.name}](#{page.name})", page.adds, lives, verdict(one.report), f"{one.report.seconds:.0f}"]
    return f"| {' | '.join(cells)} | {one.day.isoformat()} |\n"


def _section(page: Page, report: Report) -> str:
    lines = [f"### {page.name}", "", f"{page.title} ({page.source}).", "", f"Claim: {page.claim}", ""]
    lines += [
        f"Data: {report.data}",
        "",
        "| part | method | measure | value | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    lines += [_figure(figure) for figure in report.figures]
    lines += ["", *(f"- {'seen' if check.seen else '**not seen**'}: {check.says}" for check in report.checks)]
    lines += [f"- {note}" for note in report.notes]
    return "\n".join(lines) + "\n"


def _figure(figure: Figure) -> str:
    interval = "" if figure.low == figure.high else f"{figure.low:.3f} – {figure.high:.3f}"
    return f"| {figure.part} | {figure.method} | {figure.measure} | {figure.value:.3f} | {interval} |"

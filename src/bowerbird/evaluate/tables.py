"""Results as a table: on a terminal, in Markdown, LaTeX and HTML.

† and * mark a difference from the baseline with p < 0.05 by the randomisation test and by the t-test.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bowerbird.evaluate.results import Key, Results

THRESHOLD = 0.05


def marks(results: Results, key: Key) -> str:
    """The signs that stand behind a value."""
    found = results.comparisons.get(key)
    if found is None:
        return ""
    return "†" * (found.p_randomisation < THRESHOLD) + "*" * (found.p_t < THRESHOLD)


def caption(results: Results) -> str:
    """What the table shows, in one line."""
    queries = len(results.systems[0].evaluation.query_ids)
    line = f"{results.benchmark.name}: {queries:,} judged queries, 95 % bootstrap intervals"
    if results.comparisons and results.baseline is not None:
        line += f"; against {results.names[results.baseline]}, Holm-corrected: † randomisation, * t-test (p < 0.05)"
    return line


def interval(results: Results, key: Key) -> str:
    """The bounds of a value; empty for measures of a whole run."""
    return f"{results.low[key]:.3f}–{results.high[key]:.3f}" if key in results.low else ""


def rich(results: Results) -> Any:
    """A table for a terminal."""
    from rich.markup import escape as plain
    from rich.table import Table

    table = Table(caption=caption(results), caption_justify="left")
    table.add_column("system", overflow="fold")
    for name in (*results.measures, "ms/query"):
        table.add_column(plain(name), justify="right")
    for system in results.systems:
        cells = []
        for name in results.measures:
            key = (system.name, name)
            value = f"{results[key]:.3f}"
            value = f"[bold]{value}[/bold]" if results.best(name) == system.name else value
            cells.append(f"{value}{marks(results, key)}\n[dim]{interval(results, key)}[/dim]")
        table.add_row(plain(system.name), *cells, f"{system.milliseconds:.1f}")
    return table


def text(results: Results) -> str:
    """The terminal's table without colours."""
    from io import StringIO

    from rich.console import Console

    written = StringIO()
    Console(file=written, width=max(80, 20 + 16 * len(results.measures) + 24)).print(rich(results))
    return written.getvalue()


def markdown(results: Results) -> str:
    """Rows of cells between bars."""
    header = ["system", *results.measures, "ms/query"]
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    for system in results.systems:
        cells = []
        for name in results.measures:
            key = (system.name, name)
            value = f"{results[key]:.3f}"
            value = f"**{value}**" if results.best(name) == system.name else value
            spread = interval(results, key)
            cells.append(
                f"{value}{marks(results, key).replace('*', chr(92) + '*')}" + (f" ({spread})" if spread else "")
            )
        title = system.name.replace("|", "\\|")
        lines.append(f"| {title} | " + " | ".join([*cells, f"{system.milliseconds:.1f}"]) + " |")
    return "\n".join([*lines, "", caption(results).replace("*", "\\*"), ""])


def latex(results: Results) -> str:
    """A table environment with booktabs rules."""
    columns = "l" + "r" * (len(results.measures) + 1)
    lines = [r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines.append(" & ".join(_tex(name) for name in ("system", *results.measures, "ms/query")) + r" \\")
    lines.append(r"\midrule")
    for system in results.systems:
        cells = [_tex(system.name)]
        for name in results.measures:
            value = f"{results[system.name, name]:.3f}"
            value = rf"\textbf{{{value}}}" if results.best(name) == system.name else value
            signs = marks(results, (system.name, name)).replace("†", r"\dagger").replace("*", r"\ast")
            cells.append(value + (f"$^{{{signs}}}$" if signs else ""))
        lines.append(" & ".join([*cells, f"{system.milliseconds:.1f}"]) + r" \\")
    note = _tex(caption(results).replace("†", "DAGGER")).replace("DAGGER", r"$\dagger$").replace("*", r"$\ast$")
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{note}}}", r"\end{table}", ""]
    return "\n".join(lines)


TEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
}


def _tex(line: str) -> str:
    return "".join(TEX.get(letter, letter) for letter in line)


STYLE = """
<style>
.bowerbird-results { border-collapse: collapse; font: 14px system-ui, sans-serif; }
.bowerbird-results caption { caption-side: bottom; text-align: left; padding: .5em 0; opacity: .75; }
.bowerbird-results th, .bowerbird-results td { padding: .35em .8em; text-align: right; vertical-align: top; }
.bowerbird-results th:first-child { text-align: left; max-width: 28em; overflow-wrap: anywhere; }
.bowerbird-results thead th { border-bottom: 1px solid; }
.bowerbird-results tbody th { font-weight: normal; }
.bowerbird-results .bar { position: relative; height: 5px; width: 9em; margin-top: .3em; background: #8883; }
.bowerbird-results .bar span { position: absolute; left: 0; height: 100%; background: #3b7dd8; }
.bowerbird-results .best .bar span { background: #1a4f99; }
.bowerbird-results .bar i { position: absolute; top: 2px; height: 1px; background: #e08000; }
</style>
"""


def html(results: Results) -> str:
    """A table whose bars start at 0 and end at the largest upper bound in their column."""
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in ("system", *results.measures, "ms/query"))
    rows = []
    for system in results.systems:
        cells = "".join(_cell(results, (system.name, name)) for name in results.measures)
        title = f"<th scope='row'>{escape(system.name)}</th>"
        rows.append(f"<tr>{title}{cells}<td>{system.milliseconds:.1f}</td></tr>")
    table = f"<caption>{escape(caption(results))}</caption><thead><tr>{head}</tr></thead>"
    return f"{STYLE}<table class='bowerbird-results'>{table}<tbody>{''.join(rows)}</tbody></table>\n"


def _cell(results: Results, key: Key) -> str:
    """A value, its signs, and a bar with the interval as a line across its end."""
    name = key[1]
    column = [(system, name) for system in results.names]
    top = max(1e-9, *(results.high.get(other, results[other]) for other in column))
    value = results[key]
    width = min(max(value / top, 0), 1) * 100
    line = ""
    if key in results.low:
        start, end = (max(bound / top, 0) * 100 for bound in (results.low[key], results.high[key]))
        line = f"<i style='left:{start:.1f}%;width:{end - start:.1f}%'></i>"
    best = results.best(name) == key[0]
    number = f"<b>{value:.3f}</b>" if best else f"{value:.3f}"
    bar = f"<div class='bar'><span style='width:{width:.1f}%'></span>{line}</div>"
    start_tag = f"<td{' class=best' if best else ''} title='{interval(results, key)}'>"
    return f"{start_tag}{number}{marks(results, key)}{bar}</td>"

"""Results and answers as one self-contained page: no scripts, no requests, everything escaped."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from bowerbird.items import Audio, Image, Query, Table
from bowerbird.pipeline.results import Answer, Hit, Results
from bowerbird.show.places import place_in_words

QUERY_SIDE = 160
TABLE_ROWS = 6
TABLE_COLUMNS = 8


def results_page(results: Sequence[Results], title: str = "bowerbird results") -> str:
    """A page with a section for every query."""
    return page(title, [results_section(one) for one in results])


def answer_page(question: str, answer: Answer) -> str:
    """A page with one answer and its citations."""
    return page("bowerbird answer", [answer_section(question, answer)])


def page(title: str, sections: Sequence[str]) -> str:
    style = (files(__package__) / "page.css").read_text("utf8")
    body = "\n".join(sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def results_section(results: Results, heading: str = "") -> str:
    """What was asked, and the hits as cards."""
    best = strongest(results.hits)
    cards = "\n".join(card(hit, best) for hit in results.hits) or "<p>Nothing was found.</p>"
    note = f'<p class="note">{escape(heading)}</p>' if heading else ""
    took = f"{len(results.hits)} hits in {results.took_ms:.0f} ms"
    return (
        f"<section>\n{note}<h2>{query(results.query)}</h2>\n"
        f'<p class="took">{took}</p>\n<ol class="hits">\n{cards}\n</ol>\n</section>'
    )


def answer_section(question: str, answer: Answer) -> str:
    """An answer with numbered citations that lead to the cards below it."""
    text = re.sub(r"\[(\d+)\]", r'<a href="#cite-\1">[\1]</a>', escape(answer.text))
    who = escape(answer.model) if answer.model else "Quoted verbatim; no language model is configured."
    best = strongest([citation.hit for citation in answer.citations])
    cards = "\n".join(card(citation.hit, best, citation.n) for citation in answer.citations)
    return (
        f'<section>\n<h2>{escape(question)}</h2>\n<p class="answer">{text}</p>\n<p class="took">{who}</p>\n'
        f'<ol class="hits">\n{cards}\n</ol>\n</section>'
    )


def query(asked: Query) -> str:
    """A query's pictures and words."""
    parts = []
    for part in asked.parts:
        if isinstance(part, Image):
            opened = part.open()
            opened.thumbnail((QUERY_SIDE, QUERY_SIDE))
            out = io.BytesIO()
            opened.save(out, "JPEG", quality=80)
            parts.append(f'<img class="asked" src="{data_uri(out.getvalue(), "jpeg")}" alt="the picture asked with">')
        elif isinstance(part, Audio):
            parts.append("<em>a recording</em>")
    words = escape(asked.text)
    return " + ".join([*parts, f"<span>{words}</span>"] if words else parts)


def strongest(hits: Sequence[Hit]) -> float:
    """The highest score that any source gave: a full bar."""
    return max((score for hit in hits for score in hit.matched.values()), default=0.0) or 1.0


def card(hit: Hit, best: float, number: int = 0) -> str:
    """One hit: its picture, where it is from, what matched, and why. best: the score of a full bar."""
    label = f' id="cite-{number}"' if number else ""
    rank = f"[{number}]" if number else str(hit.rank)
    place = place_in_words(hit.place)
    where = f"{escape(hit.source)}{f', {escape(place)}' if place else ''}"
    title = escape(hit.title or hit.source.rsplit("/", 1)[-1])
    return (
        f'<li class="hit {hit.modality}"{label}>\n{picture(hit)}<div class="words">\n'
        f'<p class="title"><span class="rank">{rank}</span> {title}</p>\n'
        f'<p class="where">{where}</p>\n{content(hit)}\n{why(hit, best)}\n</div>\n</li>'
    )


def picture(hit: Hit) -> str:
    """The hit's thumbnail, with the place that matched outlined."""
    if not hit.thumbnail:
        return ""
    outline = ""
    box = hit.place.get("box")
    if box and hit.modality == "page":
        left, top, right, bottom = (100 * edge for edge in box)
        outline = (
            f'<span class="box" style="left:{left:.1f}%;top:{top:.1f}%;'
            f'width:{right - left:.1f}%;height:{bottom - top:.1f}%"></span>'
        )
    name = escape(f"{hit.modality}: {hit.title or hit.source}", quote=True)
    image = f'<img src="{data_uri(hit.thumbnail, "webp")}" alt="{name}" loading="lazy">'
    return f'<div class="picture"><div class="frame">{image}{outline}</div></div>\n'


def content(hit: Hit) -> str:
    """A table as a table, anything else as its snippet with the matching words marked."""
    table = next((part for part in hit.best.parts if isinstance(part, Table)), None)
    if hit.best.kind == "table" and table is not None:
        return table_html(table)
    snippet = hit.evidence.snippet
    if not snippet:
        return ""
    marked, at = [], 0
    for start, end in hit.evidence.words:
        marked += [escape(snippet[at:start]), "<mark>", escape(snippet[start:end]), "</mark>"]
        at = end
    return f'<p class="snippet">{"".join(marked)}{escape(snippet[at:])}</p>'


def table_html(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells[:TABLE_COLUMNS]) + "</tr>"

    head = f"<thead>{row(table.header, 'th')}</thead>" if table.header else ""
    rows = "".join(row(cells, "td") for cells in table.rows[:TABLE_ROWS])
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return f'<div class="table"><table>{caption}{head}<tbody>{rows}</tbody></table></div>'


def why(hit: Hit, best: float) -> str:
    """The sources that speak for a hit, as small bars."""
    bars = [
        f'<li>{escape(name)} <meter min="0" max="{best:.2f}" value="{max(score, 0):.2f}" '
        f'title="{score:.2f}">{score:.2f}</meter></li>'
        for name, score in sorted(hit.matched.items(), key=lambda entry: -entry[1])
    ]
    return f'<ul class="why" aria-label="why it matched">{"".join(bars)}</ul>'


def data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"

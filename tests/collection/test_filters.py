from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.collection.filters import MAX_DEPTH, columns_of, evaluate, parse
from bowerbird.collection.schema import schema
from bowerbird.errors import FilterError

ROWS = [
    {"source": "reports/a.pdf", "kind": "page", "page": 1, "date": "2024-03-01", "language": "en",
     "metadata": {"year": 2024, "tag": "final", "draft": False}},
    {"source": "reports/b*.pdf", "kind": "table", "page": 7, "date": None, "language": "de",
     "metadata": {"year": "2023", "tag": ["x", "y"]}},
    {"source": "clips/line\nbreak.mp4", "kind": "shot", "page": None, "start": 1.5, "end": 9.0, "language": None,
     "metadata": {"year": 10**400}},
    {"source": "it's 100%_\\[a].txt", "kind": "passage", "page": None, "title": "O'Hara", "language": "en",
     "metadata": {}},
]  # fmt: skip
TABLE = pa.table(
    {
        field.name: pa.array(
            [json.dumps(row["metadata"]) if field.name == "metadata" else row.get(field.name) for row in ROWS],
            field.type,
        )
        for field in schema()
        if field.type != pa.list_(pa.float32()) and field.type != pa.list_(pa.int64())
    }
)


def chosen(expression: str) -> list[int]:
    condition = parse(expression)
    mask = evaluate(condition, TABLE.select(columns_of(condition)))
    assert mask.dtype == bool
    return mask.nonzero()[0].tolist()


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("page = 1", [0]),
        ("page != 1", [1, 2, 3]),
        ("page < 7", [0]),
        ("page<=7", [0, 1]),
        ("page > 1.5", [1]),
        ("page >= 1 and page <= 7", [0, 1]),
        ("page > -1", [0, 1]),
        ("start < 2 and end >= 9", [2]),
        ("modality = 'page' or modality = \"video\"", [0, 2]),
        ("kind in ('table', 'shot')", [1, 2]),
        ("page in (1, 2, 7)", [0, 1]),
        ("not language in ('de')", [0, 2, 3]),
        ("NOT (language = 'en' OR page = 7)", [2]),
        ("not page = 1 and language = 'en'", [3]),
        ("language = 'de' or language = 'en' and page = 1", [0, 1]),
        ("(language = 'de' or language = 'en') and page = 1", [0]),
        ("date >= '2024'", [0]),
        ("date < '2024-03-02'", [0]),
        ("source ~ 'reports/*'", [0, 1]),
        ("source ~ 'reports/?.pdf'", [0]),
        ("source ~ '*a*.*d*f'", [0]),
        ("source ~ 'ports'", []),
        ("source ~ '*line*break*'", [2]),
        ("source ~ '*[a]*'", [3]),
        ("source ~ '*\\[*'", [3]),
        ("source ~ '*%_*'", [3]),
        ("source = 'it''s 100%_\\[a].txt'", [3]),
        ('title = "O\'Hara"', [3]),
        ("meta.year = 2024", [0]),
        ("meta.year >= 2000", [0, 1]),
        ("meta.year = '2024'", [0]),
        ("meta.tag ~ 'fin*'", [0]),
        ("meta.tag = 'x'", []),
        ("meta.draft = 'false'", [0]),
        ("meta.nothing = 1", []),
        ("meta.nothing != 1", [0, 1, 2, 3]),
        ("meta.year in (2023, 2024)", [0, 1]),
    ],
)
def test_selects(expression: str, rows: list[int]) -> None:
    assert chosen(expression) == rows


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("sauce = 'a'", "unknown field 'sauce' in the filter; known are id, source"),
        ("page = 'one'", "expected a number for 'page' at character 8"),
        ("title = 3", "expected a text in quotes for 'title' at character 9"),
        ("meta.year in (1, 'a')", "only texts or only numbers"),
        ("page ~ 3", "expected a pattern in quotes"),
        ("page =", "expected a text in quotes or a number at character 7 of the filter, but the filter ends"),
        ("page = 1 page = 2", "expected 'and', 'or' or the end at character 10"),
        ("(page = 1", "expected ')'"),
        ("page 1", "expected a comparison"),
        ("page ( 1", "expected a comparison (= != < <= > >= ~ in)"),
        ("= 1", "expected a field at character 1"),
        ("", "expected a field at character 1 of the filter, but the filter ends"),
        ("source = 'open", "cannot read the filter at character 9"),
        ("source = 'a'; DROP TABLE items", "cannot read the filter at character 13"),
        ("page = 1 -- comment", "cannot read the filter at character 9"),
        ("page == 1", "expected a text in quotes or a number"),
        ("page = 1e5", "cannot read the filter"),
        ("(" * (MAX_DEPTH + 1) + "page = 1" + ")" * (MAX_DEPTH + 1), "nested more than"),
        ("not " * 5000 + "page = 1", "longer than"),
        ("not " * 200 + "page = 1", "nested more than"),
        (f"source ~ '{'*' * 501}'", "pattern for 'source' is longer than"),
    ],
)
def test_says_what_is_wrong_and_where(expression: str, complaint: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(expression)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_any_text_can_be_a_value(value: str) -> None:
    """Whatever stands in quotes is compared, never understood."""
    stored = value.encode("utf-8", "replace").decode()
    table = pa.table({"title": pa.array([stored, "x" + stored, None])})
    quoted = "'" + stored.replace("'", "''") + "'"
    assert evaluate(parse(f"title = {quoted}"), table).tolist() == [True, False, False]
    if "*" not in stored and "?" not in stored:
        assert evaluate(parse(f"title ~ {quoted}"), table).tolist() == [True, False, False]


TOKENS = [*"page source meta.x and or not in ( ) , = != < ~ 1 -2.5 'a*'".split(), "'", "\\"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join) | st.text(max_size=30))
def test_an_expression_selects_rows_or_is_refused(expression: str) -> None:
    try:
        condition = parse(expression)
    except FilterError:
        return
    assert len(evaluate(condition, TABLE)) == len(ROWS)

"""Filters: a small expression language over the columns of a collection.

    source ~ 'reports/*' and (page <= 3 or modality = 'table') and not language in ('de', 'fr')

Comparisons are = != < <= > >=, `~` matches a pattern with * and ?, `in` a list. `meta.KEY` is any key of an item's
metadata. Expressions are parsed, checked against the known fields, and evaluated on Arrow columns; nothing of them
is ever executed or put into a query of another language.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import FilterError
from bowerbird.items import MODALITY_OF

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_FIELDS = ("id", "source", "member", "modality", "kind", "title", "date", "author", "language", "parent")
NUMBER_FIELDS = ("page", "start", "end", "size")
FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS)
MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_PATTERN = 500

Value: TypeAlias = str | float
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Compare:
    field: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    inner: Condition


@dataclass(frozen=True, slots=True)
class Join:
    operator: str
    parts: tuple[Condition, ...]


Condition: TypeAlias = Compare | Not | Join

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|(?P<operator><=|>=|!=|=|<|>|~|\(|\)|,)|(?P<word>[A-Za-z_][\w.\-]*))"
)


def parse(expression: str) -> Condition:
    """An expression as a tree. Raises FilterError that says what is wrong and at which character."""
    if len(expression) > MAX_LENGTH:
        raise FilterError(f"the filter is longer than {MAX_LENGTH} characters; shorten it")
    return _Parser(expression).whole()


class _Parser:
    """Recursive descent: or > and > not > comparison."""

    def __init__(self, expression: str) -> None:
        self._tokens = self._scan(expression)
        self._at = 0
        self._depth = 0
        self._length = len(expression)

    def _scan(self, expression: str) -> list[tuple[str, str, int]]:
        tokens, at = [], 0
        expression = expression.rstrip()
        while at < len(expression):
            match = _TOKEN.match(expression, at)
            if match is None or match.lastgroup is None:
                raise FilterError(f"cannot read the filter at character {at + 1}: {expression[at : at + 20]!r}")
            tokens.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            at = match.end()
        return tokens

    def whole(self) -> Condition:
        condition = self._either()
        if self._at < len(self._tokens):
            raise self._expected("'and', 'or' or the end")
        return condition

    def _either(self) -> Condition:
        return self._joined("or", self._both)

    def _both(self) -> Condition:
        return self._joined("and", self._negated)

    def _joined(self, operator: str, part: Any) -> Condition:
        parts = [part()]
        while self._takes("word", operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Join(operator, tuple(parts))

    def _negated(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"the filter is nested more than {MAX_DEPTH} deep; simplify it")
        try:
            if self._takes("word", "not"):
                return Not(self._negated())
            if self._takes("operator", "("):
                inner = self._either()
                self._must("operator", ")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        field = self._must("word")
        if field not in FIELDS and not field.startswith("meta."):
            raise FilterError(f"unknown field {field!r} in the filter; known are {', '.join(FIELDS)} and meta.KEY")
        if self._takes("word", "in"):
            self._must("operator", "(")
            values = [self._value(field)]
            while self._takes("operator", ","):
                values.append(self._value(field))
            if len({type(value) for value in values}) > 1:
                raise self._expected("either only texts or only numbers in the list")
            self._must("operator", ")")
            return Compare(field, "in", tuple(values))
        operator = self._must("operator")
        if operator not in ("=", "!=", "<", "<=", ">", ">=", "~"):
            self._at -= 1
            raise self._expected("a comparison (= != < <= > >= ~ in)")
        value = self._value(field)
        if operator == "~":
            self._check_pattern(field, value)
        return Compare(field, operator, (value,))

    def _check_pattern(self, field: str, value: Value) -> None:
        if not isinstance(value, str):
            self._at -= 1
            raise self._expected(f"a pattern in quotes, such as 'report*', for {field!r}")
        if len(value) > MAX_PATTERN:
            raise FilterError(f"the pattern for {field!r} is longer than {MAX_PATTERN} characters; shorten it")

    def _value(self, field: str) -> Value:
        kind, text, _ = self._peek()
        if kind not in ("string", "number"):
            raise self._expected("a text in quotes or a number")
        self._at += 1
        value: Value = float(text) if kind == "number" else text[1:-1].replace(text[0] * 2, text[0])
        wanted: type = float if field in NUMBER_FIELDS else str
        if field in FIELDS and not isinstance(value, wanted):
            self._at -= 1
            raise self._expected(f"{'a number' if wanted is float else 'a text in quotes'} for {field!r}")
        return value

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", self._length)

    def _takes(self, kind: str, text: str) -> bool:
        found, word, _ = self._peek()
        if found == kind and word.lower() == text:
            self._at += 1
            return True
        return False

    def _must(self, kind: str, text: str = "") -> str:
        found, word, _ = self._peek()
        if found != kind or (text and word != text):
            raise self._expected(repr(text) if text else {"word": "a field", "operator": "a comparison"}[kind])
        self._at += 1
        return word

    def _expected(self, what: str) -> FilterError:
        kind, word, at = self._peek()
        got = "the filter ends" if kind == "end" else f"found {word!r}"
        return FilterError(f"expected {what} at character {at + 1} of the filter, but {got}")


def columns_of(condition: Condition) -> list[str]:
    """The table's columns that a condition reads."""
    match condition:
        case Compare(field, _, _):
            return ["metadata" if field.startswith("meta.") else "kind" if field == "modality" else field]
        case Not(inner):
            return columns_of(inner)
        case Join(_, parts):
            return list(dict.fromkeys(name for part in parts for name in columns_of(part)))


def evaluate(condition: Condition, table: pa.Table) -> Mask:
    """The rows of a table for which a condition holds. A missing value satisfies only `!=`."""
    match condition:
        case Compare():
            return _compare(condition, table)
        case Not(inner):
            return ~evaluate(inner, table)
        case Join(operator, parts):
            combine = np.logical_and if operator == "and" else np.logical_or
            return reduce(combine, [evaluate(part, table) for part in parts])


def _compare(condition: Compare, table: pa.Table) -> Mask:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(condition, table)
    if condition.operator == "~":
        found = pc.match_substring_regex(column, _pattern(str(condition.values[0])))
    elif condition.operator == "in":
        found = pc.is_in(column, pa.array(condition.values, column.type))
    else:
        names = {
            "=": "equal",
            "!=": "not_equal",
            "<": "less",
            "<=": "less_equal",
            ">": "greater",
            ">=": "greater_equal",
        }
        found = pc.call_function(names[condition.operator], [column, pa.scalar(condition.values[0], column.type)])
    mask: Mask = pc.fill_null(found, condition.operator == "!=").to_numpy(zero_copy_only=False)
    return mask


def _column(condition: Compare, table: pa.Table) -> Any:
    """The values a comparison looks at, as text or as floats."""
    import pyarrow as pa

    if condition.field.startswith("meta."):
        key = condition.field.removeprefix("meta.")
        values = [json.loads(text).get(key) for text in table["metadata"].to_pylist()]
        wanted = float if isinstance(condition.values[0], float) else str
        return pa.chunked_array([pa.array([_as(wanted, value) for value in values], _ARROW[wanted]())])
    if condition.field == "modality":
        return pa.chunked_array([pa.array([MODALITY_OF[kind] for kind in table["kind"].to_pylist()], pa.string())])
    column = table[condition.field]
    return column.cast(pa.float64()) if condition.field in NUMBER_FIELDS else column


def _pattern(glob: str) -> str:
    """A pattern with * and ? as a regular expression for the whole text, in RE2's syntax."""
    return "(?s)^" + "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in glob) + "$"


def _text() -> Any:
    import pyarrow as pa

    return pa.string()


def _float() -> Any:
    import pyarrow as pa

    return pa.float64()


_ARROW = {str: _text, float: _float}


def _as(wanted: type, value: Any) -> Any:
    """A metadata value as text or number; None where it is neither."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool) and wanted is str:
        return str(value).lower()
    try:
        return wanted(value)
    except (ValueError, OverflowError):
        return None

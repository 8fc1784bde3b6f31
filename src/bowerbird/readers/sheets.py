"""Tables: CSV, TSV, Parquet and Excel workbooks, as groups of rows that carry the header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bowerbird.errors import ReadError
from bowerbird.items import Item, Table
from bowerbird.readers.base import ReadOptions, SourceFile
from bowerbird.readers.limits import MAX_CELLS, check_zip
from bowerbird.readers.text import decode

GROUP_ROWS = 40
MAX_CELL_CHARS = 500
Row = tuple[str, ...]


def read_delimited(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """CSV and TSV with whatever delimiter; the first row is the header if its cells are names."""
    text = decode(file.path)
    csv.field_size_limit(10 << 20)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:8192], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if file.media_type.endswith("tab-separated-values") else csv.excel
    try:
        rows = [tuple(cell.strip() for cell in row) for row in csv.reader(io.StringIO(text), dialect) if any(row)]
    except csv.Error as error:
        raise ReadError(f"is no readable table ({error}); check its quotes") from error
    root = file.item("document", (), title=Path(file.name).name)
    yield root
    yield from row_groups(file, rows, root.id, root.title, options)


def read_parquet(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """The rows of a Parquet file in batches; values as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file.path)
        header = tuple(table.schema_arrow.names)
        root = file.item("document", (), title=Path(file.name).name, metadata={"rows": table.metadata.num_rows})
        yield root
        start = 1
        for batch in table.iter_batches(batch_size=10 * GROUP_ROWS):
            rows = [tuple(cell_text(value) for value in row.values()) for row in batch.to_pylist()]
            yield from row_groups(file, [header, *rows], root.id, root.title, options, first=start, headed=True)
            start += len(rows)
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"is no readable Parquet file ({error}); get it again") from error


def read_workbook(file: SourceFile, options: ReadOptions) -> Iterator[Item]:
    """Every sheet of a workbook as tables titled by the sheet; formulas by their stored values."""
    import openpyxl

    check_zip(file.path)
    try:
        book = openpyxl.load_workbook(file.path, read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # openpyxl raises anything on broken workbooks
        raise ReadError(f"is no readable workbook ({type(error).__name__}: {error}); save it again") from error
    about = book.properties
    metadata = {"author": about.creator, "date": about.modified.isoformat() if about.modified else None}
    title = about.title or Path(file.name).name
    root = file.item("document", (), title=title, metadata={key: value for key, value in metadata.items() if value})
    yield root
    for number, sheet in enumerate(book.worksheets, 1):
        sheet.reset_dimensions()  # what it says of its size may be far more than there is
        rows = _filled(options.beating(sheet.iter_rows(values_only=True)), sheet.title)
        yield from row_groups(file, rows, root.id, f"{title}: {sheet.title}", options, page=number)


def _filled(rows: Iterable[Sequence[Any]], name: str) -> list[Row]:
    """Rows with something in them, as text. Raises ReadError above MAX_CELLS cells, empty rows being one each."""
    found: list[Row] = []
    cells = 0
    for row in rows:
        cells += max(len(row), 1)
        if cells > MAX_CELLS:
            raise ReadError(f"has more than {MAX_CELLS:,} cells in its sheet {name!r}; save that as CSV")
        texts = tuple(cell_text(value) for value in row)
        if any(texts):
            found.append(_trimmed(texts))
    return found


def _trimmed(row: Row) -> Row:
    last = max((at for at, cell in enumerate(row) if cell), default=-1)
    return row[: last + 1]


def cell_text(value: Any) -> str:
    """A cell as people read it."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return " ".join(str(value).split())[:MAX_CELL_CHARS]


def row_groups(
    file: SourceFile,
    rows: Sequence[Row],
    parent: str,
    title: str,
    options: ReadOptions,
    *,
    page: int | None = None,
    first: int = 1,
    headed: bool | None = None,
) -> Iterator[Item]:
    """Table items of rows that fit a passage together, each with the header. `first` is the first row's number."""
    if not rows:
        return
    has_header = looks_like_header(rows) if headed is None else headed
    header, body = (rows[0], rows[1:]) if has_header else ((), rows)
    number = first
    for group in _fitting(body, options):
        span = (number, number + len(group) - 1)
        yield file.item("table", (Table(tuple(group), header),), parent=parent, title=title, page=page, rows=span)
        number += len(group)


def looks_like_header(rows: Sequence[Row]) -> bool:
    """Names above values: every cell filled, none a number, and the next row is different in kind or all distinct."""
    head = rows[0]
    if len(rows) < 2 or not all(head) or any(_is_number(cell) for cell in head):
        return False
    return len(set(head)) == len(head)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


def _fitting(rows: Iterable[Row], options: ReadOptions) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        tokens = sum(len(cell) for cell in row) // 3 + len(row)
        if group and (len(group) == GROUP_ROWS or size + tokens > options.passage_tokens * 2):
            yield group
            group, size = [], 0
        group.append(row)
        size += tokens
    if group:
        yield group

"""Records of published files, one at a time: whatever is malformed is named by file, line and field."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from bowerbird.errors import BenchmarkError

CHUNK = 1 << 16
"""Characters of a large file that are parsed at a time."""

BETWEEN = re.compile(r"[\s,]*")
"""What stands between the objects of a list."""

csv.field_size_limit(1 << 26)  # whole documents lie in one field; the default of 128 KiB is for spreadsheets


@dataclass(frozen=True, slots=True)
class Record:
    """One line, entry or row, whose fields are asked for by name and type. `place` is 'line 3' or 'entry 3'."""

    file: Path
    place: str
    values: Mapping[str, Any]
    prefix: str = ""

    def text(self, field: str) -> str:
        """A string, or a whole number as one: published ids are both."""
        value = self._value(field)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
        raise self.error(field, f"must be a string, not {_shown(value)}")

    def optional(self, field: str) -> str:
        """A string; empty if the field is missing or null."""
        return "" if self.values.get(field) is None else self.text(field)

    def number(self, field: str) -> float:
        value = self._value(field)
        try:
            number = float("nan" if isinstance(value, bool) else value)
        except (TypeError, ValueError):
            number = float("nan")
        if not math.isfinite(number):
            raise self.error(field, f"must be a finite number, not {_shown(value)}")
        return number

    def whole(self, field: str) -> int:
        number = self.number(field)
        if number != int(number):
            raise self.error(field, f"must be a whole number, not {number}")
        return int(number)

    def data(self, field: str) -> bytes:
        value = self._value(field)
        if not isinstance(value, bytes):
            raise self.error(field, f"must be the bytes of a file, not {_shown(value)}")
        return value

    def entries(self, field: str) -> list[Any]:
        value = self._value(field)
        if not isinstance(value, list):
            raise self.error(field, f"must be a list, not {_shown(value)}")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings (or of whole numbers, as strings)."""
        inner = self._numbered(field)
        return tuple(inner.text(number) for number in inner.values)

    def numbers(self, field: str, count: int | None = None) -> tuple[float, ...]:
        """A list of numbers, of exactly `count` if that is given."""
        inner = self._numbered(field)
        if count is not None and len(inner.values) != count:
            raise self.error(field, f"must be {count} numbers, not {len(inner.values)}")
        return tuple(inner.number(number) for number in inner.values)

    def record(self, field: str) -> Record:
        return self._inner(field, self._value(field))

    def records(self, field: str) -> list[Record]:
        return [self._inner(f"{field}.{number}", value) for number, value in enumerate(self.entries(field))]

    def has(self, field: str) -> bool:
        return self.values.get(field) is not None

    def error(self, field: str, why: str) -> BenchmarkError:
        return BenchmarkError(f"{self.file}, {self.place}: field {self.prefix + str(field)!r} {why}")

    def _value(self, field: str) -> Any:
        if field not in self.values:
            known = ", ".join(map(str, self.values)) or "none"
            raise self.error(field, f"is missing; there are: {known[:200]}")
        return self.values[field]

    def _numbered(self, field: str) -> Record:
        """The entries of a list as fields 0, 1, ..., so that a bad one is named."""
        values = {str(number): value for number, value in enumerate(self.entries(field))}
        return Record(self.file, self.place, values, f"{self.prefix}{field}.")

    def _inner(self, field: str, value: Any) -> Record:
        if not isinstance(value, dict):
            raise self.error(field, f"must be an object, not {_shown(value)}")
        return Record(self.file, self.place, value, f"{self.prefix}{field}.")


def json_lines(path: Path) -> Iterator[Record]:
    """One object a line; empty lines are passed over."""
    for number, line in text_lines(path):
        if line.strip():
            yield _record(path, f"line {number}", _parsed(path, line, number))


def json_values(path: Path) -> Iterator[tuple[int, Any]]:
    """One JSON value of any kind a line, with its line number."""
    for number, line in text_lines(path):
        if line.strip():
            yield number, _parsed(path, line, number)


def json_list(path: Path) -> Iterator[Record]:
    """A file that is one list of objects."""
    value = json_file(path)
    if not isinstance(value, list):
        raise BenchmarkError(f"{path}: must be a list of objects, not {_shown(value)}")
    for number, entry in enumerate(value, 1):
        yield _record(path, f"entry {number}", entry)


def json_object(path: Path) -> Record:
    """A file that is one object."""
    return _record(path, "the whole file", json_file(path))


def json_file(path: Path) -> Any:
    with opened(path) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"{path}: is no valid JSON ({error}); fetch it again") from error


def json_stream(path: Path, field: str) -> Iterator[Record]:
    """The objects of one list in a large object, such as "images" in COCO metadata, without holding the file."""
    decoder, text, at, number = json.JSONDecoder(), "", 0, 0
    opening = re.compile(rf'"{re.escape(field)}"\s*:\s*\[')
    with opened(path) as file:
        while not (start := opening.search(text)):
            more = file.read(CHUNK)
            if not more:
                raise BenchmarkError(f"{path}: field {field!r} is missing; it must be a list of objects")
            text = text[-len(field) - 80 :] + more
        at = start.end()
        while True:
            at = cast("re.Match[str]", BETWEEN.match(text, at)).end()
            if text.startswith("]", at):
                return
            try:
                value, at = decoder.raw_decode(text, at)
            except ValueError as error:
                more = file.read(CHUNK)
                if not more or len(text) - at > 100 * CHUNK:
                    where = f"{path}, entry {number + 1} of {field!r}"
                    raise BenchmarkError(f"{where}: is no valid JSON ({error})") from error
                text, at = text[at:] + more, 0
                continue
            number += 1
            yield _record(path, f"entry {number} of {field!r}", value)


def csv_rows(path: Path, delimiter: str = ",", columns: Sequence[str] = ()) -> Iterator[Record]:
    """Rows of a table with a header, or of one without whose columns are given. Tab-separated text has no quotes."""
    plain = delimiter == "\t"
    with opened(path) as file:
        if plain:
            reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        else:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            header = list(columns) or next(reader, [])
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise BenchmarkError(
                        f"{path}, line {reader.line_num}: has {len(row)} fields, must have {len(header)}: "
                        + ", ".join(header)
                    )
                yield Record(path, f"line {reader.line_num}", dict(zip(header, row, strict=True)))
        except (csv.Error, UnicodeDecodeError) as error:
            raise BenchmarkError(f"{path}, line {reader.line_num + 1}: {error}") from error


def parquet_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[Record]:
    """Rows of a parquet file, a few hundred in memory at a time; `columns` leaves the others on disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found(path)
    try:
        file = pq.ParquetFile(path)
        missing = set(columns or ()) - set(file.schema_arrow.names)
        if missing:
            there = ", ".join(file.schema_arrow.names)
            raise BenchmarkError(f"{path}: field {min(missing)!r} is missing; there are: {there[:200]}")
        number = 0
        for batch in file.iter_batches(batch_size=256, columns=columns):
            for row in batch.to_pylist():
                number += 1
                yield Record(path, f"row {number}", row)
    except pa.ArrowException as error:
        raise BenchmarkError(f"{path}: is no valid parquet file ({error}); fetch it again") from error


def records(path: Path) -> Iterator[Record]:
    """Records of a file in whichever form it was released; also packed with gzip."""
    kinds: dict[str, Callable[[Path], Iterator[Record]]] = {
        ".jsonl": json_lines,
        ".json": json_list,
        ".csv": csv_rows,
        ".parquet": parquet_rows,
    }
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".tsv":
        return csv_rows(path, "\t")
    if suffix not in kinds:
        raise BenchmarkError(f"{path}: must be one of {', '.join(kinds)} or .tsv")
    return kinds[suffix](path)


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines without their ends, numbered from 1. Only line feeds end a line: captions hold other separators."""
    number = 0
    with opened(path) as file:
        try:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise BenchmarkError(f"{path}, line {number + 1}: is no UTF-8 text ({error}); fetch it again") from error


def opened(path: Path) -> IO[str]:
    """A text file, also packed with gzip, or alone in a zip archive."""
    if found(path).suffix == ".gz":
        return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8-sig", newline="\n"))
    if path.suffix == ".zip":
        try:
            archive = zipfile.ZipFile(path)
            (member,) = archive.namelist()
        except (zipfile.BadZipFile, ValueError) as error:
            raise BenchmarkError(f"{path}: must be a zip archive of one file ({error})") from error
        return io.TextIOWrapper(archive.open(member), encoding="utf-8-sig", newline="\n")
    return path.open(encoding="utf-8-sig", newline="\n")


def found(path: Path) -> Path:
    if not path.is_file():
        raise BenchmarkError(f"no file {path}: 'bowerbird benchmarks' says where the benchmark is had")
    return path


def first(folder: Path, *patterns: str) -> Path:
    """The first file that is there, of names or patterns that different releases use."""
    if not folder.is_dir():
        raise BenchmarkError(f"no folder {folder}: 'bowerbird benchmarks' says where the benchmark is had")
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return path
    raise BenchmarkError(f"no {' or '.join(patterns)} in {folder}: 'bowerbird benchmarks' says where it is had")


def _parsed(path: Path, line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path}, line {number}: is no valid JSON ({error})") from error


def _record(path: Path, place: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path}, {place}: must be an object with named fields, not {_shown(value)}")
    return Record(path, place, value)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."

"""Whatever is malformed is named by file, line and field."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmarks import lines, load, trec
from bowerbird.evaluate.benchmarks.lines import Record


def record(**values: object) -> Record:
    return Record(Path("f.json"), "entry 7", values)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: record(a="x").text("b"), "f.json, entry 7: field 'b' is missing; there are: a"),
        (lambda: record(a=[1]).text("a"), "field 'a' must be a string, not [1]"),
        (lambda: record(a=True).text("a"), "field 'a' must be a string, not True"),
        (lambda: record(a="x").number("a"), "field 'a' must be a finite number, not 'x'"),
        (lambda: record(a="nan").number("a"), "field 'a' must be a finite number"),
        (lambda: record(a=1.5).whole("a"), "field 'a' must be a whole number, not 1.5"),
        (lambda: record(a="x").texts("a"), "field 'a' must be a list, not 'x'"),
        (lambda: record(a=["x", None]).texts("a"), "field 'a.1' must be a string, not None"),
        (lambda: record(a=[1, 2]).numbers("a", 4), "field 'a' must be 4 numbers, not 2"),
        (lambda: record(a=[{}]).records("a")[0].text("b"), "field 'a.0.b' is missing"),
        (lambda: record(a="x").record("a"), "field 'a' must be an object, not 'x'"),
    ],
)
def test_a_wrong_field_is_named(ask: Callable[[], object], said: str) -> None:
    with pytest.raises(BenchmarkError) as error:
        ask()
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"x": 1}\n{"x": \n', "a.jsonl, line 2: is no valid JSON"),
        ("a.jsonl", '{"x": 1}\n\n[1]\n', "a.jsonl, line 3: must be an object with named fields, not [1]"),
        ("a.json", '{"x": 1}', "a.json: must be a list of objects"),
        ("a.json", '[{"x": 1}, 2]', "a.json, entry 2: must be an object"),
        ("a.json", "[" * 100_000, "a.json: is no valid JSON"),
        ("a.csv", "x,y\n1,2\n3\n", "a.csv, line 3: has 1 fields, must have 2: x, y"),
        ("a.csv", 'x,y\n1,"2\n', "a.csv, line 3: unexpected end of data"),
        ("a.tsv", "x\ty\n1\t2\t3\n", "a.tsv, line 2: has 3 fields, must have 2: x, y"),
        ("a.parquet", "no parquet", "a.parquet: is no valid parquet file"),
        ("a.xml", "<a/>", "a.xml: must be one of"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BenchmarkError) as error:
        list(lines.records(tmp_path / name))
    assert said in str(error.value)


def test_text_that_is_not_utf8_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"x": 1}\n{"x": "\xff"}\n')
    with pytest.raises(BenchmarkError, match=r"a\.jsonl, line [12]: is no UTF-8 text"):
        list(lines.json_lines(tmp_path / "a.jsonl"))


def test_a_cut_off_gzip_file_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(b"caption\n" * 10_000)
    (tmp_path / "a.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BenchmarkError, match="fetch it again"):
        list(lines.text_lines(tmp_path / "a.gz"))


def test_every_form_reads_the_same(tmp_path: Path) -> None:
    rows = [{"id": "1", "text": "a, b"}, {"id": "2", "text": 'c "d"'}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "a, b"}\n{"id": "2", "text": "c \\"d\\""}\n')
    (tmp_path / "a.json").write_text('[{"id": 1, "text": "a, b"}, {"id": "2", "text": "c \\"d\\""}]')
    (tmp_path / "a.csv").write_text('id,text\n1,"a, b"\n2,"c ""d"""\n')
    (tmp_path / "a.tsv").write_text('id\ttext\n1\ta, b\n2\tc "d"\n')
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes()))
    for name in ("a.parquet", "a.jsonl", "a.json", "a.csv", "a.tsv", "a.jsonl.gz"):
        read = [{field: row.text(field) for field in ("id", "text")} for row in lines.records(tmp_path / name)]
        assert read == rows, name


def test_a_list_in_a_large_object_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK", 16)
    entries = ", ".join(f'{{"id": {number}, "file_name": "{number:012d}.jpg"}}' for number in range(50))
    path = tmp_path / "coco.json"
    path.write_text(f'{{"info": {{"year": 2017}}, "images" : [{entries}], "categories": [{{"id": 1}}]}}')
    read = list(lines.json_stream(path, "images"))
    assert [row.whole("id") for row in read] == list(range(50))
    with pytest.raises(BenchmarkError, match="'photos' is missing"):
        list(lines.json_stream(path, "photos"))
    path.write_text('{"images": [{"id": 1}, {"id": ')
    with pytest.raises(BenchmarkError, match="entry 2 of 'images': is no valid JSON"):
        list(lines.json_stream(path, "images"))


def test_qrels_name_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "qrels.txt"
    for text, said in [
        ("1 0 a\n", "line 1: has 3 fields, must have 4"),
        ("1 0 a 1\n1 0 b x\n", "line 2: field 'gain' must be a finite number, not 'x'"),
        ("1 0 a 1\n1 0 a 2\n", "line 2: field 'gain' of 'a' for query '1' was 1, and is now 2"),
    ]:
        path.write_text(text)
        with pytest.raises(BenchmarkError) as error:
            trec.qrels(path)
        assert said in str(error.value)
    path.write_text("1 0 a 1\n1 0 a 1\n1 0 b -1\n")
    assert trec.qrels(path) == {"1": {"a": 1.0, "b": 0.0}}


def test_missing_files_and_unknown_names_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"no folder .*nowhere: 'bowerbird benchmarks' says where"):
        load("beir", tmp_path / "nowhere")
    with pytest.raises(BenchmarkError, match=r"no qrels/test\.tsv or qrels/test\.txt in"):
        load("beir", tmp_path)
    with pytest.raises(BenchmarkError, match="no benchmark 'bier'; there are: beir, trec"):
        load("bier", tmp_path)
    for part in ("../secret", "/etc/passwd", "**", "a[b"):
        with pytest.raises(BenchmarkError, match="cannot be the name of a file; circo has val, test"):
            load("circo", tmp_path, part)


def test_topics_are_read_in_all_their_forms(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(
        "<top>\n<num> Number: 301\n<title> International Organized\nCrime\n<desc> Description:\nIdentify.\n</top>\n"
        "<top>\n\n<num> Number: 302\n<title>\nPoliomyelitis\n\n<narr> Narrative: no\n</top>\n"
    )
    asked = trec.topics(tmp_path / "t.txt")
    assert {name: query.text for name, query in asked.items()} == {
        "301": "International Organized Crime",
        "302": "Poliomyelitis",
    }
    (tmp_path / "t.tsv").write_text("1\twhat\n1\twhy\n")
    with pytest.raises(BenchmarkError, match=r"t\.tsv, line 2: id '1' is there twice"):
        trec.topics(tmp_path / "t.tsv")
    (tmp_path / "t.tsv").write_text("1 what\n")
    with pytest.raises(BenchmarkError, match=r"t\.tsv, line 1: field 'query' is missing"):
        trec.topics(tmp_path / "t.tsv")

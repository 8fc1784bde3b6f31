"""The list of benchmarks: what the command line shows, what the guide shows, and what the loaders are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.benchmarks import cards, load
from bowerbird.evaluate.measures.registry import answer_measure, measure
from tests.shared import shared

ROOT = Path(__file__).resolve().parents[3]
GUIDE = ROOT / "docs" / "benchmark-sets.md"
JUDGED_BY_OTHERS = {"graded answer", "token recall"}
"""What is not computed here: a judge's grade, and the recall of tokens by the tokenizers of Dyn-VQA."""


def run(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bowerbird.cli", "benchmarks", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_guide_shows_what_the_command_prints() -> None:
    assert run("--markdown").strip() in GUIDE.read_text("utf8"), "bowerbird benchmarks --markdown has a newer table"


def test_every_card_has_a_loader_that_says_what_it_reads() -> None:
    for name, card in cards().items():
        assert card.name == name
        assert card.parts
        assert all((card.task, card.size, card.measures, card.licence, card.source)), name
        assert card.loader.__doc__, name


def test_measures_are_known_by_name() -> None:
    for card in cards().values():
        for name in set(card.measures) - JUDGED_BY_OTHERS:
            try:
                measure(name)
            except EvaluationError:
                answer_measure(name)


def test_loaders_import_nothing_heavy() -> None:
    code = (
        "import sys; from bowerbird.evaluate.benchmarks import cards; [card.loader for card in cards().values()]; "
        "print([name for name in ('torch', 'PIL', 'pandas', 'lance', 'onnxruntime') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_json_has_every_field_of_every_card() -> None:
    listed = json.loads(run("--json"))
    assert [entry["name"] for entry in listed] == list(cards())
    assert listed[0]["parts"] == ["test", "dev", "train"]
    assert "circo" in run()


def test_a_folder_is_checked(tmp_path: Path) -> None:
    cisi = str(shared("text/cisi"))
    assert "cisi: 76 queries, 3114 judgements, 1460 items; all there" in run("beir", cisi)
    assert json.loads(run("beir", cisi, "--json"))["items"] == 1460
    multi30k = str(shared("benchmarks/Multi30K"))
    said = run("multi30k", multi30k, "--part", "val.de", code=2)
    assert "1014 files are missing: " in said
    assert "Traceback" not in said
    assert "no folder" in run("circo", str(tmp_path / "nowhere"), code=2)
    assert "give the folder" in run("circo", code=2)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (['{"_id": "a", "text": "x"}', '{"_id": "a", "text": "y"}'], "1 items have the id of another: a"),
        (['{"_id": "c", "text": "x"}'], "1 items of the qrels are not in the corpus: a"),
    ],
)
def test_what_a_benchmark_lacks_is_named(tmp_path: Path, lines: list[str], said: str) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "what"}\n')
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    assert said in run("beir", str(tmp_path), code=2)


def test_a_long_document_keeps_its_id_and_has_passages(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n")
    (tmp_path / "queries.tsv").write_text("1\twhat\n")
    long = " ".join(f"Sentence number {number} is about bowerbirds." for number in range(200))
    (tmp_path / "corpus.tsv").write_text(f"a\t{long}\tA title\nb\tshort\t\n")
    items = list(load("beir", tmp_path).items())
    assert [(item.id, item.kind, item.parent) for item in items[:2]] == [
        ("a", "document", None),
        ("a#0", "passage", "a"),
    ]
    assert [(item.id, item.kind, item.parent) for item in items[-1:]] == [("b", "passage", None)]
    assert {item.locator.source for item in items} == {"a", "b"}

"""The command line, as people and programs use it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image as pil

BOWERBIRD = Path(sys.executable).with_name("bowerbird")
COMMANDS = [
    "add",
    "search",
    "ask",
    "list",
    "show",
    "remove",
    "stats",
    "doctor",
    "reembed",
    "export",
    "demo",
    "benchmarks",
    "papers",
    "reproduce",
    "serve",
    "mcp",
]
HEAVY = ["lance", "onnxruntime", "av", "PIL", "pyarrow", "pypdfium2", "torch", "numpy"]


def run(*words: str, cwd: Path | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(BOWERBIRD), *words], cwd=cwd, capture_output=True, text=True, timeout=240, check=False, encoding="utf8"
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    files = folder / "files"
    files.mkdir()
    (files / "hostile.html").write_text(
        "<title><script>alert(1)</script> &lt;img src=x onerror=alert(1)&gt;</title>"
        "<p>Salmon \x1b[31mswim upstream.</p>"
    )
    (files / "bower.txt").write_text("Bowerbirds collect blue things and lay them out.")
    (files / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    pil.new("RGB", (64, 48), "blue").save(files / "blue.png")
    run("add", "files", cwd=folder, code=1)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command: str) -> None:
    shown = run(command, "--help").stdout
    assert "Examples:" in shown
    assert f"bowerbird {command}" in shown


def test_help_and_import_load_nothing_heavy() -> None:
    code = f"import bowerbird, bowerbird.cli, sys; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_add_reports_failures_and_is_silent_on_a_pipe(here: Path) -> None:
    done = run("add", "files", cwd=here, code=1)
    assert done.stderr == ""
    assert "3 unchanged, 1 left out" in done.stdout
    assert "broken.pdf" in done.stdout
    report = json.loads(run("add", "files", "--json", cwd=here, code=1).stdout)
    assert report["unchanged"] == 3
    assert report["failed"][0]["source"] == "files/broken.pdf"
    assert report["failed"][0]["reason"]


def test_a_library_among_the_files_is_not_read(here: Path) -> None:
    report = json.loads(run("add", ".", "--json", cwd=here, code=1).stdout)
    assert not report["added"]
    assert [failed["source"] for failed in report["failed"]] == ["files/broken.pdf"]


def test_what_does_not_exist_is_said_once(here: Path) -> None:
    assert "nowhere: cannot be read: No such file" in run("add", "nowhere", cwd=here, code=1).stdout
    assert "nowhere" not in run("list", cwd=here).stdout


def test_an_interrupted_add_says_what_to_do(tmp_path: Path) -> None:
    for number in range(400):
        (tmp_path / f"{number}.txt").write_text(f"Salmon {number} swim upstream.\n\n" * 40)
    adding = subprocess.Popen([str(BOWERBIRD), "add", "."], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "library" / "library.json").exists():
        time.sleep(0.05)
    adding.send_signal(signal.SIGINT)
    assert adding.stderr is not None
    said = adding.stderr.read()
    assert adding.wait(60) == 130
    assert said == "interrupted: what was added stays; run the same command again to go on\n"


def test_members_that_were_skipped_are_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.writestr("good.txt", "Salmon swim upstream.")
        archive.writestr("broken.pdf", "%PDF-1.7 nothing else")
    report = json.loads(run("add", "box.zip", "--json", cwd=tmp_path).stdout)
    assert [skipped["source"] for skipped in report["skipped"]] == ["box.zip!/broken.pdf"]
    assert "broken PDF" in report["skipped"][0]["reason"]


def test_search_as_json(here: Path) -> None:
    found = json.loads(run("search", "what do bowerbirds collect?", "--json", "-k", "2", cwd=here).stdout)
    assert set(found) == {"query", "took_ms", "hits"}
    hit = found["hits"][0]
    assert set(hit) == {"rank", "score", "id", "modality", "source", "locator", "title", "snippet", "matched"}
    assert (hit["rank"], hit["modality"], hit["source"]) == (1, "text", "files/bower.txt")
    assert hit["locator"] == {"chars": [0, 48]}
    assert {"lexical", "text", "tokens"} <= set(hit["matched"])
    shown = json.loads(run("show", hit["id"], "--json", cwd=here).stdout)
    assert shown["text"] == "Bowerbirds collect blue things and lay them out."


def test_search_by_picture(here: Path) -> None:
    found = json.loads(run("search", "--image", "files/blue.png", "--json", cwd=here).stdout)
    assert found["hits"][0]["source"] == "files/blue.png"
    assert found["hits"][0]["modality"] == "image"


def test_ask_as_json(here: Path) -> None:
    answer = json.loads(run("ask", "What do bowerbirds collect?", "--json", cwd=here).stdout)
    assert set(answer) == {"answer", "supported", "citations", "model"}
    assert answer["supported"] is True
    assert answer["model"] is None
    assert answer["citations"][0]["n"] == 1
    refused = json.loads(run("ask", "Who won the war of the roses?", "--json", cwd=here, code=1).stdout)
    assert refused["supported"] is False


def test_terminal_output_has_no_control_characters(here: Path) -> None:
    shown = run("search", "salmon", cwd=here).stdout
    assert "swim upstream" in shown
    assert "\x1b[31m" not in shown


def test_page_escapes_what_files_say_and_asks_for_nothing(here: Path) -> None:
    run("search", "salmon <b>", "--html", "out.html", cwd=here)
    page = (here / "out.html").read_text("utf8")
    assert "<script" not in page
    assert "onerror=alert(1)>" not in page
    assert "salmon &lt;b&gt;" in page
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "x", "-l", "absent"], "no library in absent"),
        (["search", "x", "--where", "colour = 'red'"], "unknown field 'colour'"),
        (["show", "0000"], "no item '0000'"),
        (["ask", "x", "--chat", "http://localhost:1/v1"], "--model"),
        (["search"], "say what to look for"),
        (["search", "salmon", "--html", "absent/out.html"], "absent/out.html: No such file or directory"),
        (["export", "files/bower.txt/out"], "Not a directory"),
        (["doctor", "-l", "absent"], "no library in absent"),
        (["doctor", "--repair", "-l", "absent"], "no library in absent"),
        (["search", "x", "-k", "0"], "greater than"),
    ],
)
def test_wrong_use_is_one_clear_error(here: Path, words: list[str], message: str) -> None:
    done = run(*words, cwd=here, code=2)
    assert message in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_zeroed_table_is_named_and_repaired(here: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("Salmon swim.")
    run("add", "note.txt", cwd=tmp_path)
    data = next((tmp_path / "library" / "items.lance" / "data").glob("*.lance"))
    data.write_bytes(bytes(data.stat().st_size))
    for words in (["search", "salmon"], ["list"], ["add", "note.txt"]):
        done = run(*words, cwd=tmp_path, code=2)
        assert "doctor --verify --repair" in done.stderr
        assert "Traceback" not in done.stderr
    assert data.name in run("doctor", "--verify", cwd=tmp_path, code=1).stdout
    assert "repaired" in run("doctor", "--repair", cwd=tmp_path).stdout
    assert "note.txt" in run("search", "salmon", cwd=tmp_path).stdout


def test_list_stats_doctor_remove_export(here: Path) -> None:
    files = json.loads(run("list", "--json", cwd=here).stdout)
    assert [file["source"] for file in files["files"]] == ["files/blue.png", "files/bower.txt", "files/hostile.html"]
    assert files["failed"][0]["source"] == "files/broken.pdf"
    stats = json.loads(run("stats", "--json", cwd=here).stdout)
    assert stats["files"] == 3
    report = json.loads(run("doctor", "--verify", "--json", cwd=here).stdout)
    assert report["kernels"].startswith(("C, ", "numba", "numpy"))
    assert report["problems"] == []
    assert any("basic" in line for line in report["advice"])
    assert any("broken.pdf" in line for line in report["advice"])
    run("export", "out", cwd=here)
    assert (here / "out" / "items.jsonl").read_text("utf8").count("\n") == stats["items"]
    run("remove", "files/hostile.html", cwd=here)
    assert len(json.loads(run("list", "--json", cwd=here).stdout)["files"]) == 2
    run("remove", "files/hostile.html", cwd=here, code=1)

"""Every command and every piece of Python in the guides runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.serving import started

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
BOWERBIRD = Path(sys.executable).with_name("bowerbird")
ENVIRONMENT = {**os.environ, "PATH": f"{BOWERBIRD.parent}{os.pathsep}{os.environ['PATH']}"}
SERVERS = {"bowerbird serve": "http://127.0.0.1:8756", "bowerbird mcp": "http://127.0.0.1:8757"}
"""Commands that serve, and where."""
FILES = (
    "photos/photo-01.jpg photos/photo-02.jpg photos/photo-03.jpg photos/photo-13.jpg photos/photo-14.jpg "
    "mail/garden-club.eml mail/notes.zip tables/seattle-rain.xlsx drawings/drawing-03.svg slides/how-search-works.pptx"
).split()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some of the examples, where all guides run one after the other."""
    folder = tmp_path_factory.mktemp("docs")
    for name in FILES:
        (folder / "examples" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples" / name, folder / "examples" / name)
    (folder / "examples" / "papers").mkdir()
    (folder / "examples" / "papers" / "sign.txt").write_text("Sign a package with debsign and your private key.")
    return folder


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_commands_of_a_guide_run(guide: Path, place: Path) -> None:
    """A server that a guide starts runs to its end, on a free port in place of the usual one."""
    text = guide.read_text("utf8")
    blocks = BLOCK.findall(text)
    assert blocks or guide.name == "benchmarks.md", "a guide shows how it is done"
    if "\ncurl " in text and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    with ExitStack() as servers:
        urls: dict[str, str] = {}
        for language, code in blocks:
            for usual, url in urls.items():
                code = code.replace(usual, url)
            if language == "python":
                run([sys.executable, "-c", code], place)
                continue
            for line in code.strip().splitlines():
                command = ["sh", "-c", line.replace("bowerbird ", f"exec {BOWERBIRD} ", 1)]
                if usual := SERVERS.get(" ".join(line.split()[:2])):
                    command[-1] += " --port 0"
                    urls[usual] = servers.enter_context(started(command, place, ENVIRONMENT)).url
                else:
                    run(command, place, codes=(0, 1))


def run(command: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode in codes, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert '"type": "about:blank"' not in done.stdout, f"{command[-1]}\n{done.stdout}"  # a problem of the server


def test_links_between_guides_lead_somewhere() -> None:
    for guide in [*GUIDES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", guide.read_text("utf8")):
            assert (guide.parent / target).exists(), f"{guide.name}: {target}"

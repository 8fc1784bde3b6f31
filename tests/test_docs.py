"""Every command and every piece of Python in the guides runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
BOWERBIRD = Path(sys.executable).with_name("bowerbird")
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
    blocks = BLOCK.findall(guide.read_text("utf8"))
    assert blocks or guide.name == "benchmarks.md", "a guide shows how it is done"
    for language, code in blocks:
        if language == "python":
            run([sys.executable, "-c", code], place)
        else:
            for line in code.strip().splitlines():
                run(["sh", "-c", line.replace("bowerbird ", f"{BOWERBIRD} ", 1)], place, codes=(0, 1))


def run(command: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in codes, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_links_between_guides_lead_somewhere() -> None:
    for guide in [*GUIDES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", guide.read_text("utf8")):
            assert (guide.parent / target).exists(), f"{guide.name}: {target}"

"""Sections of guides that scripts write."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.report import machine, write_section

GUIDE = "before\n<!-- a:begin -->\nold\n<!-- a:end -->\nbetween\n<!-- b:begin -->\n<!-- b:end -->\nafter\n"


def test_only_the_named_section_changes(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(GUIDE, "utf8")
    write_section(path, "a", "new\n")
    assert path.read_text("utf8") == GUIDE.replace("old", "new")
    write_section(path, "a", "newer")
    assert "new\n" not in path.read_text("utf8")


@pytest.mark.parametrize("text", ["none", "<!-- a:end --> <!-- a:begin -->", GUIDE + "<!-- a:begin -->"])
def test_missing_or_doubled_marks_are_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "guide.md"
    path.write_text(text, "utf8")
    with pytest.raises(ValueError, match="a:begin"):
        write_section(path, "a", "new")
    assert path.read_text("utf8") == text


def test_the_machine_is_named() -> None:
    assert "cores" in machine()

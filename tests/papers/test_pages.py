"""Pages of papers: found by name, run by the command line, and their figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bowerbird import papers
from bowerbird.errors import BowerbirdError
from bowerbird.papers.measured import Measured, write
from bowerbird.papers.measured import _read as read
from bowerbird.papers.page import Check, Figure, Report, Run, certain
from bowerbird.papers.table import markdown


@pytest.mark.parametrize("name", papers.names())
def test_a_page_says_where_its_mechanism_lives(name: str) -> None:
    page = papers.load(name)
    assert page.name == name
    for place in page.lives:
        import_module(place)


def test_an_unknown_page_is_an_error_with_the_nearest_name() -> None:
    nearest = papers.names()[0]
    with pytest.raises(BowerbirdError, match=nearest):
        papers.load(nearest + "x")


def test_the_interval_of_a_figure_holds_its_mean_and_narrows_with_more_values() -> None:
    few = Figure.over("ours", "m", "R@1", [0.0, 1.0] * 10)
    many = Figure.over("ours", "m", "R@1", [0.0, 1.0] * 1000)
    assert few.low < few.value == 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    with pytest.raises(ValueError, match="no values"):
        Figure.over("ours", "m", "R@1", np.zeros(0))


def test_a_gain_is_certain_where_its_interval_is_above_zero() -> None:
    noise = np.random.default_rng(0).standard_normal(200)
    assert certain(noise + 0.5)
    assert not certain(noise - noise.mean())


def test_what_was_measured_can_be_written_and_read(tmp_path: Path) -> None:
    checks = (Check("it works", True), Check("compared by numpy", np.float64(1) > 2))
    report = Report("data", (Figure.of("ours", "m", "R@1", 0.5),), checks, ("a note",), 2.0)
    found = {papers.names()[0]: Measured(date(2026, 1, 2), report)}
    write(tmp_path / "m.json", found)
    assert read((tmp_path / "m.json").read_text("utf8")) == found
    table = markdown(found, {name: papers.load(name) for name in found})
    assert "2026-01-02" in table
    assert "| ours | m | R@1 | 0.500 |  |" in table


def test_absent_data_is_an_error_that_names_the_set(tmp_path: Path) -> None:
    with pytest.raises(BowerbirdError, match="text/none"):
        Run(tmp_path).folder("text/none")


def test_the_command_line_lists_pages_and_refuses_to_run_without_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bowerbird.cli"]
    shown = subprocess.run(
        [*command, "papers"], capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "100"}
    ).stdout
    assert max(map(len, shown.splitlines())) <= 100
    for page in map(papers.load, papers.names()):
        assert all(word in shown for word in (page.name, *page.title.split(), *page.adds.split(), *page.lives))
    listed = subprocess.run([*command, "papers", "--json"], capture_output=True, text=True, check=True)
    assert [page["name"] for page in json.loads(listed.stdout)] == papers.names()
    refused = subprocess.run([*command, "reproduce", papers.names()[0]], capture_output=True, text=True, cwd=tmp_path)
    assert refused.returncode == 2
    assert "--data" in refused.stderr


def test_pages_that_cannot_run_are_named_and_do_not_stop_the_others(tmp_path: Path) -> None:
    names = ["dbnorm", "weimocir"]
    command = [sys.executable, "-m", "bowerbird.cli", "reproduce", *names, "--data", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {}
    assert all(f"{name}: " in done.stderr for name in names)

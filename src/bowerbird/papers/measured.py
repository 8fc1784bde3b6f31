"""What the last runs of all pages measured: shipped beside the pages, written by `python -m benchmarks.papers`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from bowerbird.papers.page import Check, Figure, Report

FILE = "measured.json"


@dataclass(frozen=True)
class Measured:
    """A report and the day of its run."""

    day: date
    report: Report


def measured() -> dict[str, Measured]:
    """By name of the page, in the order of names; pages that were never run are absent."""
    path = files(__package__) / FILE
    return _read(path.read_text("utf8")) if path.is_file() else {}


def write(path: Path, found: Mapping[str, Measured]) -> None:
    entries = {name: {"day": one.day.isoformat(), **one.report.to_json()} for name, one in sorted(found.items())}
    path.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", "utf8")


def _read(text: str) -> dict[str, Measured]:
    entries: dict[str, dict[str, Any]] = json.loads(text)
    return {name: Measured(date.fromisoformat(one["day"]), report_of(one)) for name, one in entries.items()}


def report_of(entry: Mapping[str, Any]) -> Report:
    """What `Report.to_json` gave."""
    return Report(
        data=entry["data"],
        figures=tuple(Figure(**figure) for figure in entry["figures"]),
        checks=tuple(Check(**check) for check in entry["checks"]),
        notes=tuple(entry["notes"]),
        seconds=entry["seconds"],
    )

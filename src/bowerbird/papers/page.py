"""What a paper's page is, and what its reproduction reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import BowerbirdError
from bowerbird.evaluate.statistics import bootstrap

Part = Literal["baseline", "ours", "ablation"]


@dataclass(frozen=True)
class Figure:
    """One measured number. low, high: its 95 % bootstrap interval over queries; equal to it where there is none."""

    part: Part
    method: str
    measure: str
    value: float
    low: float
    high: float

    @classmethod
    def over(cls, part: Part, method: str, measure: str, values: Sequence[float] | NDArray[Any]) -> Figure:
        """From one value per query (or seed): the mean, and the percentile interval of resampled means."""
        sample = np.asarray(values, np.float64)
        if not len(sample):
            raise ValueError(f"no values of {measure!r} for {method!r}")
        low, high = bootstrap(sample[:, None])[:, 0]
        return cls(part, method, measure, float(sample.mean()), float(low), float(high))

    @classmethod
    def of(cls, part: Part, method: str, measure: str, value: float) -> Figure:
        """A number that is not a mean over queries, such as a skewness."""
        return cls(part, method, measure, float(value), float(value), float(value))


@dataclass(frozen=True)
class Check:
    """One thing the paper says, and whether it was seen here."""

    says: str
    seen: bool


def certain(gains: NDArray[Any]) -> bool:
    """Whether the 95 % bootstrap interval of the mean gain lies above zero; gains: one number per query."""
    return bool(bootstrap(np.asarray(gains, np.float64)[:, None])[0, 0] > 0)


@dataclass(frozen=True)
class Report:
    """What one reproduction measured. data: the sets it ran on, with their sizes. notes: what a reader must know."""

    data: str
    figures: tuple[Figure, ...]
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether everything that was to be seen was seen."""
        return all(check.seen for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        checks = [{"says": check.says, "seen": bool(check.seen)} for check in self.checks]  # some come from numpy
        return {"holds": self.holds, **asdict(self), "checks": checks}


@dataclass(frozen=True)
class Run:
    """What a reproduction is given. data: the folder of data sets. full: all queries and items, however long it takes.

    say: is told what is being done.
    """

    data: Path
    full: bool = False
    seed: int = 0
    say: Callable[[str], None] = field(default=lambda text: None)

    def folder(self, name: str) -> Path:
        """A data set's folder, such as 'images/flickr8k-ml'. Raises BowerbirdError where it is absent."""
        path = self.data / name
        if not path.is_dir():
            raise BowerbirdError(f"the data set {name!r} is not in {self.data}; see docs/papers.md for what goes there")
        return path


@dataclass(frozen=True)
class Page:
    """adds: what the paper brings, in one sentence. lives: the modules that hold the mechanism. claim: what it says.

    needs: extras that `reproduce` imports.
    """

    name: str
    title: str
    source: str
    adds: str
    claim: str
    lives: tuple[str, ...]
    reproduce: Callable[[Run], Report]
    data: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def reproduce(page: Page, run: Run) -> Report:
    """Run a page's experiment and note how long it took. Raises BowerbirdError where its data is absent."""
    for name in page.data:
        run.folder(name)
    started = time.perf_counter()
    report = page.reproduce(run)
    return Report(report.data, report.figures, report.checks, report.notes, time.perf_counter() - started)

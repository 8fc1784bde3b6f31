"""What an experiment found: values, intervals, tests, and the rankings they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bowerbird.errors import EvaluationError, MissingExtra
from bowerbird.evaluate import tables
from bowerbird.evaluate.benchmark import Benchmark
from bowerbird.evaluate.measures.registry import measure
from bowerbird.evaluate.runs import write_qrels, write_run
from bowerbird.evaluate.scoring import Evaluation
from bowerbird.ranking import Ranking, trec_word

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str]
"""Name of a system, name of a measure."""


@dataclass(frozen=True)
class System:
    """A pipeline that ran: its name, what it found, what that is worth, and the seconds for all queries."""

    name: str
    ranking: Ranking
    evaluation: Evaluation
    seconds: float

    @property
    def milliseconds(self) -> float:
        """Per query, when asked in batches."""
        return self.seconds * 1000 / max(len(self.ranking), 1)


@dataclass(frozen=True)
class Comparison:
    """A system against the baseline: mean difference, queries better and worse, p-values corrected by Holm."""

    difference: float
    better: int
    worse: int
    p_t: float
    p_randomisation: float


@dataclass(frozen=True)
class Results:
    """Prints as a table. low, high: 95 % bootstrap interval of a mean; measures of a whole run have none."""

    benchmark: Benchmark
    measures: tuple[str, ...]
    systems: tuple[System, ...]
    baseline: int | None
    seed: int
    low: Mapping[Key, float]
    high: Mapping[Key, float]
    comparisons: Mapping[Key, Comparison]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(system.name for system in self.systems)

    def __getitem__(self, key: Key) -> float:
        """results["BM25", "nDCG@10"]. Raises EvaluationError for unknown names."""
        name, wanted = key
        if wanted not in self.measures:
            raise EvaluationError(f"{wanted!r} was not measured; measured: {', '.join(self.measures)}")
        return self.system(name).evaluation[wanted]

    def system(self, name: str) -> System:
        """Raises EvaluationError for an unknown name."""
        if name not in self.names:
            raise EvaluationError(f"no system is called {name!r}; there are: {', '.join(self.names)}")
        return self.systems[self.names.index(name)]

    def best(self, name: str) -> str:
        """The system with the best value of a measure; the first one if they are equal."""
        sign = -1 if measure(name).lower_is_better else 1
        worth = {system: sign * self[system, name] for system in self.names}
        return max(self.names, key=lambda system: -math.inf if math.isnan(worth[system]) else worth[system])

    def deltas(self, name: str, system: str, against: str | None = None) -> dict[str, float]:
        """Per query, a system's value minus that of another, or of the baseline; largest gain first."""
        if against is None and self.baseline is None:
            raise EvaluationError("the experiment has no baseline; say against which system")
        other = self.system(against) if against is not None else self.systems[self.baseline or 0]
        mine = self.system(system).evaluation
        if name not in mine.per_query:
            raise EvaluationError(f"{name!r} has no value per query; those that do: {', '.join(mine.per_query)}")
        difference = (mine.per_query[name] - other.evaluation.per_query[name]).tolist()
        pairs = zip(mine.query_ids, difference, strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def write_runs(self, folder: str | Path) -> list[Path]:
        """One TREC run per system and qrels.txt, so that `trec_eval qrels.txt NAME.run` checks the table."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_qrels(folder / "qrels.txt", self.benchmark.qrels)
        paths = []
        for number, system in enumerate(self.systems, 1):
            short = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in system.name)[:80]
            paths.append(folder / f"{number}-{short}.run")
            write_run(paths[-1], system.ranking, list(self.benchmark.queries), trec_word(system.name))
        return paths

    def to_pandas(self) -> pd.DataFrame:
        """One row per system and measure: value, interval, and the comparison with the baseline.

        Raises MissingExtra without pandas.
        """
        return _frames().DataFrame([row for system in self.systems for row in self._rows(system)])

    def per_query(self) -> pd.DataFrame:
        """One row per query and measure, one column per system. Raises MissingExtra without pandas."""
        pandas = _frames()
        first = self.systems[0].evaluation
        parts = [
            pandas.DataFrame(
                {"query": first.query_ids, "measure": name}
                | {system.name: system.evaluation.per_query[name] for system in self.systems}
            )
            for name in first.per_query
        ]
        return pandas.concat(parts, ignore_index=True)

    def _rows(self, system: System) -> list[dict[str, Any]]:
        rows = []
        for name in self.measures:
            key = (system.name, name)
            row = {"system": system.name, "measure": name, "value": self[key]}
            row |= {"low": self.low.get(key), "high": self.high.get(key)}
            if key in self.comparisons:
                row |= vars(self.comparisons[key])
            rows.append(row | {"ms_per_query": system.milliseconds})
        return rows

    def to_markdown(self) -> str:
        """A table in Markdown; the best value of a column is bold."""
        return tables.markdown(self)

    def to_latex(self) -> str:
        """A table in LaTeX with booktabs; the best value of a column is bold."""
        return tables.latex(self)

    def to_html(self) -> str:
        """A table with a small bar and the interval behind every value; needs no other file."""
        return tables.html(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        return tables.rich(self)

    def __str__(self) -> str:
        return tables.text(self)


def _frames() -> Any:
    try:
        import pandas
    except ImportError:
        raise MissingExtra("evaluate", "data frames") from None
    return pandas

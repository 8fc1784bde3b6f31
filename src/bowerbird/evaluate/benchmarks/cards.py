"""The benchmarks that can be read: what each is, and where its files are had. Bowerbird downloads none of them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from bowerbird.errors import BenchmarkError
from bowerbird.evaluate.benchmark import Benchmark


@dataclass(frozen=True)
class Card:
    """A benchmark as its paper describes it; they are kept in cards.toml.

    measures: what the paper reports, the main one first.
    source: where the files are had, in words.
    parts: what may be asked for as part: splits, languages, settings, or examples of them; the first is the default.
    load: the loader, 'module:function', imported when it is needed.
    """

    name: str
    task: str
    size: str
    measures: tuple[str, ...]
    licence: str
    source: str
    parts: tuple[str, ...]
    load: str

    @property
    def loader(self) -> Callable[[Path, str], Benchmark]:
        """Reads a folder of the published files; its docstring says which, and what a part is."""
        module, function = self.load.split(":")
        loader: Callable[[Path, str], Benchmark] = getattr(import_module(f"{__package__}.{module}"), function)
        return loader


@cache
def cards() -> dict[str, Card]:
    """All benchmarks by name."""
    text = files(__package__).joinpath("cards.toml").read_text("utf8")
    found = {}
    for entry in tomllib.loads(text)["card"]:
        lists = {"measures": tuple(entry["measures"]), "parts": tuple(entry["parts"])}
        found[entry["name"]] = Card(**(entry | lists))
    return found


def load(name: str, folder: str | Path, part: str = "") -> Benchmark:
    """Read a benchmark from a folder of its published files. Media are not opened, the corpus is not read.

    part: a split, language or setting; the default is the first that 'bowerbird benchmarks --json' lists.
    Raises BenchmarkError, which names the file, the line and the field.
    """
    if name not in cards():
        raise BenchmarkError(f"no benchmark {name!r}; there are: {', '.join(cards())}")
    if not re.fullmatch(r"([\w .-]+(/[\w.-]+)*)?", part) or ".." in part:
        raise BenchmarkError(f"part {part!r} cannot be the name of a file; {name} has {', '.join(cards()[name].parts)}")
    card = cards()[name]
    return card.loader(Path(folder), part or card.parts[0])

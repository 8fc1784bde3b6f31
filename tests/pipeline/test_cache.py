"""Remembered results: what they are keyed by, what they hold, and many writers at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

import bowerbird as bb
from bowerbird.encoders import load
from bowerbird.errors import PipelineError
from bowerbird.pipeline.cache import key_of
from bowerbird.pipeline.identity import identity, query_identity
from bowerbird.pipeline.scorers import EncoderScorer
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking

ROOT = Path(__file__).resolve().parents[2]
ASKED: list[str] = []


@dataclass(frozen=True)
class Letters(Stage):
    """Finds the letters of a query, and notes that it was asked."""

    weight: float = 1.0

    def run(self, ranking: Ranking) -> Ranking:
        ASKED.extend(query.text for query in ranking.queries)
        return Ranking.from_scores(
            ranking.queries,
            [{letter: self.weight * query.text.count(letter) for letter in query.text} for query in ranking.queries],
        )

    @property
    def gives(self) -> Names:
        return frozenset({"hits"})


def asked(stage: Stage, queries: Any) -> list[str]:
    """What a pipeline had to run for."""
    ASKED.clear()
    stage(queries)
    return list(ASKED)


def test_only_new_queries_are_run(tmp_path: Path) -> None:
    stage = bb.cached(Letters(), tmp_path / "cache" / "results.db")
    assert asked(stage, ["apple", "pear", "apple"]) == ["apple", "pear"]
    assert asked(stage, ["plum", "pear"]) == ["plum"]
    plain = Letters()(["pear", "apple", "plum"])
    again = stage(["pear", "apple", "plum"])
    assert [again.hits(n) for n in range(3)] == [plain.hits(n) for n in range(3)]
    assert asked(bb.cached(Letters(2.0), tmp_path / "cache" / "results.db"), ["pear"]) == ["pear"]


def test_a_changed_library_is_searched_anew(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields={"text": "e5"})
    add(library, "oak", "An old oak by the river.")
    stage = bb.cached(bb.Lexical(library) | bb.Dense(library, "text"), tmp_path / "results.db")
    first, second = stage(["river oak"]), stage(["river oak"])
    assert first.hits(0) == second.hits(0)
    assert dict(second.matched).keys() == {"lexical", "text"}
    assert second.store is not None
    assert (stage >> bb.LateInteraction(library) >> bb.Group(library))(["river oak"]).hits(0)[0][0] == "oak"
    add(library, "elm", "An elm by the river.")
    assert {name for name, _ in stage(["river oak"]).hits(0)} == {"oak", "elm"}


def test_hits_that_are_remembered_are_looked_up_in_their_library_also_under_a_profile(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields={"text": "e5"})
    add(library, "oak", "An old oak by the river.")
    judge = EncoderScorer(load("e5"))
    pipeline = bb.cached(bb.Lexical(library) % 5, tmp_path / "results.db") >> bb.Rerank(judge)
    assert [timing.hits for timing in pipeline.profile(["river"]).timings][-1] == 1


def test_what_a_library_holds_counts_for_stages_that_look_hits_up_in_it(tmp_path: Path) -> None:
    library, judge = bb.open(tmp_path / "library", fields={"text": "e5"}), EncoderScorer(load("e5"))
    add(library, "oak", "An old oak by the river.")
    before = library.snapshot()
    add(library, "oak", "A book about oaks.")
    after = library.snapshot()
    assert identity(bb.Rerank(judge, before)) != identity(bb.Rerank(judge, after))
    found = Ranking.from_scores(["river"], [{"oak": 1.0}])
    keys = {key_of("p", replace(found, store=store), 0) for store in (before, after, None)}
    assert len(keys) == 3


def add(library: bb.Library, name: str, text: str) -> None:
    library.add_items([bb.Item(name, "passage", (bb.Text(text),), bb.Locator(name))])


def test_pictures_count_by_their_bytes(tmp_path: Path) -> None:
    one, two = ROOT / "examples/photos/photo-01.jpg", ROOT / "examples/photos/photo-02.jpg"
    copyfile(one, tmp_path / "copy.jpg")
    name = [query_identity(bb.Query.of(bb.Image(source))) for source in
            (str(one), str(tmp_path / "copy.jpg"), one.read_bytes(), str(two))]  # fmt: skip
    assert name[0] == name[1] == name[2] != name[3]
    with pytest.raises(PipelineError, match=r"cannot read 'gone\.jpg' of a query"):
        query_identity(bb.Query.of(bb.Image("gone.jpg")))


def test_rewritten_queries_are_remembered(tmp_path: Path) -> None:
    photo = bb.Image(str(ROOT / "examples/photos/photo-01.jpg"))
    stage = bb.cached(bb.Rewrite(shout), tmp_path / "results.db")
    for _ in range(2):
        assert stage([[photo, "a dog"]]).queries[0].parts == (photo, bb.Text("A DOG"))


def shout(query: bb.Query) -> list[Any]:
    return [part for part in query.parts if isinstance(part, bb.Image)] + [query.text.upper()]


def test_functions_are_told_apart_by_what_they_do() -> None:
    def adding(word: str) -> Any:
        return lambda query: f"{query.text} {word}"

    assert identity(bb.Rewrite(adding("boat"))) == identity(bb.Rewrite(adding("boat")))
    assert identity(bb.Rewrite(adding("boat"))) != identity(bb.Rewrite(adding("ship")))
    with pytest.raises(PipelineError, match=r"cannot tell one .*Callable.* from another"):
        identity(bb.Rewrite(Callable()))


class Callable:
    def __call__(self, query: bb.Query) -> bb.Query:
        return query


def test_damage_is_repaired_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    stage = bb.cached(Letters(), path)
    stage(["pear"])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE results SET result = substr(result, 1, length(result) - 9)")
    assert asked(stage, ["pear"]) == ["pear"]
    assert asked(stage, ["pear"]) == []
    (tmp_path / "notes.txt").write_text("these are notes and no database, long enough to be read as one " * 20)
    with pytest.raises(PipelineError, match=r"notes\.txt cannot be used as a cache"):
        bb.cached(Letters(), tmp_path / "notes.txt")(["pear"])


def test_answers_are_not_cached(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields={"text": "e5"})
    add(library, "oak", "An old oak by the river.")
    with pytest.raises(PipelineError, match="remembers rankings, not answers"):
        bb.cached(bb.Lexical(library) >> bb.Answer(), tmp_path / "results.db")(["oak"])


WRITER = """
import sys, bowerbird as bb
from tests.pipeline.test_cache import Letters
stage = bb.cached(Letters(), sys.argv[1])
for number in range(int(sys.argv[2]), 60, 3):
    queries = [f"{word} {number % 20}" for word in ("pear", "plum", "fig")]
    assert stage(queries).hits(1) == Letters()(queries).hits(1)
"""


def test_many_writers_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "results.db"
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, str(n)], cwd=ROOT, stderr=subprocess.PIPE) for n in range(3)]
    for writer in writers:
        errors = writer.communicate(timeout=120)[1]
        assert writer.returncode == 0, errors.decode()
    assert asked(bb.cached(Letters(), path), [f"pear {number}" for number in range(20)]) == []

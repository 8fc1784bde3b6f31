"""Operators: how pipelines read, what they compute, and what is refused before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.errors import PipelineError
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.stage import Names, Stage
from bowerbird.ranking import Ranking
from tests.pipeline.found import Found

QUERIES = ("first", "second")


@dataclass(frozen=True)
class Pictured(Stage):
    """Wants a picture in every query."""

    def run(self, ranking: Ranking) -> Ranking:
        return ranking

    @property
    def needs(self) -> Names:
        return frozenset({"image"})


def found(name: str, *hits: dict[str, float]) -> Found:
    return Found(Ranking.from_scores(QUERIES, hits), name)


A = found("a", {"x": 3.0, "y": 2.0, "z": 1.0}, {"x": 1.0})
B = found("b", {"y": 4.0, "w": 0.5}, {})
C = found("c", {}, {"v": 1.0})


@pytest.mark.parametrize(
    "expression",
    [
        "a >> b % 10",
        "(a >> b) % 10",
        "2 * a % 5",
        "2 * (a % 5)",
        "0.7 * a + 0.3 * b",
        "(a + b) % 10 >> c % 3",
        "a | b & c",
        "(a | b) & c",
        "a >> b | c",
        "a >> (b | c)",
        "2 * (a + b) + c",
        "a % 10 % 3",
        "rrf(a, b % 5, c) % 200",
        "rrf(a, b, k=10)",
        "comb('mnz', a, b) >> c",
        "-1 * a + b",
    ],
)
def test_a_pipeline_prints_as_the_expression_that_makes_it(expression: str) -> None:
    names = {"a": A, "b": B, "c": C, "rrf": bb.rrf, "comb": bb.comb}
    pipeline = eval(expression, names)
    assert repr(pipeline) == expression
    assert eval(repr(pipeline), names) == pipeline


def test_chains_are_flat() -> None:
    assert repr((A >> B) >> C) == repr(A >> (B >> C)) == "a >> b >> c"
    assert (A + (B + C)) == ((A + B) + C)


def test_weighted_sum() -> None:
    both = (0.5 * A + 2 * B)(QUERIES)
    assert both.hits(0) == [("y", 9.0), ("x", 1.5), ("w", 1.0), ("z", 0.5)]
    assert both.hits(1) == [("x", 0.5)]
    assert (A * -1)(QUERIES).hits(0) == [("z", -1.0), ("y", -2.0), ("x", -3.0)]


def test_union_and_intersection_add_scores() -> None:
    assert (A | B)(QUERIES).hits(0) == [("y", 6.0), ("x", 3.0), ("z", 1.0), ("w", 0.5)]
    assert (A & B)(QUERIES).hits(0) == [("y", 6.0)]
    assert (A & B)(QUERIES).hits(1) == []


def test_reciprocal_rank_fusion() -> None:
    fused = bb.rrf(A, B, k=1)(QUERIES)
    assert dict(fused.hits(0)) == pytest.approx({"y": 1 / 3 + 1 / 2, "x": 1 / 2, "w": 1 / 3, "z": 1 / 4})
    assert [name for name, _ in fused.hits(0)] == ["y", "x", "w", "z"]


def test_places_outlive_fusion() -> None:
    grouped = Ranking.from_hits(
        [bb.Query.of("q")],
        np.zeros(2, np.int64),
        np.array(["page-1", "page-2"], object),
        np.ones(2, np.float32),
        places=np.array(["passage-7", "passage-8"], object),
    )
    plain = Ranking.from_scores(["q"], [{"page-2": 5.0, "page-3": 1.0}])
    both = (Found(plain) | Found(grouped))(["q"])
    assert both.places is not None
    assert dict(zip(both.ids, both.places, strict=True)) == {
        "page-1": "passage-7", "page-2": "page-2", "page-3": "page-3",
    }  # fmt: skip


def test_what_cannot_be_composed_is_refused() -> None:
    with pytest.raises(PipelineError, match=r"a cut keeps one or more hits, got a % 0"):
        A % 0
    with pytest.raises(PipelineError, match="a weight is a finite number, got nan for a"):
        float("nan") * A
    with pytest.raises(PipelineError, match="rrf needs stages to fuse"):
        bb.rrf()
    with pytest.raises(PipelineError, match=r"rrf fuses stages, got list: write rrf\(a, b\)"):
        bb.rrf([A, B])  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=r"unknown rule 'sum': .* for sums write a \+ b"):
        bb.comb("sum", A, B)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        A >> 3  # type: ignore[operator]
    with pytest.raises(PipelineError, match="a pipeline takes a batch of queries: put a single one in a list"):
        A("first")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bb.Library:
    library = bb.open(tmp_path_factory.mktemp("algebra") / "library", fields={"text": "e5"})
    library.add_items([passage("oak", "An old oak stands by the river.")])
    return library


def passage(name: str, text: str) -> bb.Item:
    return bb.Item(name, "passage", (bb.Text(text),), bb.Locator(name))


def test_stages_of_a_library_see_what_is_added_and_those_of_a_snapshot_do_not(library: bb.Library) -> None:
    then = library.snapshot()
    living, frozen = bb.Lexical(library) | bb.Dense(library, "text"), bb.Lexical(then) | bb.Dense(then, "text")
    library.add_items([passage("elm", "An elm by the river.")])
    assert {name for name, _ in living(["elm by the river"]).hits(0)} == {"oak", "elm"}
    assert {name for name, _ in frozen(["elm by the river"]).hits(0)} == {"oak"}


def test_what_a_stage_needs_is_checked_before_the_first_query(library: bb.Library) -> None:
    with pytest.raises(PipelineError, match=r"LateInteraction needs hits, and nothing before it gives them: put a"):
        bb.check(bb.LateInteraction(library), ["river"])
    with pytest.raises(PipelineError, match=r"Dense\('image'\) needs the field 'image': .* has field 'text'"):
        bb.check(bb.Lexical(library) | bb.Dense(library, "image"), ["river"])
    with pytest.raises(PipelineError, match="stages search a library or a snapshot, got str"):
        bb.check(bb.Lexical("library"), ["river"])  # type: ignore[arg-type]
    bb.check(bb.Lexical(library) >> bb.LateInteraction(library) >> bb.Group(library), ["river"])


def test_stages_show_settings_that_are_not_the_usual_ones(library: bb.Library) -> None:
    shown = bb.Lexical(library, k=50) | bb.Dense(library, "text", 10) >> bb.LateInteraction(library, depth=5)
    assert repr(shown) == "Lexical(k=50) | Dense('text', k=10) >> LateInteraction(depth=5)"


def test_late_interaction_wants_a_field_with_token_vectors(tmp_path: Path) -> None:
    photo = bb.Image(str(Path(__file__).parents[2] / "examples/photos/photo-01.jpg"))
    library = bb.open(tmp_path / "library", fields={"image": "lite"})
    library.add_items([bb.Item("photo", "image", (photo,), bb.Locator("photo"))])
    assert len(default_pipeline(library.snapshot())(["a dog"]).hits(0)) == 1
    with pytest.raises(PipelineError, match="field 'image' has no token vectors"):
        (bb.Dense(library, "image") >> bb.LateInteraction(library, field="image"))(["a dog"])


def test_a_function_that_rewrites_may_add_what_later_stages_need(library: bb.Library) -> None:
    photo = bb.Image(str(Path(__file__).parents[2] / "examples/photos/photo-01.jpg"))
    bb.check(bb.Rewrite(lambda query: [photo, query.text]) >> Pictured(), ["river"])
    with pytest.raises(PipelineError, match="needs image"):
        bb.check(Pictured(), ["river"])


def test_one_branch_that_gives_no_hits_is_found(library: bb.Library) -> None:
    with pytest.raises(PipelineError, match="needs hits"):
        bb.check((bb.Lexical(library) | bb.Group(library)) >> bb.LateInteraction(library), ["river"])


def test_hits_of_another_library_are_refused_by_name(library: bb.Library) -> None:
    foreign = Found(Ranking.from_scores(["river"], [{"oak": 2.0, "ghost": 1.0}]))
    with pytest.raises(PipelineError, match=r"LateInteraction was given 1 hits .* such as 'ghost'"):
        (foreign >> bb.LateInteraction(library))(["river"])
    with pytest.raises(PipelineError, match=r"Group\('page'\) was given 1 hits"):
        (foreign >> bb.Group(library))(["river"])


def test_pictures_and_words_in_one_batch(library: bb.Library) -> None:
    photo = bb.Image(str(Path(__file__).parents[2] / "examples/photos/photo-01.jpg"))
    ranking = (bb.Lexical(library) | bb.Dense(library, "text"))([photo, "river", [photo, "river"]])
    assert [len(ranking.hits(number)) > 0 for number in range(3)] == [False, True, False]

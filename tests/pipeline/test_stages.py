"""Pipelines as expressions over a small library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bowerbird as bb
from bowerbird.collection.snapshot import Snapshot
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.group import Group
from bowerbird.pipeline.late import LateInteraction, MaxSim
from bowerbird.pipeline.media import expand
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.ranking import Ranking
from tests.encoders import tiny_models

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = {
    "heart": "The heart has four chambers and pumps blood through the body.",
    "bridge": "The old stone bridge was built between 1351 and 1358.",
    "loan": "The library lends up to ten books for two weeks.",
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    library = bb.open(tmp_path_factory.mktemp("pipeline") / "library", fields={"text": "e5"})
    page = bb.Item("page-1", "page", (bb.Text(TEXTS["bridge"]),), bb.Locator("guide"), parent="guide")
    library.add_items(
        [
            bb.Item("guide", "document", (), bb.Locator("guide"), title="A guide"),
            page,
            bb.Item("bridge", "passage", (bb.Text(TEXTS["bridge"]),), bb.Locator("guide", page=1), parent="page-1"),
            bb.Item(
                "bridge-2", "passage", (bb.Text("A bridge of stone."),), bb.Locator("guide", page=1), parent="page-1"
            ),
            *(bb.Item(name, "passage", (bb.Text(TEXTS[name]),), bb.Locator(name)) for name in ("heart", "loan")),
        ]
    )
    return library.collection.snapshot()


def ask(*texts: str) -> Ranking:
    return Ranking.empty([bb.Query.of(text) for text in texts])


def names(ranking: Ranking, query: int = 0) -> list[str]:
    return [name for name, _ in ranking.hits(query)]


def test_stages_print_as_expressions(snapshot: Snapshot) -> None:
    pipeline = (0.5 * Lexical(snapshot) | Dense(snapshot, "text")) % 7 >> LateInteraction(snapshot) >> Group(snapshot)
    expected = "(0.5 * Lexical | Dense('text')) % 7 >> LateInteraction >> Group('page')"
    assert repr(pipeline) == expected


def test_every_source_finds_what_it_can(snapshot: Snapshot) -> None:
    queries = ask("stone bridge", "Wie viele Bücher darf man ausleihen?")
    assert names(Lexical(snapshot)(queries))[0] in ("bridge", "bridge-2")
    assert names(Lexical(snapshot)(queries), 1) == []
    assert names(Dense(snapshot, "text")(queries), 1)[0] == "loan"
    reranked = (Dense(snapshot, "text") >> LateInteraction(snapshot))(queries)
    assert names(reranked, 1)[0] == "loan"
    assert "tokens" in reranked.matched


def test_operators(snapshot: Snapshot) -> None:
    words, meaning = Lexical(snapshot), Dense(snapshot, "text")
    queries = ask("stone bridge")
    assert set(names((words & meaning)(queries))) == set(names(words(queries)))
    assert set(names((words | meaning)(queries))) == set(names(meaning(queries)))
    assert names((meaning % 1)(queries)) == names(meaning(queries))[:1]
    doubled = (2 * words)(queries)
    assert doubled.scores.tolist() == pytest.approx((2 * words(queries).scores).tolist())


def test_groups_show_a_page_once_and_remember_the_place(snapshot: Snapshot) -> None:
    ranking = default_pipeline(snapshot)(ask("When was the stone bridge built?"))
    assert names(ranking)[0] == "page-1"
    assert names(ranking).count("page-1") == 1
    assert ranking.places is not None
    assert ranking.places[0] == "bridge"
    whole = default_pipeline(snapshot, "document")(ask("When was the stone bridge built?"))
    assert names(whole)[0] == "guide"


def test_batches_give_what_single_queries_give(snapshot: Snapshot) -> None:
    texts = ["stone bridge", "how many chambers?", "borrow books"]
    together = default_pipeline(snapshot)(ask(*texts))
    for number, text in enumerate(texts):
        assert names(together, number) == names(default_pipeline(snapshot)(ask(text)))


def test_words_that_go_with_a_picture_do_not_search_text(snapshot: Snapshot) -> None:
    picture = bb.Image(str(EXAMPLES / "photos/photo-01.jpg"))
    query = Ranking.empty([bb.Query.of([picture, "stone bridge"])])
    assert names(default_pipeline(snapshot)(query)) == []


def test_a_sound_without_words_says_what_to_do(tmp_path: Path) -> None:
    sound = EXAMPLES / "sounds/bell.oga"
    with pytest.raises(bb.BowerbirdError, match=r"no words were recognised in bell\.oga"):
        expand(bb.Query.of(bb.Audio(str(sound))), frozenset({"text"}))


def test_a_film_is_asked_by_its_key_frames() -> None:
    film = EXAMPLES / "video/big-buck-bunny.webm"
    query = expand(bb.Query.of(bb.Video(str(film), 16.0, 20.0)), frozenset({"text", "image"}))
    assert sum(isinstance(part, bb.Image) for part in query.parts) == 1


def test_a_field_with_token_vectors_only_is_searched_by_them(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    library = bb.open(tmp_path / "library", fields={"pages": f"colpali:{tiny_models.colpali(tmp_path / 'model')}"})
    library.add(*(EXAMPLES / "photos" / f"photo-{number:02}.jpg" for number in range(1, 5)))
    snapshot = library.snapshot()
    assert "MaxSim('pages')" in repr(default_pipeline(snapshot))
    photos = [item for item in snapshot.items(np.arange(len(snapshot))) if item.kind == "image"]
    for photo, other in zip(photos, photos[1:] + photos[:1], strict=True):
        asked = bb.Query.of(bb.Image(str(EXAMPLES / "photos" / Path(photo.locator.source).name)))
        assert names(default_pipeline(snapshot)(Ranking.empty([asked])))[0] == photo.id
        where = replace(asked, where=f"source = '{other.locator.source}'")
        assert names(MaxSim(snapshot, "pages")(Ranking.empty([where]))) == [other.id]
    assert len(names(MaxSim(snapshot, "pages", k=2)(Ranking.empty([asked])))) == 2

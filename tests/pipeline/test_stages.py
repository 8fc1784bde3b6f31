"""Pipelines as expressions over a small library."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

import bowerbird as bb
from bowerbird import encoders
from bowerbird.collection.snapshot import Snapshot
from bowerbird.embeddings import Embedding
from bowerbird.encoders import load
from bowerbird.encoders.base import EncoderId
from bowerbird.items import Parts
from bowerbird.pipeline.default import default_pipeline
from bowerbird.pipeline.group import Group
from bowerbird.pipeline.late import LateInteraction, MaxSim
from bowerbird.pipeline.media import expand
from bowerbird.pipeline.retrieve import Dense, Lexical
from bowerbird.ranking import Ranking

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
    picture = bb.Image(str(Path(__file__).parents[2] / "examples/photos/photo-01.jpg"))
    query = Ranking.empty([bb.Query.of([picture, "stone bridge"])])
    assert names(default_pipeline(snapshot)(query)) == []


def test_a_sound_without_words_says_what_to_do(tmp_path: Path) -> None:
    sound = Path(__file__).parents[2] / "examples/sounds/bell.oga"
    with pytest.raises(bb.BowerbirdError, match=r"no words were recognised in bell\.oga"):
        expand(bb.Query.of(bb.Audio(str(sound))), frozenset({"text"}))


def test_a_film_is_asked_by_its_key_frames() -> None:
    film = Path(__file__).parents[2] / "examples/video/big-buck-bunny.webm"
    query = expand(bb.Query.of(bb.Video(str(film), 16.0, 20.0)), frozenset({"text", "image"}))
    assert sum(isinstance(part, bb.Image) for part in query.parts) == 1


class TokensOnly:
    """e5 without its pooled vectors, as encoders of late interaction are."""

    inputs: frozenset[str] = frozenset({"text"})
    dim = 384
    id = EncoderId("tokens-only", "0")

    def encode_items(self, batch: Sequence[Parts]) -> Embedding:
        return Embedding(None, load("e5").encode_items(batch).tokens)

    def encode_queries(self, batch: Sequence[Parts]) -> Embedding:
        return Embedding(None, load("e5").encode_queries(batch).tokens)


def test_a_field_with_token_vectors_only_is_searched_by_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tokens_only")
    module.load = lambda argument: TokensOnly()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tokens_only", module)
    monkeypatch.setitem(encoders._FAMILIES, "tokens-only", "tokens_only")
    library = bb.open(tmp_path / "library", fields={"pages": "tokens-only"})
    library.add_items(bb.Item(name, "passage", (bb.Text(text),), bb.Locator(name)) for name, text in TEXTS.items())
    found = default_pipeline(library.snapshot())(ask("Wie viele Bücher darf man ausleihen?"))
    assert "MaxSim('pages')" in repr(default_pipeline(library.snapshot()))
    assert names(found)[0] == "loan"
    assert len(names(MaxSim(library.snapshot(), "pages", k=2)(ask("stone bridge")))) == 2
    where = bb.Query.of("bridge", where="source = 'heart'")
    assert names(MaxSim(library.snapshot(), "pages")(Ranking.empty([where]))) == ["heart"]

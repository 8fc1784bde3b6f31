"""Stages that change queries, drop hits, judge pairs and answer, over a small library with real models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bowerbird as bb
from bowerbird import encoders
from bowerbird.chat import Message
from bowerbird.errors import PipelineError
from bowerbird.pipeline.generate import Answered
from bowerbird.pipeline.scorers import CrossEncoderScorer, EncoderScorer, GradeJudge, YesNoJudge, fit_logistic
from bowerbird.ranking import Ranking
from tests.chat import tiny_model
from tests.encoders import tiny_models
from tests.pipeline.found import Found

PHOTO = bb.Image(str(Path(__file__).parents[2] / "examples/photos/photo-01.jpg"))
TEXTS = {
    "oak": "An old oak stands by the river.",
    "loan": "The library lends up to ten books for two weeks.",
    "heart": "The heart has four chambers and pumps blood.",
}


def item(name: str) -> bb.Item:
    return bb.Item(name, "passage", (bb.Text(TEXTS[name]),), bb.Locator(f"{name}.txt"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bb.Library:
    library = bb.open(tmp_path_factory.mktemp("rerank") / "library", fields={"text": "e5"})
    library.add_items([item(name) for name in TEXTS])
    return library


@pytest.mark.parametrize("similarity", ["cosine", "maxsim"])
def test_an_encoder_judges_and_is_calibrated(library: bb.Library, similarity: Any) -> None:
    queries = [bb.Query.of(words) for words in ("tree at the water", "borrow books", "how many chambers?")]
    pairs = [(query, item(name)) for query in queries for name in TEXTS]
    relevant = np.eye(3, dtype=bool).ravel()
    scorer = EncoderScorer(encoders.load("e5"), similarity).calibrated(pairs, relevant)
    scores = scorer.score(pairs)
    assert scores[relevant].min() > scores[~relevant].max()
    ranking = (bb.Dense(library, "text") >> bb.Rerank(scorer) % 1)(queries)
    assert list(ranking.ids) == list(TEXTS)
    assert ranking.matched[similarity].tolist() == pytest.approx(scores[relevant].tolist(), abs=1e-5)
    assert scorer.score([]).shape == (0,)


def test_calibration_finds_the_curve_that_made_the_labels() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=20_000)
    labels = random.random(20_000) < 1 / (1 + np.exp(-(2.0 * scores - 1.0)))
    found = fit_logistic(scores, labels)
    assert (found.slope, found.bias) == pytest.approx((2.0, -1.0), abs=0.1)
    separated = fit_logistic([0.1, 0.2, 0.8, 0.9], [False, False, True, True])
    assert 0 < separated([0.1])[0] < 0.5 < separated([0.9])[0] < 1
    with pytest.raises(PipelineError, match="needs relevant and other pairs, got 2 of 2 relevant"):
        fit_logistic([0.1, 0.2], [True, True])


def test_a_cross_encoder_judges(library: bb.Library, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs 'bowerbird[sentence-transformers]'")
    from transformers import BertConfig, BertForSequenceClassification

    words = tiny_models.tokenizer()
    config = BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=64, num_labels=1)  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    scorer = CrossEncoderScorer(str(tmp_path))
    pairs = [(bb.Query.of("a dog"), item(name)) for name in TEXTS]
    raw = scorer.raw(pairs)
    assert scorer.score(pairs).tolist() == pytest.approx((1 / (1 + np.exp(-raw))).tolist(), abs=1e-6)
    assert scorer.score(pairs[1:2]).tolist() == pytest.approx(scorer.score(pairs)[1:2].tolist(), abs=1e-5)
    ranking = (bb.Dense(library, "text") >> bb.Rerank(scorer))(["a dog"])
    assert dict(ranking.hits(0)) == pytest.approx(dict(zip(TEXTS, scorer.score(pairs).tolist(), strict=True)), abs=1e-5)
    with pytest.raises(PipelineError, match="no cross-encoder can be loaded from"):
        CrossEncoderScorer(str(tmp_path / "gone")).score(pairs)


@dataclass(frozen=True)
class Writer:
    """A chat that writes what a function makes of the last words."""

    write: Any
    name: str = "writer"

    def reply(self, messages: Sequence[Message], **options: Any) -> Iterator[str]:
        yield self.write(messages[-1].text)


@dataclass(frozen=True)
class Speller(Writer):
    """One that tells the probabilities of its words."""

    def next_token(self, messages: Sequence[Message]) -> Mapping[str, float]:
        return {" Yes": log(0.6), "yes": log(0.1), "No": log(0.2), "maybe": log(0.1)}


def test_a_chat_judges_by_grade_or_by_the_probability_of_yes(library: bb.Library) -> None:
    graded = Writer(lambda words: "Grade: 3" if "oak" in words.split("Document:")[1] else "0")
    ranking = (bb.Dense(library, "text") >> bb.Rerank(graded))(["river"])
    assert ranking.hits(0)[0] == ("oak", 1.0)
    assert ranking.hits(0)[1][1] == 0.0
    assert bb.Rerank(Speller(str)).scorer == YesNoJudge(Speller(str))
    pair = (bb.Query.of("river"), item("oak"))
    assert YesNoJudge(Speller(str)).score([pair, pair]).tolist() == pytest.approx([0.7 / 0.9] * 2)
    with pytest.warns(UserWarning, match="'writer' gave no grade for 1 of 1 pairs"):
        assert GradeJudge(Writer(lambda words: "no idea")).score([pair]).tolist() == [0.0]


def test_what_a_scorer_may_not_give(library: bb.Library) -> None:
    @dataclass(frozen=True)
    class Wild:
        scores: tuple[float, ...]
        name: str = "wild"

        def score(self, pairs: Sequence[Any]) -> Any:
            return np.array(self.scores)

    for scores, said in [((0.1, 2.0, 0.0), "outside 0"), ((0.1, float("nan"), 0.0), "NaN"), ((0.5,), r"shape \(1,\)")]:
        with pytest.raises(PipelineError, match=said):
            (bb.Dense(library, "text") >> bb.Rerank(Wild(scores)))(["river"])
    with pytest.raises(PipelineError, match="Rerank takes a PairScorer or a chat, got str"):
        bb.check(bb.Rerank("model"), ["river"])  # type: ignore[arg-type]


def test_hits_of_a_run_need_the_library(library: bb.Library) -> None:
    run = Found(Ranking.from_scores(["river"], [{"loan": 2.0, "oak": 1.0}]))
    scorer = EncoderScorer(encoders.load("e5"))
    with pytest.raises(PipelineError, match=r"Rerank\(.*\) needs items, .* give it the library"):
        (run >> bb.Rerank(scorer))(["river"])
    with pytest.raises(PipelineError, match=r"Filter\(.*\) needs items"):
        (run >> bb.Filter("page < 3"))(["river"])
    assert (run >> bb.Rerank(scorer, library))(["river"]).hits(0)[0][0] == "oak"


def test_filters_narrow_what_is_found_and_drop_what_was(library: bb.Library) -> None:
    dense = bb.Dense(library, "text")
    for pipeline in (bb.Filter("source = 'loan.txt'") >> dense, dense >> bb.Filter("source = 'loan.txt'")):
        assert list(pipeline(["river"]).ids) == ["loan"]
    both = bb.Filter("source ~ '*.txt'") >> bb.Filter("not source = 'loan.txt'") >> dense
    assert set(both(["river"]).ids) == {"oak", "heart"}
    with pytest.raises(bb.BowerbirdError):
        bb.Filter("colour = 'red'")


def test_queries_are_rewritten(library: bb.Library) -> None:
    dense = bb.Dense(library, "text") % 1
    assert list((bb.Rewrite(lambda query: "borrow books") >> dense)(["river"]).ids) == ["loan"]
    chat = Writer(lambda words: "heart chambers" if "river" in words else "")
    ranking = (bb.Rewrite("Other words for: {query}", chat) >> dense)(["river", "books"])
    assert list(ranking.ids) == ["heart", "loan"]
    assert [query.text for query in ranking.queries] == ["heart chambers", "books"]
    with pytest.raises(PipelineError, match=r"Rewrite\(.*\) needs chat, .* give it a language model"):
        bb.check(bb.Rewrite("Other words for: {query}") >> dense, ["river"])
    with pytest.raises(PipelineError, match=r"holds \{query\} where the query goes"):
        bb.Rewrite("Other words")


def test_fusion_keeps_the_queries_that_were_asked(library: bb.Library) -> None:
    dense = bb.Dense(library, "text")
    assert (bb.Rewrite(lambda query: "other") >> dense | dense)(["river"]).queries[0].text == "river"


def test_answers_of_a_batch_cite_hits(library: bb.Library) -> None:
    found = (bb.Dense(library, "text") % 2 >> bb.Answer())(["How many chambers has the heart?", "how many books?"])
    assert isinstance(found, Answered)
    assert [answer.citations[0].hit.item.id for answer in found.answers] == ["heart", "loan"]
    assert "ten books" in found.answers[1].citations[0].quote
    written = (bb.Dense(library, "text") % 2 >> bb.Answer(Writer(lambda words: "Four [1].")))(["chambers of the heart"])
    assert isinstance(written, Answered)
    assert [citation.hit.item.id for citation in written.answers[0].citations] == ["heart"]


def test_composed_queries_need_both_and_weigh_them(tmp_path: Path) -> None:
    library = bb.open(tmp_path / "library", fields={"text": "e5", "image": "lite"})
    library.add(Path(PHOTO.source).parent / "photo-01.jpg", Path(PHOTO.source).parent / "photo-02.jpg")
    compose = bb.Compose(library, "image", words=0.0)
    photo = compose([[PHOTO, "in red"]])
    assert (
        library.snapshot().items(library.snapshot().rows_of(photo.ids[:1]))[0].locator.source.endswith("photo-01.jpg")
    )
    alone = bb.Dense(library, "image")([PHOTO])
    assert photo.hits(0) == [(name, pytest.approx(score, abs=1e-3)) for name, score in alone.hits(0)]
    with pytest.raises(PipelineError, match=r"Compose.* needs image in every query, and query 2 of 2 \('red'\)"):
        compose([[PHOTO, "in red"], "red"])
    with pytest.raises(PipelineError, match="needs text in every query"):
        compose([PHOTO])
    with pytest.raises(PipelineError, match="share of words from 0 to 1, got 2"):
        bb.Compose(library, words=2)
    with pytest.raises(PipelineError, match="needs an encoder of pictures and words"):
        bb.Compose(library, "text")([[PHOTO, "red"]])


def test_a_local_model_tells_its_first_words(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs 'bowerbird[train]'")
    from bowerbird.chat.local import TransformersChat

    chat = TransformersChat(tiny_model.make(tmp_path))
    messages = tiny_model.conversation("Which quarter was best?")
    told = chat.next_token(messages)
    likeliest = max(told, key=lambda token: told[token])
    assert "".join(chat.reply(messages, max_tokens=5)).startswith(likeliest)
    assert sum(np.exp(list(told.values()))) <= 1.0001
    judge = YesNoJudge(chat)
    assert 0 <= judge.score([(bb.Query.of("river"), item("oak"))])[0] <= 1

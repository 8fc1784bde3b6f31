"""Words and pictures of answers by hand."""

from __future__ import annotations

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate import Reference, Reply, evaluate_answers
from bowerbird.evaluate.measures.answers import (
    exact_match,
    image_f1,
    image_order,
    image_precision,
    image_recall,
    rouge_l,
    token_f1,
)


def test_words_by_hand() -> None:
    assert exact_match("The  Cat!", "cat") == 1
    assert exact_match("cats", "cat") == 0
    assert token_f1("a black cat sat", "the black dog") == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert token_f1("the", "an") == 1, "both are empty once normalised"
    assert token_f1("", "cat") == 0


def test_rouge_l_by_hand() -> None:
    """Lin's example: "police the gunman" shares two words in order with "police killed the gunman" less one: 3 of 4."""
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)
    assert rouge_l("", "police") == 0


def test_pictures_by_hand() -> None:
    assert image_precision(["a", "a", "x"], ["a", "b"]) == pytest.approx(1 / 3)
    assert image_recall(["a", "a", "x"], ["a", "b"]) == 0.5
    assert image_f1(["a"], ["a", "b"]) == pytest.approx(2 / 3)
    assert (image_precision([], []), image_precision([], ["a"]), image_recall(["a"], [])) == (1, 0, 0)


@pytest.mark.parametrize(
    ("shown", "value"),
    [("abc", 1.0), ("cba", 0.778), ("abcx", 0.833), ("ab", 0.444), ("a", 0.111), ("xyz", 0), ("", 0)],
)
def test_order_of_pictures(shown: str, value: float) -> None:
    """Missing 3, extra 2, wrong 1, against a, b, c."""
    assert image_order(list(shown), list("abc")) == pytest.approx(value, abs=5e-4)


def test_a_picture_that_belongs_there_twice_is_recalled_once() -> None:
    assert image_order(list("aba"), list("aba")) == 1
    assert image_order(list("ab"), list("aba")) == pytest.approx(2 / 3), "one of three is missing, nothing else"


def test_answers_are_scored_by_name_and_take_the_best_reference() -> None:
    references = {"q": Reference(("Berlin", "the city of Berlin"), ("a", "b")), "r": Reference(("4",))}
    found = evaluate_answers({"q": Reply("City of Berlin.", ("a",))}, references, ["EM", "F1", "image_recall"])
    assert found.per_query["EM"].tolist() == [1, 0], "a question without an answer scores 0"
    assert found.per_query["image_recall"].tolist() == [0.5, 1]
    with pytest.raises(EvaluationError, match="1 answers have no reference, such as 'x'"):
        evaluate_answers({"x": "?"}, references, ["EM"])
    with pytest.raises(EvaluationError, match="did you mean ROUGE-L"):
        evaluate_answers({}, references, ["ROUGE-N"])

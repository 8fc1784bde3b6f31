"""The survey's page: every part it names is there, and its indexes are measured on real vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bowerbird.encoders import e5
from bowerbird.items import Text
from bowerbird.papers import dense_retrieval_survey as survey
from bowerbird.papers.taxonomy import Mechanism, completeness, resolved
from tests.shared import shared


@pytest.mark.parametrize(
    "mechanism", [one for one in survey.MECHANISMS if one.part], ids=lambda mechanism: mechanism.part
)
def test_every_named_part_can_be_imported(mechanism: Mechanism) -> None:
    assert resolved(mechanism) is not None


def test_a_part_that_is_not_there_is_noticed() -> None:
    with pytest.raises(AttributeError):
        resolved(Mechanism("indexing", "none", "bowerbird.index.dense:Nothing"))


def test_the_table_counts_what_is_here_and_names_what_is_not() -> None:
    lines = completeness(survey.MECHANISMS)
    assert [line.split(",")[0] for line in lines] == [
        "architecture", "training", "indexing", "integration", "evaluation",
    ]  # fmt: skip
    lacking = [mechanism.name for mechanism in survey.MECHANISMS if not mechanism.part]
    assert all(any(name in line.partition("not here")[2] for line in lines) for name in lacking)


def test_indexes_find_what_an_exact_search_of_real_tokens_finds() -> None:
    lines = (shared("text/xquad-crosslingual") / "corpus/en.jsonl").read_text("utf8").splitlines()
    tokens = e5.load().encode_items([(Text(json.loads(line)["text"][:300]),) for line in lines[::10]]).tokens
    asked = e5.load().encode_queries([(Text("Who won the game?"),), (Text("What is oxygen?"),)]).tokens
    assert tokens is not None
    assert asked is not None
    singles = survey.single_vector_indexes(tokens.vectors, asked.vectors, 0)
    recall = {name: found.recall.mean() for name, found in singles.items()}
    assert recall["exact, float32"] == 1
    assert recall["dense index, recall 0.99"] >= 0.99
    assert recall["binary, Hamming"] < recall["binary, 100 re-scored"] < 1
    sets = survey.token_indexes(tokens, asked, 0, widths=(8,))
    assert sets["8 bits a dimension"].recall.mean() >= 0.9
    assert sets["exact MaxSim, float32"].bytes > 3 * sets["8 bits a dimension"].bytes


def test_overlap_is_the_share_of_the_exact_ones() -> None:
    found, exact = np.array([[1, 2, -1], [4, 5, 6]]), np.array([[2, 1, 3], [6, 5, 4]])
    np.testing.assert_allclose(survey.overlap(found, exact), [2 / 3, 1])

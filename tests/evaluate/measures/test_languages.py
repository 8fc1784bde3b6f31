"""Mean rank variance by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.measures.languages import mean_rank_variance, run_rank_variance
from tests.evaluate.made import judged


def test_both_forms_by_hand() -> None:
    """Ranks 1 and 3 spread by 1 about their mean 2; ranks 5 and 5 do not spread."""
    ranks = np.array([[1, 3], [5, 5]])
    assert mean_rank_variance(ranks) == pytest.approx(0.5)
    assert mean_rank_variance(np.array([[1, 5], [5, 5]])) == pytest.approx(2)
    assert mean_rank_variance(np.array([[1, 5], [5, 5]]), "deviation") == pytest.approx(1)
    assert mean_rank_variance(ranks + 100) == mean_rank_variance(ranks)


def test_queries_with_the_same_item_are_its_languages() -> None:
    hits = {"a-en": ["a", "b"], "a-de": ["b", "c", "a"], "b-en": ["b"], "b-de": ["b"]}
    qrels = {name: {name[0]: 1} for name in hits}
    assert run_rank_variance(judged(hits, qrels)) == pytest.approx(0.5)


def test_a_missing_language_is_an_error() -> None:
    hits = {"a-en": ["a"], "a-de": ["a"], "b-en": ["b"]}
    with pytest.raises(EvaluationError, match=r"items are asked for \[1, 2\] times"):
        run_rank_variance(judged(hits, {name: {name[0]: 1} for name in hits}))

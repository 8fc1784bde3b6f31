from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.embeddings import MultiVector
from bowerbird.index.maxsim import maxsim


def ragged(rng: np.random.Generator, lengths: list[int], dtype: type) -> MultiVector:
    return MultiVector.of([rng.standard_normal((length, 5)).astype(dtype) for length in lengths])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.lists(st.integers(0, 6), min_size=1, max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_is_the_mean_of_best_inner_products(asked: list[int], stored: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    queries, documents = ragged(rng, asked, np.float32), ragged(rng, stored, np.float16)
    query_of_document = np.sort(rng.integers(0, len(asked), len(stored)))
    scores = maxsim(queries, documents, query_of_document)
    for number, query in enumerate(query_of_document):
        mine, theirs = queries[int(query)], documents[number].astype(np.float32)
        if len(mine) and len(theirs):
            expected = np.mean([max(float(token @ other) for other in theirs) for token in mine])
            np.testing.assert_allclose(scores[number], expected, rtol=1e-4, atol=1e-5)
        else:
            assert np.isnan(scores[number])


def test_one_query_token_that_matches_exactly_scores_one() -> None:
    documents = MultiVector.of([np.eye(3, dtype=np.float32), -np.eye(3, dtype=np.float32)[:1]])
    query = MultiVector.of([np.eye(3, dtype=np.float32)[:1]])
    assert maxsim(query, documents, np.zeros(2, np.int64)).tolist() == [1, -1]

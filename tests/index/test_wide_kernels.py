"""Search kernels on vectors of so many dimensions that sums of products pass what float32 holds exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.index import kernels
from bowerbird.index.kernels import SLOTS, Blocks, Query, reference
from tests.index.test_kernels import FORMS, sets


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([64, 1024, 1040, 2560]), st.integers(1, 40))
def test_products_of_many_dimensions_are_whole_numbers(seed: int, dim: int, count: int) -> None:
    """Vectors of one side of zero, so that sums pass 2 ** 24, from where float32 has not every whole number."""
    sides = [kernels.quantize(1 + 0.1 * np.abs(sets(seed + side, [count], dim)[0]))[0] for side in range(3)]
    tokens, points, regions = sides[0], Blocks.of(sides[1]), Blocks.of(sides[2])
    query, places, bounds = Query.of(sides[0][:SLOTS].astype(np.float32)), np.array([0]), np.arange(count + 1)
    dots = sides[0].astype(np.int64) @ sides[1].astype(np.int64).T
    np.testing.assert_array_equal(reference.nearest(tokens, points, count)[0], dots.max(axis=1))
    vectors = Blocks.of(sides[1], np.ones(count, np.float16))
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        for name, asked in (
            ("nearest", (tokens, points, count)),
            ("table", (query, points, count)),
            ("assign", (tokens, regions, bounds, points, 2)),
            ("scan", (query, vectors, places, places + count)),
        ):
            np.testing.assert_array_equal(getattr(module, name)(*asked), getattr(reference, name)(*asked))

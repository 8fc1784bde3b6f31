"""All forms of the search kernels give the results of the numpy form."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.index import kernels
from bowerbird.index.kernels import BitGroups, Blocks, Codes, Near, Nibbles, Norms, Query, Ranges, reference
from bowerbird.index.kernels.nibbles import Tables
from tests.index.kernel_cases import ask, cases, lists_of, same


def forms() -> list[tuple[str, ModuleType, int]]:
    """Name, module and level of every form that this machine has."""
    found: list[tuple[str, ModuleType, int]] = []
    for name in ("c", "numba"):
        try:
            module = kernels.use(name)
        except ImportError:
            continue
        levels = (
            [level for level in range(len(module.LEVELS)) if module.set_level(level) == level] if name == "c" else [-1]
        )
        found += [(f"{name}{level}", module, level) for level in levels]
    return found


FORMS = forms()


@pytest.fixture(params=FORMS, ids=[name for name, _, _ in FORMS])
def form(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    _, module, level = request.param
    if level >= 0:
        module.set_level(level)
    yield module
    if level >= 0:
        module.set_level(-1)


def test_a_compiler_gives_the_c_form() -> None:
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("no C compiler on this machine")
    assert kernels.use("c").NAME.startswith("C, ")


def sets(seed: int, lengths: list[int], dim: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    vectors = random.standard_normal((int(offsets[-1]), dim)).astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6), offsets


lengths = st.lists(st.integers(0, 70), min_size=1, max_size=12)
dims = st.sampled_from([4, 8, 36, 64, 128, 384])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), lengths, dims, st.integers(1, 41))
def test_maxsim_is_the_same_to_the_last_bit(seed: int, lengths: list[int], dim: int, asked: int) -> None:
    vectors, offsets = sets(seed, lengths, dim)
    query = Query.of(sets(seed + 1, [asked], dim)[0])
    tokens = Blocks.of(*kernels.quantize(vectors))
    rows = np.random.default_rng(seed).permutation(len(lengths)).astype(np.int32)
    for (_, module, level), chosen in product(FORMS, (None, rows)):
        if level >= 0:
            module.set_level(level)
        np.testing.assert_array_equal(
            module.maxsim(query, tokens, offsets, chosen), reference.maxsim(query, tokens, offsets, chosen)
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), lengths, st.sampled_from([8, 64, 128]), st.sampled_from([2, 4]))
def test_maxsim_of_residuals_is_the_same_to_the_last_bit(seed: int, lengths: list[int], dim: int, bits: int) -> None:
    random = np.random.default_rng(seed)
    vectors, offsets = sets(seed, lengths, dim)
    width = dim * bits // 8
    tokens = Codes(
        random.integers(0, 50, len(vectors)).astype(np.uint16),
        random.integers(0, 256, (len(vectors), width)).astype(np.uint8),
        random.integers(0, 200, (50, dim)).astype(np.uint8),
        random.integers(0, 56, (width, 256, 8 // bits)).astype(np.uint8),
        bits,
        random.random(len(vectors)).astype(np.float16),
    )
    query = Query.of(sets(seed + 1, [19], dim)[0])
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        np.testing.assert_array_equal(module.maxsim(query, tokens, offsets), reference.maxsim(query, tokens, offsets))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_all_kernels_are_the_same_for_inputs_of_any_size(seed: int) -> None:
    for case in cases(seed):
        expected = ask(reference, case)
        for _, module, level in FORMS:
            if level >= 0:
                module.set_level(level)
            same(module, case, expected)


def test_quantised_maxsim_is_near_the_exact_one(form: ModuleType) -> None:
    vectors, offsets = sets(3, [40] * 200, 128)
    asked, _ = sets(4, [24], 128)
    exact = np.maximum.reduceat(vectors @ asked.T, offsets[:-1]).sum(axis=1)
    got = form.maxsim(Query.of(asked), Blocks.of(*kernels.quantize(vectors)), offsets)
    assert np.abs(got - exact).max() < 0.03


@pytest.mark.parametrize("count", [1, 15, 16, 333])
def test_centroids(form: ModuleType, count: int) -> None:
    centroids, _ = sets(5, [count], 64)
    values, _ = kernels.quantize(centroids)
    blocks = Blocks.of(values)
    tokens, _ = kernels.quantize(sets(6, [101], 64)[0])
    for got, expected in zip(
        form.nearest(tokens, blocks, count), reference.nearest(tokens, blocks, count), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    for asked in (1, 17, 32):
        query = Query.of(sets(7, [asked], 64)[0])
        np.testing.assert_array_equal(form.table(query, blocks, count), reference.table(query, blocks, count))


@pytest.mark.parametrize("probes", [-3, 0, 1, 3, 9, 2**31 - 1])
def test_assignment_by_regions(form: ModuleType, probes: int) -> None:
    random = np.random.default_rng(9)
    bounds = np.concatenate([[0], np.cumsum(random.integers(0, 40, 9))]).astype(np.int64)
    regions, points = (
        kernels.quantize(sets(seed, [count], 64)[0])[0] for seed, count in ((1, 9), (2, int(bounds[-1])))
    )
    tokens, _ = kernels.quantize(sets(3, [200], 64)[0])
    made = form.assign(tokens, Blocks.of(regions), bounds, Blocks.of(points), probes)
    for got, expected in zip(
        made, reference.assign(tokens, Blocks.of(regions), bounds, Blocks.of(points), probes), strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    if probes >= 9:
        np.testing.assert_array_equal(made[1], reference.nearest(tokens, Blocks.of(points), int(bounds[-1]))[1])


def test_vectors_of_another_width_are_refused(form: ModuleType) -> None:
    """A kernel that reads what it was told would read past the end."""
    points, bounds = Blocks.of(np.ones((20, 6), np.int8)), np.array([0, 20])
    wide, narrow = Query.of(np.ones((1, 2048))), Blocks.of(np.ones((20, 1024), np.int8))
    packed = Codes(
        *(np.zeros(20, np.uint16), np.zeros((20, 4), np.uint8), np.ones((1, 8), np.uint8)),
        *(np.zeros((4, 256, 2), np.uint8), 4, np.ones(20, np.float16)),
    )
    for run in (
        lambda: form.maxsim(Query.of(np.ones((1, 12))), points, bounds),
        lambda: form.maxsim(Query.of(np.ones((1, 12))), packed, bounds),
        lambda: form.table(wide, narrow, 20),
        lambda: form.table(Query.of(np.ones((1, 12))), points, 20),
        lambda: form.hamming(np.ones((1, 8), np.uint8), BitGroups.of(np.ones((20, 16), np.uint8)), 3),
        lambda: form.hamming(np.ones((1, 24), np.uint8), BitGroups.of(np.ones((20, 16), np.uint8)), 3),
        lambda: form.nearest(np.ones((3, 6), np.int8), points, 20),
        lambda: form.assign(np.ones((3, 6), np.int8), points, bounds, points, 1),
        lambda: form.scan(Query.of(np.ones((1, 12))), points, np.array([0]), np.array([20])),
        lambda: form.rescore(np.ones(6, np.float32), np.ones((20, 8), np.float16), np.arange(3)),
        lambda: form.maxsim_half(np.ones((2, 6), np.float32), np.ones((20, 8), np.float16), bounds, np.arange(1)),
    ):
        with pytest.raises(ValueError, match=r"dimension|broadcast"):
            run()


def test_more_tokens_than_a_table_has_slots_are_refused(form: ModuleType) -> None:
    points = Blocks.of(np.ones((20, 8), np.int8))
    with pytest.raises(ValueError, match="33 query tokens; a centroid table has room for 32"):
        form.table(Query.of(np.ones((kernels.SLOTS + 1, 8))), points, 20)


def test_dimensions_whose_sums_would_overflow_are_refused() -> None:
    for make in (Blocks.of, Query.of):
        make(np.zeros((1, 65_536), np.int8))
        with pytest.raises(ValueError, match="65,540 dimensions; at most 65,536"):
            make(np.zeros((1, 65_540), np.int8))


@pytest.fixture(params=[level for _, _, level in FORMS if level >= 0])
def compiled(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The C form, at every level."""
    module = kernels.use("c")
    module.set_level(request.param)
    yield module
    module.set_level(-1)


@pytest.mark.parametrize("place", [11, 19, 63])
def test_a_value_that_is_no_number_hides_no_peak_before_it(compiled: ModuleType, place: int) -> None:
    vectors = sets(11, [40], 64)[0]
    vectors[:, 3] = 2
    values, scales = compiled.quantize(vectors)
    vectors[:, place] = np.nan
    found, steps = compiled.quantize(vectors)
    np.testing.assert_array_equal(steps, scales)
    values[:, place] = -127
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("first", [0, 16])
def test_a_scale_that_is_no_number_hides_no_other_token(compiled: ModuleType, first: int) -> None:
    """Of a block of tokens, the left or the right one of two that are read together."""
    values, scales = kernels.quantize(sets(11, [80], 64)[0])
    others = np.delete(np.arange(80), first + np.arange(16))
    broken = np.where(np.isin(np.arange(80), others), scales, np.float16(np.nan))
    query = Query.of(sets(12, [9], 64)[0])
    np.testing.assert_array_equal(
        compiled.maxsim(query, Blocks.of(values, broken), np.array([0, 80])),
        reference.maxsim(query, Blocks.of(values[others], scales[others]), np.array([0, 64])),
    )


@pytest.mark.parametrize("first", [16, 32, 64])
def test_a_scale_that_is_no_number_hides_no_token_before_it(compiled: ModuleType, first: int) -> None:
    """The best token comes first, one of its lane follows."""
    values = np.full((80, 8), -1, np.int8)
    values[0] = 100
    scales = np.ones(80, np.float16)
    scales[first] = np.nan
    query = Query.of(np.ones((1, 8), np.float32))
    found = compiled.maxsim(query, Blocks.of(values, scales), np.array([0, 80]))
    np.testing.assert_array_equal(found, reference.maxsim(query, Blocks.of(values[:16]), np.array([0, 16])))


@pytest.mark.parametrize("dim", [8, 24, 128, 136])
def test_maxsim_of_float16_tokens(form: ModuleType, dim: int) -> None:
    """Near the product of matrices."""
    vectors, offsets = sets(3, [5, 0, 33, 1], dim)
    half, rows = vectors.astype(np.float16), np.array([2, 0, 1, 3, 2])
    for count in (1, 4, 7):
        query = sets(8, [count], dim)[0]
        made = form.maxsim_half(query, half, offsets, rows)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, reference.maxsim_half(query, half, offsets, rows), rtol=1e-5)
    alone = half[offsets[2] : offsets[3]].astype(np.float32) @ query.T
    np.testing.assert_allclose(made[0], alone.max(axis=0).sum(), rtol=1e-5)
    assert made[2] == -np.inf


def test_no_best_of_scores(form: ModuleType) -> None:
    for k in (0, -1, -50):
        assert not len(form.best(np.ones(9, np.float32), k))


@pytest.mark.parametrize("asked", [1, 3, 8, 21])
def test_scans_of_single_vectors(form: ModuleType, asked: int) -> None:
    vectors = Blocks.of(*kernels.quantize(sets(3, [333], 64)[0]))
    query = Query.of(sets(4, [asked], 64)[0])
    starts, ends = np.array([0, 17, 40, 40, 320]), np.array([5, 33, 40, 300, 333])
    np.testing.assert_array_equal(form.scan(query, vectors, starts, ends), reference.scan(query, vectors, starts, ends))


def test_the_lowest_of_equal_centroids_is_nearest(form: ModuleType) -> None:
    values = np.tile(np.array([[3, 1, 4, 1]], np.int8), (40, 1))
    _, index = form.nearest(values[:9], Blocks.of(values), 40)
    assert not index.any()


@pytest.mark.parametrize("probes", [1, 4, 40])
def test_interaction_and_lists(form: ModuleType, probes: int) -> None:
    random = np.random.default_rng(8)
    table = random.integers(0, 256, (100, kernels.SLOTS)).astype(np.uint8)
    table[:, 20:] = 0
    lengths = random.integers(0, 50, 300)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    codes = random.integers(0, 100, int(offsets[-1])).astype(np.uint16)
    rows = random.permutation(300)[:77].astype(np.int32)
    for chosen in (None, rows):
        np.testing.assert_array_equal(
            form.interact(table, codes, offsets, chosen), reference.interact(table, codes, offsets, chosen)
        )
    bounds, lists = lists_of(codes, offsets, 100)
    for _ in range(2):  # memory that is used again is clean again
        found, scores = form.gather(table, 20, probes, bounds, lists, 300)
        expected = dict(
            zip(*map(np.ndarray.tolist, reference.gather(table, 20, probes, bounds, lists, 300)), strict=True)
        )
        assert dict(zip(found.tolist(), scores.tolist(), strict=True)) == expected


@given(st.lists(st.integers(0, 8160), min_size=1, max_size=300), st.integers(0, 310))
def test_top(scores: list[int], count: int) -> None:
    numbers = np.array(scores, np.int32)
    for _, module, _ in FORMS:
        np.testing.assert_array_equal(module.top(numbers, count), reference.top(numbers, count))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000), lengths, st.integers(1, 5), st.integers(0, 6), st.sampled_from([1, 3, 8, 32]), st.booleans()
)
def test_cells_are_the_same_to_the_last_bit(
    seed: int, lengths: list[int], repetitions: int, simhash: int, width: int, shared: bool
) -> None:
    random = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    count = int(offsets[-1])
    cells = random.integers(0, 1 << simhash, (count, repetitions)).astype(np.int32)
    vectors = random.standard_normal((count, 1 if shared else repetitions, width)).astype(np.float32)
    for _, module, _ in FORMS:
        for aggregate in ("cell_sums", "cell_means"):
            for options in (
                [
                    (),
                ]
                if aggregate == "cell_sums"
                else [(True,), (False,)]
            ):
                got, expected = np.full((2, len(lengths), repetitions, 1 << simhash, width), np.nan, np.float32)
                getattr(module, aggregate)(cells, vectors, offsets, *options, got)
                getattr(reference, aggregate)(cells, vectors, offsets, *options, expected)
                np.testing.assert_array_equal(got, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(0, 300),
    st.sampled_from([1, 7, 8, 32, 33, 264]),
    st.integers(1, 70),
    st.booleans(),
)
def test_hamming_is_the_same(seed: int, count: int, width: int, k: int, masked: bool) -> None:
    random = np.random.default_rng(seed)
    few = random.integers(0, 256, (12, width)).astype(np.uint8)  # many distances are equal
    codes = BitGroups.of(few[random.integers(0, 12, count)] ^ (random.random((count, width)) < 0.05).astype(np.uint8))
    queries = random.integers(0, 256, (3, width)).astype(np.uint8)
    usable = random.random(count) < 0.4 if masked else None
    expected = reference.hamming(queries, codes, k, usable)
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        for got, wanted in zip(module.hamming(queries, codes, k, usable), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_groups_hold_the_codes() -> None:
    codes = np.random.default_rng(0).integers(0, 256, (21, 13)).astype(np.uint8)
    rows = np.array([20, 3, 3, 0])
    np.testing.assert_array_equal(BitGroups.of(codes).rows(rows).view(np.uint8)[:, :13], codes[rows])
    distances, found = reference.hamming(codes[:1], BitGroups.of(codes), 21)
    apart = (np.unpackbits(codes, axis=1) != np.unpackbits(codes[:1], axis=1)).sum(axis=1)
    np.testing.assert_array_equal(found[0], np.argsort(apart, kind="stable"))
    np.testing.assert_array_equal(distances[0], np.sort(apart))


def test_hamming_keeps_the_best_of_ever_nearer_codes(form: ModuleType) -> None:
    codes = np.packbits(np.arange(5000)[:, None] < np.linspace(4999, 0, 512), axis=1)[::-1].copy()
    queries = np.concatenate([np.zeros((300, 64), np.uint8), codes[:3]])
    groups = BitGroups.of(codes)
    for got, wanted in zip(form.hamming(queries, groups, 5), reference.hamming(queries, groups, 5), strict=True):
        np.testing.assert_array_equal(got, wanted)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30), st.integers(-9000, 9000)), max_size=8),
    st.sampled_from([1, 8, 23, 192]),
    st.tuples(st.integers(1, 70), st.sampled_from([0, 1, 40, 5000]), st.integers(0, 90)),
    st.sampled_from([2, 9, 127]),
    st.booleans(),
)
def test_lookups_are_the_same(
    seed: int,
    ranges: list[tuple[int, int, int]],
    subspaces: int,
    near: tuple[int, int, int],
    peak: int,
    masked: bool,
) -> None:
    random = np.random.default_rng(seed)
    lengths, gaps, biases = np.array(ranges, np.int64).reshape(-1, 3).T
    ends = np.cumsum(lengths + gaps)
    starts, count = ends - lengths, int(ends.max(initial=0))
    codes = Nibbles.of(random.integers(0, 16, (count, subspaces)).astype(np.uint8))
    entries = random.integers(0, peak + 1, (2, codes.pairs, 16)).astype(np.uint8)  # low peaks: many sums are equal
    usable = random.random(count) < 0.4 if masked else None
    order = random.permutation(len(starts))
    asked = (
        *(entries, codes, starts[order], ends[order], biases[order].astype(np.int32)),
        *(Near(near[0], near[1], near[0] + near[2]), usable),
    )
    expected = ask(reference, ("lookups", asked))
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        same(module, ("lookups", asked), expected)


def test_lookups_add_up_what_the_words_of_a_code_score(form: ModuleType) -> None:
    random = np.random.default_rng(5)
    codes = random.integers(0, 16, (100, 27)).astype(np.uint8)
    scores = random.standard_normal((27, 16)).astype(np.float32)
    tables = Tables.of(scores)
    starts, ends, biases = np.array([50, 0]), np.array([100, 50]), np.array([1000, 0], np.int32)
    sums, rows = form.lookups(tables.entries, Nibbles.of(codes), starts, ends, biases, Near.best(100))
    exact = (scores - scores.min(axis=1, keepdims=True))[np.arange(27), codes].sum(axis=1)[rows]
    assert sorted(rows.tolist()) == list(range(100))
    np.testing.assert_allclose((sums - 1000 * (rows >= 50)) * tables.step, exact, atol=14 * float(tables.step))


def test_lookups_keep_what_is_near_the_best(form: ModuleType) -> None:
    """One subspace whose words score 0, 8, 16 … 120."""
    tables = np.zeros((2, 4, 16), np.uint8)
    tables[0, 0] = np.arange(0, 128, 8)
    codes = Nibbles.of(np.arange(16, dtype=np.uint8).repeat(3)[:, None])
    whole = np.array([0]), np.array([48]), np.zeros(1, np.int32)
    for near, scores in (
        (Near(2, 0, 9), [120, 120, 120]),
        (Near(3, 15, 9), [120, 120, 120, 112, 112, 112]),
        (Near(3, 16, 8), [120, 120, 120, 112, 112, 112, 104, 104]),
        (Near(4, (1 << 30) - 1, 48), np.arange(120, -1, -8).repeat(3).tolist()),
    ):
        sums, rows = form.lookups(tables, codes, *whole, near)
        assert sorted(sums.tolist(), reverse=True) == scores
        np.testing.assert_array_equal(tables[0, 0][rows // 3], sums)
        assert sorted(rows.tolist()) == sorted(sorted(range(48), key=lambda row: (-(row // 3), row))[: len(scores)])


def test_the_highest_sums_fit() -> None:
    for subspaces in (1, 256, 1024, 4096):
        scores = np.tile(np.linspace(-1, 1, 16, dtype=np.float32), (subspaces, 1))
        entries = Tables.of(scores).entries
        assert entries.max(axis=2).sum(dtype=np.int64) <= 65535
        assert entries.max() <= 127
        assert not Tables.of(0 * scores).entries.any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 100), st.integers(0, 40))
def test_inner_products_are_the_same(seed: int, dim: int, count: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((30, dim)).astype(np.float16)
    query, rows = random.standard_normal(dim).astype(np.float32), random.integers(0, 30, count)
    expected = reference.rescore(query, vectors, rows)
    np.testing.assert_allclose(expected, vectors[rows].astype(np.float64) @ query, rtol=1e-3, atol=1e-4)
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        np.testing.assert_array_equal(module.rescore(query, vectors, rows), expected)


def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    """The same comparisons with a library that checks every access and every overflow."""
    compiler = shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs gcc on Linux")
    source = Path(kernels.__file__).with_name("kernels.c")
    library = tmp_path / "checked.so"
    command = [compiler, "-O1", "-g", "-std=c11", "-ffp-contract=off", "-shared", "-fPIC"]
    built = subprocess.run(
        [*command, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", str(source), "-o", str(library)],
        capture_output=True,
        text=True,
    )
    if built.returncode:
        pytest.skip(f"this gcc has no sanitizers: {built.stderr.splitlines()[-1]}")
    runtime = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip()
    done = subprocess.run(
        [sys.executable, "-m", "tests.index.checked_kernels", str(library)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:] + sysconfig.get_platform()
    assert "compared" in done.stdout


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 90), min_size=1, max_size=3), st.integers(0, 5), st.integers(0, 9))
def test_bm25_is_the_same_to_the_last_bit(seed: int, sizes: list[int], terms: int, k: int) -> None:
    random = np.random.default_rng(seed)
    norms = random.choice([0.5, 1.0, 2.0, np.inf], sum(sizes))
    weights, ranges = random.random(terms).astype(np.float32), []
    for size, first in zip(sizes, np.cumsum([0, *sizes]), strict=False):
        rows = [random.permutation(size)[: random.integers(0, size + 1)] for _ in range(terms)]
        ends = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        counts = random.integers(1, 4, ends[-1]).astype(np.uint16)
        joined = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
        ranges.append(Ranges(joined, counts, ends[:-1], ends[1:], int(first)))
    lengths = Norms.of(norms.astype(np.float32))
    expected = reference.bm25(ranges, weights, lengths, k)
    for _, module, level in FORMS:
        if level >= 0:
            module.set_level(level)
        for _ in range(2):  # nothing is left of the first query
            for got, wanted in zip(module.bm25(ranges, weights, lengths, k), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_an_interrupted_bm25_leaves_nothing_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = next((module for _, module, level in FORMS if level >= 0), None)
    if compiled is None:
        pytest.skip("no compiled kernels")
    whole = np.arange(8, dtype=np.int32)
    part = Ranges(whole, np.ones(8, np.uint16), np.array([0], np.int64), np.array([8], np.int64), 0)
    asked = [part], np.ones(1, np.float32), Norms.of(np.ones(8, np.float32)), 3
    expected = reference.bm25(*asked)

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        for name in ("bb_bm25_take", "bb_bm25_take_all"):
            patch.setattr(compiled.library(), name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            compiled.bm25(*asked)
        patch.setattr(compiled, "_room", interrupted)  # before there is anything to forget
        with pytest.raises(KeyboardInterrupt):
            compiled.bm25(*asked)
    for got, wanted in zip(compiled.bm25(*asked), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)

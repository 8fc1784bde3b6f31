"""The inner loops in numba, for machines without a C compiler. Needs the package numba."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bowerbird.index.kernels import reference
from bowerbird.index.kernels.bits import BitGroups
from bowerbird.index.kernels.blocks import LANES, Blocks, Codes, Query, check_width
from bowerbird.index.kernels.nibbles import Near, Nibbles
from bowerbird.index.kernels.ranges import Norms, Ranges

NAME = "numba"

Ints = NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., Any])


def loop(function: Function) -> Function:
    """Compiled on its first call, without the interpreter's lock, and kept for the next process."""
    return cast(Function, njit(nogil=True, cache=True)(function))


# matrix products and sorts: numpy does them well
assign, nearest, quantize, scan = reference.assign, reference.nearest, reference.quantize, reference.scan
table, top, rescore, best = reference.table, reference.top, reference.rescore, reference.best
maxsim_half = reference.maxsim_half


def maxsim(
    query: Query, tokens: Blocks | Codes, offsets: NDArray[np.int64], rows: Ints | None = None
) -> NDArray[np.float32]:
    check_width(query.values.shape[1], tokens.dim)
    documents = np.arange(len(offsets) - 1, dtype=np.int32) if rows is None else rows
    out = np.empty(len(documents), np.float32)
    values, scales = query.values.astype(np.int32), tokens.scales.astype(np.float32)
    if isinstance(tokens, Blocks):
        _maxsim(values, query.scales, tokens.values, scales, offsets, documents, out)
    else:
        levels = tokens.levels.reshape(tokens.residuals.shape[1], 256, 8 // tokens.bits)
        _maxsim_residual(
            values, query.scales, tokens.codes, tokens.residuals, tokens.centroids, levels, scales, offsets, documents,
            out,
        )  # fmt: skip
    return out


@loop
def _maxsim(
    query: Any, query_scales: Any, blocks: Any, scales: Any, offsets: Any, documents: Any, out: Any
) -> None:  # pragma: no cover
    groups = blocks.shape[1]
    for number in range(len(documents)):
        start, end = offsets[documents[number]], offsets[documents[number] + 1]
        best = np.full(len(query), -np.inf, np.float32)
        for token in range(start, end):
            block, lane = token // LANES, token % LANES
            for q in range(len(query)):
                dot = np.int32(0)
                for g in range(groups):
                    for j in range(4):
                        dot += query[q, g * 4 + j] * (np.int32(blocks[block, g, lane, j]) - np.int32(128))
                best[q] = max(best[q], np.float32(dot) * scales[token])
        out[number] = _total(query_scales, best) if end > start else -np.inf


@loop
def _maxsim_residual(
    query: Any,
    query_scales: Any,
    codes: Any,
    residuals: Any,
    centroids: Any,
    levels: Any,
    scales: Any,
    offsets: Any,
    documents: Any,
    out: Any,
) -> None:  # pragma: no cover
    dim, per_byte = centroids.shape[1], levels.shape[2]
    values = np.empty(dim, np.int32)
    for number in range(len(documents)):
        start, end = offsets[documents[number]], offsets[documents[number] + 1]
        best = np.full(len(query), -np.inf, np.float32)
        for token in range(start, end):
            for j in range(dim):
                step = levels[j // per_byte, residuals[token, j // per_byte], j % per_byte]
                values[j] = np.int32(centroids[codes[token], j]) + np.int32(step) - np.int32(128)
            for q in range(len(query)):
                dot = np.int32(0)
                for j in range(dim):
                    dot += query[q, j] * values[j]
                best[q] = max(best[q], np.float32(dot) * scales[token])
        out[number] = _total(query_scales, best) if end > start else -np.inf


@loop
def _total(query_scales: Any, best: Any) -> Any:  # pragma: no cover
    total = np.float32(0)
    for q in range(len(best)):
        total += query_scales[q] * best[q]
    return total


def interact(
    table: NDArray[np.uint8], codes: NDArray[np.uint16], offsets: NDArray[np.int64], rows: Ints | None = None
) -> Ints:
    documents = np.arange(len(offsets) - 1, dtype=np.int32) if rows is None else rows
    out = np.empty(len(documents), np.int32)
    _interact(table, codes, offsets, documents, out)
    return out


@loop
def _interact(table: Any, codes: Any, offsets: Any, documents: Any, out: Any) -> None:  # pragma: no cover
    slots = table.shape[1]
    best = np.empty(slots, np.uint8)
    for number in range(len(documents)):
        best[:] = 0
        for token in range(offsets[documents[number]], offsets[documents[number] + 1]):
            row = table[codes[token]]
            for slot in range(slots):
                best[slot] = max(best[slot], row[slot])
        total = np.int32(0)
        for slot in range(slots):
            total += np.int32(best[slot])
        out[number] = total


def gather(
    table: NDArray[np.uint8], tokens: int, probes: int, list_offsets: NDArray[np.int64], lists: Ints, documents: int
) -> tuple[Ints, Ints]:
    sums = np.zeros(documents, np.int32)
    for slot in range(tokens):
        column = np.ascontiguousarray(table[:, slot]).astype(np.int32)
        threshold = reference.threshold(column, probes)
        chosen = np.flatnonzero(column >= threshold)
        gains = (column[chosen] - threshold + 1).astype(np.int32)
        _gain(chosen, gains, list_offsets, lists, sums, np.zeros(documents, np.int32))
    found = np.flatnonzero(sums).astype(np.int32)
    return found, sums[found]


@loop
def _gain(chosen: Any, gains: Any, list_offsets: Any, lists: Any, sums: Any, best: Any) -> None:  # pragma: no cover
    for number in range(len(chosen)):
        for at in range(list_offsets[chosen[number]], list_offsets[chosen[number] + 1]):
            document = lists[at]
            if gains[number] > best[document]:
                sums[document] += gains[number] - best[document]
                best[document] = gains[number]


def cell_sums(cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    _cell_sums(cells, vectors, offsets, out)


@loop
def _cell_sums(cells: Any, vectors: Any, offsets: Any, out: Any) -> None:  # pragma: no cover
    out[:] = 0
    own = vectors.shape[1]
    for number in range(len(out)):
        for token in range(offsets[number], offsets[number + 1]):
            for repetition in range(cells.shape[1]):
                cell, of = cells[token, repetition], repetition % own
                for j in range(out.shape[3]):
                    out[number, repetition, cell, j] += vectors[token, of, j]


def cell_means(
    cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], fill: bool, out: NDArray[np.float32]
) -> None:
    _cell_sums(cells, vectors, offsets, out)
    _cell_means(cells, vectors, offsets, fill, out)


@loop
def _cell_means(cells: Any, vectors: Any, offsets: Any, fill: Any, out: Any) -> None:  # pragma: no cover
    partitions, own = out.shape[2], vectors.shape[1]
    for number in range(len(out)):
        start, end = offsets[number], offsets[number + 1]
        for repetition in range(out.shape[1] if end > start else 0):
            sizes, nearest = np.zeros(partitions, np.int64), np.full(partitions, 1 << 62, np.int64)
            for token in range(end - 1, start - 1, -1):
                sizes[cells[token, repetition]] += 1
                nearest[cells[token, repetition]] = token - start
            _spread(nearest)
            for cell in range(partitions):
                if sizes[cell] > 1:
                    out[number, repetition, cell] /= np.float32(sizes[cell])
                elif fill and sizes[cell] == 0:
                    token = start + (nearest[cell] & 0xFFFFFFFF)
                    out[number, repetition, cell] = vectors[token, repetition % own]


@loop
def _spread(nearest: Any) -> None:  # pragma: no cover
    bit = 1
    while bit < len(nearest):
        for cell in range(len(nearest)):
            if not cell & bit:
                low, high = nearest[cell], nearest[cell | bit]
                nearest[cell], nearest[cell | bit] = min(low, high + (1 << 32)), min(high, low + (1 << 32))
        bit *= 2


def hamming(
    queries: NDArray[np.uint8], codes: BitGroups, k: int, usable: NDArray[np.bool_] | None = None
) -> tuple[Ints, Ints]:
    return reference.nearest_by(_bits_apart, queries, codes, k, usable)


@loop
def _bits_apart(query: Any, groups: Any) -> Any:  # pragma: no cover
    out = np.zeros(groups.shape[0] * 8, np.int32)
    for group in range(groups.shape[0]):
        for word in range(groups.shape[1]):
            for i in range(8):
                out[group * 8 + i] += _ones(groups[group, word, i] ^ query[word])
    return out


@loop
def _ones(x: Any) -> Any:  # pragma: no cover
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int32((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


def lookups(
    tables: NDArray[np.uint8],
    codes: Nibbles,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    biases: Ints,
    near: Near,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[Ints, NDArray[np.int64]]:
    return reference.lookups_by(_sums_of, tables, codes, starts, ends, biases, near, usable)


@loop
def _sums_of(tables: Any, blocks: Any) -> Any:  # pragma: no cover
    out = np.zeros(blocks.shape[0] * LANES, np.int32)
    for block in range(blocks.shape[0]):
        for pair in range(blocks.shape[1]):
            for lane in range(LANES):
                code = blocks[block, pair, lane]
                out[block * LANES + lane] += np.int32(tables[0, pair, code & 15]) + np.int32(tables[1, pair, code >> 4])
    return out


def bm25(
    ranges: Sequence[Ranges], weights: NDArray[np.float32], norms: Norms, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    scores = np.zeros(len(norms.added), np.float32)
    for part in ranges:
        _add_up(part.rows, part.counts, part.starts, part.ends, weights, part.first, norms.added, scores)
    found = np.flatnonzero(scores > 0)
    near = found[best(scores[found], k)]
    return near, scores[near]


@loop
def _add_up(
    rows: Any, counts: Any, starts: Any, ends: Any, weights: Any, first: Any, norms: Any, scores: Any
) -> None:  # pragma: no cover
    for term in range(len(starts)):
        for i in range(starts[term], ends[term]):
            at, count = first + rows[i], np.float32(counts[i])
            scores[at] += weights[term] * (count / (count + norms[at]))

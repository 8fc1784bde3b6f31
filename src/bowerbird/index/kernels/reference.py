"""The inner loops in numpy: what the other forms must give, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bowerbird.index.kernels import blocks
from bowerbird.index.kernels.bits import BitGroups, Words, words_of
from bowerbird.index.kernels.blocks import LANES, SLOTS, Blocks, Codes, Query, check_slots, check_width
from bowerbird.index.kernels.nibbles import Near, Nibbles
from bowerbird.index.kernels.ranges import Norms, Ranges

NAME = "numpy"

CHUNK = 4096
"""Rows that are scored at a time."""

DOCUMENTS = 64
"""Documents whose tokens are widened at a time."""

EXACT = 1024
"""Dimensions whose products of bytes add up to at most 2 ** 24, so that float32 sums are exact in any order."""

Ints = NDArray[np.int32]

quantize = blocks.quantize


def maxsim(
    query: Query, tokens: Blocks | Codes, offsets: NDArray[np.int64], rows: Ints | None = None
) -> NDArray[np.float32]:
    """Late interaction: the sum over query tokens of the best token of a document (arXiv 2004.12832, section 3.3).

    offsets: document d has tokens offsets[d] … offsets[d + 1] - 1. rows: the documents to score, all if None.
    One float32 per document; -inf for a document without tokens.
    """
    check_width(query.values.shape[1], tokens.dim)
    documents = range(len(offsets) - 1) if rows is None else rows.tolist()
    scores = np.full(len(documents), -np.inf, np.float32)
    wide = query.values.astype(np.int32)
    for number, document in enumerate(documents):
        start, end = int(offsets[document]), int(offsets[document + 1])
        if start < end:
            dots = wide @ tokens.rows(start, end).astype(np.int32).T
            best = (dots.astype(np.float32) * tokens.scales[start:end].astype(np.float32)).max(axis=1)
            total = np.float32(0)
            for value in query.scales * best:  # in the order of the query's tokens, as sums of floats differ
                total += value
            scores[number] = total
    return scores


def dots_of(left: NDArray[np.int8], right: NDArray[np.int8]) -> Ints:
    """m × dim and n × dim bytes → m × n whole inner products, by products of floats, which are fast."""
    check_width(left.shape[1], right.shape[1])
    dots = np.zeros((len(left), len(right)), np.int32)
    for start in range(0, left.shape[1], EXACT):
        one, other = (side[:, start : start + EXACT].astype(np.float32) for side in (left, right))
        dots += (one @ other.T).astype(np.int32)
    return dots


def nearest(tokens: NDArray[np.int8], centroids: Blocks, count: int) -> tuple[Ints, Ints]:
    """For every token the highest dot product with one of `count` centroids, and which; the lowest among equals."""
    dots = dots_of(tokens, centroids.rows(0, count))
    index = dots.argmax(axis=1)
    return dots[np.arange(len(dots)), index], index.astype(np.int32)


def assign(
    tokens: NDArray[np.int8], regions: Blocks, bounds: NDArray[np.int64], centroids: Blocks, probes: int
) -> tuple[Ints, Ints]:
    """As `nearest`, sought only in the `probes` best regions of a token.

    Region r owns the centroids bounds[r] … bounds[r + 1] - 1, whole blocks of 16 are looked at; regions without any do
    not count. Without any value -2 ** 31 and index 0.
    """
    count, owners = int(bounds[-1]), np.flatnonzero(np.diff(bounds))
    near = owners[np.argsort(-dots_of(tokens, regions.rows(0, len(bounds) - 1)[owners]), axis=1, kind="stable")]
    value, index = np.full(len(tokens), -(2**31), np.int64), np.zeros(len(tokens), np.int64)
    for region in owners.tolist():
        mine = np.flatnonzero((near[:, : max(probes, 0)] == region).any(axis=1))
        first, last = bounds[region] // LANES * LANES, min(-(-bounds[region + 1] // LANES) * LANES, count)
        if len(mine):
            dots = dots_of(tokens[mine], centroids.rows(int(first), int(last)))
            best = dots.argmax(axis=1)
            found, number = dots[np.arange(len(dots)), best], best + first
            better = (found > value[mine]) | ((found == value[mine]) & (number < index[mine]))
            value[mine[better]], index[mine[better]] = found[better], number[better]
    return value.astype(np.int32), index.astype(np.int32)


def table(query: Query, centroids: Blocks, count: int) -> NDArray[np.uint8]:
    """One byte per centroid and query token, count × SLOTS; at most SLOTS query tokens.

    255 at a token's best centroid, 0 at `span` or more below it, where span is the widest distance of a token's best
    from its mean. Only differences within a column count for a ranking, so every token may have its own top.
    """
    check_slots(query)
    dots = dots_of(centroids.rows(0, count), query.values)
    top, mean = dots.max(axis=0), dots.sum(axis=0, dtype=np.int64).astype(np.float32) / np.float32(count)
    span = max(float((query.scales * (top.astype(np.float32) - mean)).max(initial=0)), 0.0)
    slope = np.float32(255) * query.scales / np.float32(span) if span > 0 else np.zeros(len(query), np.float32)
    values = np.float32(255.5) - (top - dots).astype(np.float32) * slope
    filled = np.zeros((count, SLOTS), np.uint8)
    filled[:, : len(query)] = np.maximum(values, 0).astype(np.uint8)
    return filled


def scan(query: Query, vectors: Blocks, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    """Inner products of m queries with the vectors of some ranges, m × their total length."""
    parts = [np.zeros((len(query), 0), np.float32)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        dots = dots_of(query.values, vectors.rows(start, end)).astype(np.float32)
        parts.append(query.scales[:, None] * (dots * vectors.scales[start:end].astype(np.float32)))
    return np.concatenate(parts, axis=1)


def rescore(query: NDArray[np.float32], vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Inner products of one query with some rows of n × dim vectors, added up in LANES sums that are then folded."""
    products = vectors[rows].astype(np.float32) * query
    whole = np.pad(products, ((0, 0), (0, -products.shape[1] % LANES)))
    sums = np.zeros((len(rows), LANES), np.float32)
    for start in range(0, whole.shape[1], LANES):  # one after the other, as sums of floats differ
        sums += whole[:, start : start + LANES]
    while sums.shape[1] > 1:
        half = sums.shape[1] // 2
        sums = sums[:, :half] + sums[:, half:]
    return sums[:, 0]


def maxsim_half(
    query: NDArray[np.float32], vectors: NDArray[np.float16], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """As `maxsim`, of an m × dim query with the float16 tokens of some documents.

    A matrix product: the other forms give sums that were rounded in another order.
    """
    check_width(query.shape[1], vectors.shape[1])
    scores = np.full(len(rows), -np.inf, np.float32)
    for start in range(0, len(rows), DOCUMENTS):
        some = [vectors[offsets[row] : offsets[row + 1]] for row in rows[start : start + DOCUMENTS].tolist()]
        filled = np.flatnonzero([len(tokens) for tokens in some])
        if len(filled):
            lengths = np.array([len(some[number]) for number in filled])
            similar = np.concatenate(some).astype(np.float32) @ query.T
            scores[start + filled] = np.maximum.reduceat(similar, np.cumsum(lengths) - lengths, axis=0).sum(axis=1)
    return scores


def interact(
    table: NDArray[np.uint8], codes: NDArray[np.uint16], offsets: NDArray[np.int64], rows: Ints | None = None
) -> Ints:
    """Centroid interaction (PLAID, arXiv 2205.09707, section 3.3): MaxSim with every token replaced by its centroid."""
    documents = range(len(offsets) - 1) if rows is None else rows.tolist()
    scores = np.zeros(len(documents), np.int32)
    for number, document in enumerate(documents):
        found = table[codes[offsets[document] : offsets[document + 1]]]
        scores[number] = found.max(axis=0, initial=0).sum(dtype=np.int32)
    return scores


def gather(
    table: NDArray[np.uint8], tokens: int, probes: int, list_offsets: NDArray[np.int64], lists: Ints, documents: int
) -> tuple[Ints, Ints]:
    """Documents in the lists of the best centroids of every query token, and how well they were reached.

    A document's score is the sum over tokens of how far the best centroid that lists it lies above the token's
    threshold, plus one; a token that does not reach it adds nothing. The documents come in no particular order.
    """
    sums = np.zeros(documents, np.int32)
    for column in table[:, :tokens].T.astype(np.int32):
        least = threshold(column, probes)
        gains = np.zeros(documents, np.int32)
        for centroid in np.flatnonzero(column >= least):
            listed = lists[list_offsets[centroid] : list_offsets[centroid + 1]]
            gains[listed] = np.maximum(gains[listed], column[centroid] - least + 1)
        sums += gains
    found = np.flatnonzero(sums).astype(np.int32)
    return found, sums[found]


def threshold(column: Ints, probes: int) -> int:
    """The highest value, at least 1, that `probes` entries of a column reach."""
    above = np.cumsum(np.bincount(column, minlength=256)[::-1])[::-1]
    reached = np.flatnonzero(above[1:] >= probes) + 1
    return int(reached[-1]) if len(reached) else 1


def top(scores: Ints, count: int) -> Ints:
    """Positions of the `count` highest scores (0 ≤ score < 65536), ascending; the first win ties."""
    if count >= len(scores):
        return np.arange(len(scores), dtype=np.int32)
    chosen = np.argsort(-scores, kind="stable")[:count]
    return np.sort(chosen).astype(np.int32)


def cell_sums(cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """Sums of a set's tokens per cell (MUVERA, arXiv 2405.19504, section 2), in the order of the tokens.

    cells: t × R, the cell of every token in every repetition. vectors: t × R × p, or t × 1 × p for all repetitions.
    offsets: set s has tokens offsets[s] … offsets[s + 1] - 1. out: n × R × cells × p float32.
    """
    out[:] = 0
    lengths = np.diff(offsets)
    repetitions = np.arange(cells.shape[1])
    for place in range(int(lengths.max(initial=0))):
        sets = np.flatnonzero(lengths > place)
        tokens = offsets[sets] + place
        out[sets[:, None], repetitions, cells[tokens]] += vectors[tokens]


def cell_means(
    cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], fill: bool, out: NDArray[np.float32]
) -> None:
    """As `cell_sums`, divided by how many they are; with fill, cells without a token take the vector of the nearest.

    Nearest is the token whose cell differs in the fewest bits, the first one among equals.
    """
    cell_sums(cells, vectors, offsets, out)
    count, repetitions, partitions, _ = out.shape
    sets = np.repeat(np.arange(count), np.diff(offsets))[:, None]
    places = np.arange(len(cells))[:, None] - offsets[sets]
    where = (sets, np.arange(repetitions), cells)
    sizes, nearest = np.zeros(out.shape[:3], np.int32), np.full(out.shape[:3], 1 << 62, np.int64)
    np.add.at(sizes, where, 1)
    np.minimum.at(nearest, where, places)
    out /= np.maximum(sizes, 1).astype(np.float32)[..., None]
    if fill:
        for bit in (1 << np.arange(partitions.bit_length() - 1)).tolist():  # distances of bits add up
            pairs = nearest.reshape(count, repetitions, -1, 2, bit)
            pairs[:] = np.minimum(pairs, pairs[:, :, :, ::-1] + (1 << 32))
        empty = np.nonzero((sizes == 0) & (np.diff(offsets) > 0)[:, None, None])
        tokens = offsets[empty[0]] + (nearest[empty] & 0xFFFFFFFF)
        out[empty] = vectors[tokens, empty[1] % vectors.shape[1]]


def hamming(
    queries: NDArray[np.uint8], codes: BitGroups, k: int, usable: NDArray[np.bool_] | None = None
) -> tuple[Ints, Ints]:
    """The k ≥ 1 codes with the fewest bits that differ, best first, lower rows first among equals.

    queries: q × bytes, usable: a mask over rows. Distances and rows, q × k; -1 past the last hit.
    """
    return nearest_by(bits_apart, queries, codes, k, usable)


def bits_apart(query: Words, groups: Words) -> Ints:
    """Hamming distances of one code (words) to all of g × words × 8."""
    distances: Ints = np.bitwise_count(groups ^ query[:, None]).sum(axis=1, dtype=np.int32).ravel()
    return distances


def nearest_by(
    apart: Callable[[Words, Words], Ints],
    queries: NDArray[np.uint8],
    codes: BitGroups,
    k: int,
    usable: NDArray[np.bool_] | None,
) -> tuple[Ints, Ints]:
    """As `hamming`, with distances by `apart`."""
    distances, rows = np.full((len(queries), k), -1, np.int32), np.full((len(queries), k), -1, np.int32)
    places = np.arange(codes.count, dtype=np.int32) if usable is None else np.flatnonzero(usable).astype(np.int32)
    kept, asked = min(k, len(places)), words_of(queries)
    check_width(64 * asked.shape[1], 64 * codes.words.shape[1])
    for number, query in enumerate(asked if kept else ()):
        reached = apart(query, codes.words)[places]
        near = np.flatnonzero(reached <= np.partition(reached, kept - 1)[kept - 1])
        best = near[np.argsort(reached[near], kind="stable")[:kept]]
        distances[number, :kept], rows[number, :kept] = reached[best], places[best]
    return distances, rows


def lookups(
    tables: NDArray[np.uint8],
    codes: Nibbles,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    biases: Ints,
    near: Near,
    usable: NDArray[np.bool_] | None = None,
) -> tuple[Ints, NDArray[np.int64]]:
    """Vectors of some ranges scored by bias + sum of table entries: scores and rows of those that are near the k-th
    best, in no particular order. Lower rows are better among equals.

    tables: 2 × pairs × 16, those of the even subspaces first; no entry above 127, all maxima together below 65536.
    starts, ends: ranges of rows, no row in two of them, with a bias each; fastest with the best first. usable: a mask
    over rows.
    """
    return lookups_by(sums_of, tables, codes, starts, ends, biases, near, usable)


def sums_of(tables: NDArray[np.uint8], blocks: NDArray[np.uint8]) -> Ints:
    """Sums of table entries for b × pairs × 16 codes, 16 b."""
    pairs, (low, high) = np.arange(blocks.shape[1])[:, None], tables
    found: Ints = (low[pairs, blocks & 15].astype(np.int32) + high[pairs, blocks >> 4]).sum(axis=1, dtype=np.int32)
    return found.ravel()


def lookups_by(
    sums: Callable[[NDArray[np.uint8], NDArray[np.uint8]], Ints],
    tables: NDArray[np.uint8],
    codes: Nibbles,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    biases: Ints,
    near: Near,
    usable: NDArray[np.bool_] | None,
) -> tuple[Ints, NDArray[np.int64]]:
    """As `lookups`, with the sums by `sums`."""
    scores, rows = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for start, end, bias in zip(starts.tolist(), ends.tolist(), biases, strict=True):
        for at in range(start, end, CHUNK):
            mine = np.arange(at, min(at + CHUNK, end))
            first = at // LANES
            reached = sums(tables, codes.values[first : -(-(int(mine[-1]) + 1) // LANES)])[mine - first * LANES] + bias
            kept = slice(None) if usable is None else usable[mine]
            scores.append(reached[kept])
            rows.append(mine[kept])
    score, row = np.concatenate(scores), np.concatenate(rows)
    best = np.lexsort((row, -score))[: near.most]
    if len(best) > near.k:
        best = best[score[best] >= score[best[near.k - 1]] - near.slack]
    return score[best], row[best]


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Positions of the k highest scores, best first; among equals the lower position comes first, NaN is like -inf."""
    if k <= 0:
        return np.empty(0, np.int64)
    if np.isnan(scores.max(initial=-np.inf)):
        scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > threshold)
        level = np.flatnonzero(scores == threshold)[: k - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def bm25(
    ranges: Sequence[Ranges], weights: NDArray[np.float32], norms: Norms, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The positions of the k best rows for the terms of a query, and their scores; lower positions first among equals.

    ranges: where the terms stand, in every segment. weights: of every term. A row scores the sum of weight * count /
    (count + norm).
    """
    scores = np.zeros(len(norms.added), np.float32)
    for part in ranges:
        for weight, start, end in zip(weights, part.starts.tolist(), part.ends.tolist(), strict=True):
            at, counts = part.first + part.rows[start:end].astype(np.int64), part.counts[start:end].astype(np.float32)
            scores[at] += weight * (counts / (counts + norms.added[at]))
    found = np.flatnonzero(scores > 0)
    near = found[best(scores[found], k)]
    return near, scores[near]

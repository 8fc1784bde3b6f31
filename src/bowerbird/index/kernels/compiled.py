"""The inner loops in C (kernels.c), called without the interpreter's lock."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.index.kernels.bits import BitGroups, words_of
from bowerbird.index.kernels.blocks import SLOTS, Blocks, Codes, Query, check_slots, check_width, scales_of
from bowerbird.index.kernels.nibbles import Near, Nibbles
from bowerbird.index.kernels.ranges import Norms, Ranges

LIBRARY = Path(__file__).with_name("_kernels.dll" if sys.platform == "win32" else "_kernels.so")
FEW = 8
"""One in so many rows is few: those are looked up one by one."""
HITS = 80
"""Room for hits that may be kept, beside twice as many as are wanted."""
LEVELS = ("portable", "AVX2", "AVX-512 VNNI", "NEON")
COUNTING = ("bb_gather", "bb_top", "bb_code_hits", "bb_best", "bb_bm25_take", "bb_bm25_take_all")
"""Functions that return how many they found, in 64 bits."""

Ints = NDArray[np.int32]
_scratch = threading.local()


@cache
def library() -> ctypes.CDLL:
    """The shared library beside this file. Raises OSError if it was not built for this machine and version."""
    loaded = ctypes.CDLL(str(LIBRARY))
    if not all(hasattr(loaded, name) for name in (*COUNTING, "bb_maxsim_half")):
        raise OSError(f"{LIBRARY} is of an older version; install bowerbird again")
    for name in COUNTING:
        getattr(loaded, name).restype = ctypes.c_int64
    return loaded


def __getattr__(attribute: str) -> str:
    if attribute == "NAME":
        return f"C, {LEVELS[library().bb_level()]}"
    raise AttributeError(attribute)


def set_level(level: int) -> int:
    """Run a slower form than the processor could, a number in LEVELS; -1 the best. For tests. The level in force."""
    return int(library().bb_set_level(level))


def maxsim(
    query: Query, tokens: Blocks | Codes, offsets: NDArray[np.int64], rows: Ints | None = None
) -> NDArray[np.float32]:
    check_width(query.values.shape[1], tokens.dim)
    count = len(offsets) - 1 if rows is None else len(rows)
    out = np.empty(count, np.float32)
    asked = (_at(query.values), _at(query.scales), _long(len(query)), tokens.dim)
    answer = (_at(offsets), _at(rows), _long(count), _at(out))
    if isinstance(tokens, Blocks):
        failed = library().bb_maxsim(*asked, _at(tokens.values), _at(tokens.scales), *answer)
    else:
        stored = (_at(tokens.codes), _at(tokens.residuals), _at(tokens.centroids), _at(tokens.levels))
        failed = library().bb_maxsim_residual(*asked, *stored, tokens.bits, _at(tokens.scales), *answer)
    _check(failed)
    return out


def quantize(
    vectors: Floats, dtype: type[np.float16] | type[np.float32] = np.float16
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    kept = vectors.dtype in (np.float16, np.float32)
    vectors = np.ascontiguousarray(vectors, None if kept else np.float32)
    count, dim = vectors.shape
    values, peaks = np.empty((count, dim), np.int8), np.empty(count, np.float32)
    given = (_at(vectors), int(vectors.itemsize == 2), _long(count), _long(dim))
    library().bb_peaks(*given, _at(peaks))
    scales = scales_of(peaks, dtype)
    steps = scales.astype(np.float32)
    library().bb_quantize(*given, _at(steps), _at(values))
    return values, scales


def nearest(tokens: NDArray[np.int8], centroids: Blocks, count: int) -> tuple[Ints, Ints]:
    check_width(tokens.shape[1], centroids.dim)
    tokens = np.ascontiguousarray(tokens)
    value, index = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    size = (_long(len(tokens)), tokens.shape[1])
    _check(library().bb_nearest(_at(tokens), *size, _at(centroids.values), _long(count), _at(value), _at(index)))
    return value, index


def assign(
    tokens: NDArray[np.int8], regions: Blocks, bounds: NDArray[np.int64], centroids: Blocks, probes: int
) -> tuple[Ints, Ints]:
    check_width(tokens.shape[1], regions.dim)
    check_width(tokens.shape[1], centroids.dim)
    tokens = np.ascontiguousarray(tokens)
    value, index = np.empty(len(tokens), np.int32), np.empty(len(tokens), np.int32)
    size = (_long(len(tokens)), tokens.shape[1])
    tree = (_at(regions.values), _long(len(bounds) - 1), probes, _at(bounds))
    points = (_at(centroids.values), _long(int(bounds[-1])))
    _check(library().bb_assign(_at(tokens), *size, *tree, *points, _at(value), _at(index)))
    return value, index


def table(query: Query, centroids: Blocks, count: int) -> NDArray[np.uint8]:
    check_width(query.values.shape[1], centroids.dim)
    check_slots(query)
    filled = np.empty((count, SLOTS), np.uint8)
    scratch = _room("table", count * SLOTS, np.int32)
    asked = (_at(query.values), _at(query.scales), _long(len(query)), centroids.dim)
    _check(library().bb_table(*asked, _at(centroids.values), _long(count), _at(scratch), _at(filled)))
    return filled


def scan(query: Query, vectors: Blocks, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    check_width(query.values.shape[1], vectors.dim)
    total = int((ends - starts).sum())
    out = np.empty((len(query), total), np.float32)
    asked = (_at(query.values), _at(query.scales), _long(len(query)), vectors.dim)
    ranges = (_at(starts), _at(ends), _long(len(starts)), _long(total))
    _check(library().bb_scan(*asked, _at(vectors.values), _at(vectors.scales), *ranges, _at(out)))
    return out


def interact(
    table: NDArray[np.uint8], codes: NDArray[np.uint16], offsets: NDArray[np.int64], rows: Ints | None = None
) -> Ints:
    count = len(offsets) - 1 if rows is None else len(rows)
    out = np.empty(count, np.int32)
    library().bb_interact(_at(table), _at(codes), _at(offsets), _at(rows), _long(count), _at(out))
    return out


def gather(
    table: NDArray[np.uint8], tokens: int, probes: int, list_offsets: NDArray[np.int64], lists: Ints, documents: int
) -> tuple[Ints, Ints]:
    sums, last = _room("sums", documents, np.uint16), _room("last", documents, np.uint8)
    touched, reached = _room("touched", documents, np.int32), _room("reached", documents, np.int32)
    sizes = (_long(len(table)), _long(tokens), _long(probes))
    found = library().bb_gather(
        _at(table), *sizes, _at(list_offsets), _at(lists), _at(sums), _at(last), _at(touched), _at(reached)
    )
    _check(min(found, 0))
    return touched[:found].copy(), reached[:found].copy()


def top(scores: Ints, count: int) -> Ints:
    out = np.empty(min(count, len(scores)), np.int32)
    _check(min(library().bb_top(_at(scores), _long(len(scores)), _long(len(out)), _at(out)), 0))
    return out


def cell_sums(cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    library().bb_cell_sums(*_cells(cells, vectors, out), _at(offsets), _long(len(out)), _at(out))


def cell_means(
    cells: Ints, vectors: NDArray[np.float32], offsets: NDArray[np.int64], fill: bool, out: NDArray[np.float32]
) -> None:
    _check(library().bb_cell_means(*_cells(cells, vectors, out), _at(offsets), _long(len(out)), int(fill), _at(out)))


def _cells(cells: Ints, vectors: NDArray[np.float32], out: NDArray[np.float32]) -> tuple[Any, ...]:
    _, repetitions, partitions, width = out.shape
    own = vectors.shape[1]
    steps = (_long(own * width), _long(width if own > 1 else 0))
    return (_at(cells), _at(vectors), *steps, _long(repetitions), _long(partitions), _long(width))


def hamming(
    queries: NDArray[np.uint8], codes: BitGroups, k: int, usable: NDArray[np.bool_] | None = None
) -> tuple[Ints, Ints]:
    distances, rows = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.int32)
    asked = words_of(queries)
    check_width(64 * asked.shape[1], 64 * codes.words.shape[1])
    sizes = (_long(codes.count), _long(asked.shape[1]), _long(k))
    stored = (_at(codes.words), *sizes, _at(usable))
    _check(library().bb_hamming(_at(asked), _long(len(asked)), *stored, _at(distances), _at(rows)))
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
    scores, rows = np.empty(near.most, np.int32), np.empty(near.most, np.int64)
    ranges = (_at(starts), _at(ends), _at(biases), _long(len(starts)))
    stored = (_at(tables), _long(codes.pairs), _at(codes.values))
    wanted = (_long(near.k), _long(near.slack), _long(near.most))
    room = np.empty(2 * near.most + HITS, np.int64)
    found = library().bb_code_hits(*stored, *ranges, _at(usable), *wanted, _at(room), _at(scores), _at(rows))
    _check(min(found, 0))
    return scores[:found], rows[:found]


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    count = max(min(k, len(scores)), 0)
    room, out = np.empty(2 * count + HITS, np.int64), np.empty(count, np.int64)
    if count > 0:
        library().bb_best(_at(scores), _long(len(scores)), _long(count), _at(room), _at(out))
    return out


def rescore(query: NDArray[np.float32], vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    check_width(len(query), vectors.shape[1])
    out, query = np.empty(len(rows), np.float32), np.ascontiguousarray(query)
    asked = (_at(query), _at(vectors), _long(vectors.shape[1]))
    library().bb_rescore(*asked, _at(rows), _long(len(rows)), _at(out))
    return out


def maxsim_half(
    query: NDArray[np.float32], vectors: NDArray[np.float16], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    check_width(query.shape[1], vectors.shape[1])
    out, query = np.empty(len(rows), np.float32), np.ascontiguousarray(query)
    asked = (_at(query), _long(len(query)), _long(query.shape[1]))
    _check(library().bb_maxsim_half(*asked, _at(vectors), _at(offsets), _at(rows), _long(len(rows)), _at(out)))
    return out


def bm25(
    ranges: Sequence[Ranges], weights: NDArray[np.float32], norms: Norms, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    best, positions = np.empty(k, np.float32), np.empty(k, np.int64)
    try:
        size = _bm25(ranges, weights, norms, k, best, positions)
    except BaseException:  # such as Ctrl-C
        _scratch.__dict__.pop("scores", None)  # some are not zero
        raise
    order = np.lexsort((positions[:size], -best[:size]))
    return positions[order], best[order]


def _bm25(
    ranges: Sequence[Ranges],
    weights: NDArray[np.float32],
    norms: Norms,
    k: int,
    best: NDArray[np.float32],
    positions: NDArray[np.int64],
) -> int:
    """Fills in the best scores and their rows; how many there are."""
    count, terms, size = len(norms.added), _long(len(weights)), 0
    scores = _room("scores", count, np.float32)  # all zero before and after
    for part in ranges:
        postings = (_at(part.rows), _at(part.counts), _at(part.starts), _at(part.ends), _at(weights), terms)
        rows = (_at(norms.added[part.first :]), _at(norms.once[part.first :]), _at(scores[part.first :]))
        library().bb_bm25_add(*postings, *rows)
    if sum(int((part.ends - part.starts).sum()) for part in ranges) > count // FEW:
        size = library().bb_bm25_take_all(_at(scores), _long(count), _long(k), _at(best), _at(positions))
    else:
        for part in ranges:
            touched = (_at(part.rows), _at(part.starts), _at(part.ends), terms, _at(scores[part.first :]))
            hits = (_long(part.first), _long(k), _at(best), _at(positions), _long(size))
            size = library().bb_bm25_take(*touched, *hits)
    return size


def _at(array: NDArray[Any] | None) -> ctypes.c_void_p | None:
    """The address of an array; the caller keeps it alive."""
    if array is None:
        return None
    if not array.flags.c_contiguous:
        raise ValueError("kernels take contiguous arrays")
    return ctypes.c_void_p(array.ctypes.data)


def _long(number: int) -> ctypes.c_int64:
    return ctypes.c_int64(number)


def _room(name: str, size: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Memory of this thread that is used again by the next call; zero when it is new."""
    room = getattr(_scratch, name, None)
    if room is None or len(room) < size:
        room = np.zeros(size, dtype)
        setattr(_scratch, name, room)
    found: NDArray[Any] = room
    return found


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("no memory for a search kernel")

"""Fewer vectors per document: tokens that say nearly the same are replaced by their mean.

Hierarchical clustering with Ward's criterion, cut where a document has 1 / factor of its vectors (Clavié, Chaffin and
Adams, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token Pooling",
arXiv 2409.14683; the same is done to the patches of pages in ColPali, arXiv 2407.01449).

Ward's criterion is reducible: pairs that are nearest to each other can all be joined at once, and the tree is the one
that joining the closest pair at a time gives (Murtagh 1983). So there are about log n rounds of one matrix product
instead of n steps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats, MultiVector

Singles = NDArray[np.float32]
Labels = NDArray[np.int64]


def pooled(tokens: MultiVector, factor: int) -> MultiVector:
    """n sets of m_i unit vectors → n sets of about m_i / factor unit vectors, at least one of every set that has any.

    The means are scaled to unit length. Raises ValueError for a factor below 1.
    """
    if factor < 1:
        raise ValueError(f"the factor says how many times fewer vectors there should be, got {factor}")
    if factor == 1:
        return tokens
    sets = [_means(tokens[row], max(len(tokens[row]) // factor, 1)) for row in range(len(tokens))]
    lengths = [len(one) for one in sets]
    vectors = np.concatenate([np.zeros((0, tokens.dim), np.float32), *sets])
    return MultiVector(vectors, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _means(vectors: Floats, count: int) -> Singles:
    """The mean directions of `count` clusters, in the order of their first vectors."""
    wide = np.asarray(vectors, np.float32)
    if len(wide) <= count:
        return wide
    labels = clusters(wide, count)
    order = np.argsort(labels, kind="stable")
    sums: Singles = np.add.reduceat(wide[order], np.flatnonzero(np.diff(labels[order], prepend=-1)), axis=0)
    means: Singles = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return means


def clusters(vectors: Singles, count: int) -> Labels:
    """Ward's clusters of n × dim vectors: n labels from 0, in the order of their first vectors. 1 ≤ count ≤ n."""
    _, first, same = np.unique(_rows(vectors), return_index=True, return_inverse=True)
    places = np.sort(first)  # equal vectors are joined before all others
    point = np.searchsorted(places, first)[same.ravel()]
    joins = _tree(vectors[places], np.bincount(point).astype(np.float32))
    cheapest = joins[np.argsort(joins[:, 2], kind="stable")][: max(len(places) - count, 0), :2].astype(np.int64)
    return _numbered(_components(len(places), cheapest)[point])


def _tree(points: Singles, sizes: Singles) -> NDArray[np.float64]:
    """All n - 1 joins of n different points of some sizes: a point of either side, and what the join costs."""
    names, joins = np.arange(len(points)), []
    while len(points) > 1:
        cost = _costs(points, sizes)
        nearest = cost.argmin(axis=1)
        mutual = np.flatnonzero((nearest[nearest] == np.arange(len(points))) & (nearest > np.arange(len(points))))
        other = nearest[mutual]
        joins.append(np.stack([names[mutual], names[other], cost[mutual, other].astype(np.float64)], axis=1))
        total = (sizes[mutual] + sizes[other])[:, None]
        points[mutual] = (points[mutual] * sizes[mutual, None] + points[other] * sizes[other, None]) / total
        sizes[mutual] = total[:, 0]
        kept = np.ones(len(points), bool)
        kept[other] = False
        points, sizes, names = points[kept], sizes[kept], names[kept]
    return np.concatenate([np.zeros((0, 3)), *joins])


def _costs(points: Singles, sizes: Singles) -> Singles:
    """By how much a join adds to the squared distances from means, n × n; symmetric, infinite on the diagonal."""
    squares = np.einsum("ij,ij->i", points, points)
    cost: Singles = points @ points.T
    cost *= -2
    cost += squares[:, None] + squares
    cost *= (sizes[:, None] * sizes) / (sizes[:, None] + sizes)
    np.fill_diagonal(cost, np.inf)
    return cost


def _components(count: int, pairs: Labels) -> Labels:
    """For each of `count` points the lowest point it is joined with, directly or through others."""
    lowest = np.arange(count)
    while True:
        sides = lowest[pairs]
        low = sides.min(axis=1)
        if (sides == low[:, None]).all():
            return lowest
        for side in sides.T:
            np.minimum.at(lowest, side, low)
        lowest = lowest[lowest]


def _numbered(labels: Labels) -> Labels:
    """The same groups, numbered in the order of their first members."""
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    return numbers[group.ravel()]


def _rows(vectors: Singles) -> NDArray[np.void]:
    """Every row as one value."""
    packed = np.ascontiguousarray(vectors)
    return packed.view(np.dtype((np.void, packed.shape[1] * packed.itemsize))).ravel()

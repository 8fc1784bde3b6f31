"""A learned reduction to one vector (LEMUR, arXiv 2601.21853).

MaxSim is a sum over query tokens of g_l(x), the best similarity of a token x to document l. A network with one hidden
layer, ψ(x) = GELU(LayerNorm(A x + b)), learns g for some documents; the vector of any document is then the fit of its
g on ψ of sampled tokens by least squares. The vector of a query is the sum of ψ over its tokens, and one inner product
stands for MaxSim. Needs torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.engine.arrays import Floats
from benchmarks.engine.ideas.candidates import Finder, by_vectors
from bowerbird.embeddings import MultiVector
from bowerbird.index import kernels
from bowerbird.index.kernels import Blocks, Query, quantize

IDEA = "LEMUR"
TARGETS = 2048
"""Documents whose similarities the network learns."""
LEARNED = 65_536
"""Tokens that it learns them on."""
FITTED = 8192
"""Tokens that the vectors of all documents are fitted on."""
BATCH = 512
RATE = 3e-3
CLIPPED = 0.5
"""Length of a gradient."""
RIDGE = 1e-3
"""Added to the mean square of a feature, so that features that say the same do not cancel."""
CHUNK = 4096
"""Tokens of documents that are compared at a time."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """targets, learned, fitted: see the constants. seconds: processor time that a network may learn."""

    targets: int = TARGETS
    learned: int = LEARNED
    fitted: int = FITTED
    seconds: float = 200.0


@dataclass(frozen=True)
class Net:
    """features: ψ. took: processor seconds of learning. passes: over the learned tokens."""

    features: nn.Sequential
    took: float
    passes: float

    def __call__(self, tokens: Floats) -> Array:
        with torch.inference_mode():
            found: Array = self.features(torch.from_numpy(np.asarray(tokens, np.float32))).numpy()
        return found


def finders(
    documents: MultiVector, asked: Floats, widths: Sequence[int], sizes: Sizes, *, source: str, untrained: bool = False
) -> list[Finder]:
    """A finder per width. asked: tokens to learn and to fit on, as queries would have; source: what they are."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    asked = np.asarray(asked[np.sort(random.permutation(len(asked))[: sizes.learned])], np.float32)
    started = time.process_time()
    some = np.sort(random.permutation(len(documents))[: sizes.targets])
    wanted = np.concatenate(list(similarities(asked, MultiVector.of([documents[int(one)] for one in some]))), axis=1)
    centre, scale = float(wanted.mean()), float(wanted.std())
    wanted = (wanted - centre) / scale
    compared = time.process_time() - started
    nets = [learn(asked, wanted, width, sizes.seconds) for width in widths]
    if untrained:
        nets.append(learn(asked, wanted, widths[-1], 0.0))
    started = time.process_time()
    sample = asked[np.sort(random.permutation(len(asked))[: sizes.fitted])]
    vectors = fit(nets, sample, documents, centre, scale)
    fitted = (time.process_time() - started) / len(nets)
    return [
        _finder(net, one, compared * (net.took > 0) + net.took + fitted, source)
        for net, one in zip(nets, vectors, strict=True)
    ]


def _finder(net: Net, vectors: Array, build_s: float, source: str) -> Finder:
    """Moving and scaling vectors changes inner products by the same for all documents, and suits int8."""
    middle, deviation = vectors.mean(axis=0), vectors.std(axis=0) + 1e-9

    def encode(query: MultiVector) -> Array:
        return net(query.vectors).sum(axis=0, keepdims=True) * deviation

    learned = f"{net.passes:.0f} passes over {source}" if net.passes else "random features"
    return by_vectors(IDEA, f"{vectors.shape[1]:,}, {learned}", build_s, (vectors - middle) / deviation, encode)


def similarities(tokens: Array, documents: MultiVector) -> Iterator[Array]:
    """The best similarity of every token to every document, n × some documents at a time, with int8 arithmetic."""
    run, start, offsets = kernels.use(), 0, documents.offsets
    parts = [Query.of(tokens[at : at + BATCH]) for at in range(0, len(tokens), BATCH)]
    while start < len(documents):
        end = max(start + 1, int(np.searchsorted(offsets, offsets[start] + CHUNK, "right")) - 1)
        stored = Blocks.of(*quantize(documents.vectors[offsets[start] : offsets[end]]))
        bounds = offsets[start:end] - offsets[start]
        whole = np.zeros(1, np.int64), offsets[end : end + 1] - offsets[start]
        yield np.concatenate([np.maximum.reduceat(run.scan(part, stored, *whole), bounds, axis=1) for part in parts])
        start = end


def learn(tokens: Array, wanted: Array, width: int, seconds: float) -> Net:
    """The features of a network that has learned what is wanted of each token, n × targets, for so long."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Linear(tokens.shape[1], width), nn.LayerNorm(width), nn.GELU())
    network = nn.Sequential(features, nn.Linear(width, wanted.shape[1], bias=False))
    steps = torch.optim.Adam(network.parameters(), lr=RATE)
    asked, answers = torch.from_numpy(tokens), torch.from_numpy(wanted)
    started, seen = time.process_time(), 0
    while (spent := (time.process_time() - started)) < seconds:
        for group in steps.param_groups:  # less and less, so that the last steps settle
            group["lr"] = RATE * (1 - spent / seconds)
        rows = torch.randint(len(tokens), (BATCH,))
        steps.zero_grad()
        loss: Tensor = nn.functional.mse_loss(network(asked[rows]), answers[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), CLIPPED)
        steps.step()
        seen += BATCH
    return Net(features.eval(), time.process_time() - started if seen else 0.0, seen / len(tokens))


def fit(nets: Sequence[Net], sample: Array, documents: MultiVector, centre: float, scale: float) -> list[Array]:
    """Vectors of all documents by least squares, documents × width, for each network."""
    known = [net(sample) for net in nets]
    squares = [one.T @ one for one in known]
    for square in squares:
        square[np.diag_indices_from(square)] += RIDGE * np.trace(square) / len(square)
    products = [[] for _ in nets]
    for found in similarities(sample, documents):
        for one, parts in zip(known, products, strict=True):
            parts.append(one.T @ ((found - centre) / scale))
    return [
        np.linalg.solve(square, np.concatenate(parts, axis=1)).T.astype(np.float32)
        for square, parts in zip(squares, products, strict=True)
    ]

"""Binary codes for two kinds of things of which only some are known to belong together.

RREH-style (arXiv 2405.17777): the paper's structure is known, its exact symbols and weights are not, so this objective
is a reconstruction. Items are rows here. With pairs X_v and unpaired items Y_v of both modalities v, anchors A_v drawn
from the pairs, and the relations P_v of unpaired items to the anchors, which are found once:

    P_v = argmin ‖Y_v − P A_v‖² + λ ‖P‖²

    min  Σ_v ‖X_v − V U_v‖² + ‖Y_v − Z_v U_v‖²                      one subspace for both
       + α Σ_v ‖Z_v − P_v V[anchors]‖²                              relations embedded in it
       + β (‖B − V R‖² + Σ_v ‖C_v − Z_v R‖²)                        codes are rotated latents
       + γ Σ_v ‖[B; C_v] − φ_v([X_v; Y_v]) W_v‖² + γ μ ‖W_v‖²       hash functions for items to come

over latents V, Z_v, dictionaries U_v, a rotation R, hash functions W_v and codes B, C_v of ±1. Every step below is the
exact minimum over its variables, so the objective never rises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Binary, Floats

Array: TypeAlias = Floats
Both: TypeAlias = tuple[Array, Array]
"""One array for each modality."""

RIDGE = 1e-6
"""Keeps dictionaries finite where latents do not span all bits."""


@dataclass(frozen=True)
class Settings:
    """bits: a multiple of 8. kernels: centres of the hash functions' features. alpha 0: without relations."""

    bits: int = 32
    anchors: int = 100
    kernels: int = 300
    alpha: float = 1.0
    beta: float = 0.1
    gamma: float = 1.0
    relation: float = 1.0
    smoothing: float = 0.01
    rounds: int = 15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.bits < 8 or self.bits % 8:
            raise ValueError(f"codes have whole bytes, got {self.bits} bits")


@dataclass(frozen=True)
class Features:
    """Radial functions around training items: n × d → n × kernels."""

    mean: Array
    centres: Array
    width: float

    @staticmethod
    def of(items: Array, count: int, rng: np.random.Generator) -> Features:
        mean = items.mean(axis=0)
        placed = _unit(items - mean)
        centres = placed[np.sort(rng.permutation(len(placed))[:count])]
        return Features(mean, centres, float(np.mean(_squares(placed, centres))))

    def placed(self, items: Array) -> Array:
        """Centred, of unit length."""
        return _unit(items - self.mean)

    def __call__(self, items: Array) -> Array:
        found: Array = np.exp(-_squares(self.placed(items), self.centres) / (2 * self.width))
        return found


@dataclass(frozen=True)
class Hasher:
    """A code for any item of either modality (0 or 1). history: the objective after every step of the training."""

    features: tuple[Features, Features]
    functions: Both
    history: tuple[float, ...]

    def encode(self, modality: int, items: NDArray[np.floating]) -> Binary:
        """n × d → n codes, packed."""
        raw = self.features[modality](np.asarray(items, np.float64)) @ self.functions[modality]
        return Binary(np.packbits(raw >= 0, axis=1))


@dataclass(frozen=True)
class Problem:
    """What does not change. pairs: n × d_v each, row i of both is one thing. alone: the unpaired, n_v × d_v.

    phi: features of pairs, then of the unpaired, N_v × K. solvers: K × N_v, what makes hash functions of codes.
    relations: n_v × m. anchors: m rows of the pairs.
    """

    settings: Settings
    pairs: Both
    alone: Both
    phi: Both
    solvers: Both
    relations: Both
    anchors: NDArray[np.int64]


@dataclass(frozen=True)
class State:
    """The variables, named as above: V, Z, U, R, W, B and C."""

    shared: Array
    own: Both
    dictionaries: Both
    rotation: Array
    functions: Both
    codes: Array
    own_codes: Both


def fit(pairs: Both, alone: Both, settings: Settings) -> Hasher:
    """Learn codes from n pairs (n × d_0, n × d_1) and unpaired items (n_0 × d_0, n_1 × d_1), which may be none.

    Raises ValueError for pairs that are not as many on both sides, or none.
    """
    if len(pairs[0]) != len(pairs[1]) or not len(pairs[0]):
        raise ValueError(f"pairs have as many items of both kinds, got {len(pairs[0])} and {len(pairs[1])}")
    rng = np.random.default_rng(settings.seed)
    both = [np.concatenate(some) for some in zip(pairs, alone, strict=True)]
    features = tuple(Features.of(items, settings.kernels, rng) for items in both)
    anchors = np.sort(rng.permutation(len(pairs[0]))[: settings.anchors])
    problem = _problem(pairs, alone, features, anchors, settings)
    state = _start(problem, rng)
    history = [objective(problem, state)]
    for _ in range(settings.rounds):
        for step in STEPS:
            state = step(problem, state)
            history.append(objective(problem, state))
    return Hasher((features[0], features[1]), state.functions, tuple(history))


def relations(items: Array, anchors: Array, ridge: float) -> Array:
    """n × d items as linear combinations of m × d anchors: n × m coefficients (ridge regression)."""
    found: Array = np.linalg.solve(anchors @ anchors.T + ridge * np.eye(len(anchors)), anchors @ items.T).T
    return found


def objective(problem: Problem, state: State) -> float:
    """Everything that is minimised, ridge terms of the dictionaries and hash functions included."""
    settings, anchored = problem.settings, state.shared[problem.anchors]
    total = settings.beta * _norm(state.codes - state.shared @ state.rotation)
    for v in (0, 1):
        total += _norm(problem.pairs[v] - state.shared @ state.dictionaries[v])
        total += _norm(problem.alone[v] - state.own[v] @ state.dictionaries[v])
        total += RIDGE * _norm(state.dictionaries[v])
        total += settings.alpha * _norm(state.own[v] - problem.relations[v] @ anchored)
        total += settings.beta * _norm(state.own_codes[v] - state.own[v] @ state.rotation)
        targets = np.concatenate([state.codes, state.own_codes[v]])
        total += settings.gamma * _norm(targets - problem.phi[v] @ state.functions[v])
        total += settings.gamma * _mu(problem.phi[v], settings) * _norm(state.functions[v])
    return total


def _problem(
    pairs: Both, alone: Both, features: Sequence[Features], anchors: NDArray[np.int64], settings: Settings
) -> Problem:
    placed = [features[v].placed(pairs[v]) for v in (0, 1)]
    others = [features[v].placed(alone[v]) for v in (0, 1)]
    phi = [features[v](np.concatenate([pairs[v], alone[v]])) for v in (0, 1)]
    return Problem(
        settings,
        (placed[0], placed[1]),
        (others[0], others[1]),
        (phi[0], phi[1]),
        _both(lambda v: np.linalg.solve(_gram(phi[v], settings), phi[v].T)),
        _both(lambda v: relations(others[v], placed[v][anchors], settings.relation)),
        anchors,
    )


def _gram(phi: Array, settings: Settings) -> Array:
    found: Array = phi.T @ phi + _mu(phi, settings) * np.eye(phi.shape[1])
    return found


def _start(problem: Problem, rng: np.random.Generator) -> State:
    """Latents of pairs are the strongest directions of both modalities side by side; a random rotation."""
    bits = problem.settings.bits
    left, _, _ = np.linalg.svd(np.concatenate(problem.pairs, axis=1), full_matrices=False)
    shared = np.zeros((len(left), bits))
    shared[:, : min(bits, left.shape[1])] = left[:, :bits] * np.sqrt(len(left))
    rotation, _ = np.linalg.qr(rng.standard_normal((bits, bits)))
    none = tuple(np.zeros((len(alone), bits)) for alone in problem.alone)
    functions = tuple(np.zeros((phi.shape[1], bits)) for phi in problem.phi)
    from_pairs = tuple(_dictionary(shared, pairs) for pairs in problem.pairs)
    state = State(
        shared, (none[0], none[1]), (from_pairs[0], from_pairs[1]), rotation,
        (functions[0], functions[1]), _sign(shared @ rotation), (none[0], none[1]),
    )  # fmt: skip
    own = _both(lambda v: _own(problem, state, v, beta=RIDGE))
    return replace(state, own=own, own_codes=_both(lambda v: _sign(own[v] @ rotation)))


def _dictionaries(problem: Problem, state: State) -> State:
    def one(v: int) -> Array:
        latents = np.concatenate([state.shared, state.own[v]])
        return _dictionary(latents, np.concatenate([problem.pairs[v], problem.alone[v]]))

    return replace(state, dictionaries=_both(one))


def _dictionary(latents: Array, items: Array) -> Array:
    found: Array = np.linalg.solve(latents.T @ latents + RIDGE * np.eye(latents.shape[1]), latents.T @ items)
    return found


def _own_latents(problem: Problem, state: State) -> State:
    return replace(state, own=_both(lambda v: _own(problem, state, v, problem.settings.beta)))


def _own(problem: Problem, state: State, v: int, beta: float) -> Array:
    """Latents of unpaired items: between their dictionary, their anchors and their codes."""
    alpha, words = problem.settings.alpha, state.dictionaries[v]
    target = problem.alone[v] @ words.T + alpha * (problem.relations[v] @ state.shared[problem.anchors])
    target = target + beta * (state.own_codes[v] @ state.rotation.T)
    found: Array = np.linalg.solve(words @ words.T + (alpha + beta) * np.eye(len(words)), target.T).T
    return found


def _shared_latents(problem: Problem, state: State) -> State:
    """Those of pairs; anchors also answer for all that is reconstructed from them, by a Sylvester equation."""
    settings, rows = problem.settings, problem.anchors
    left = settings.beta * np.eye(settings.bits)
    right = settings.beta * (state.codes @ state.rotation.T)
    weight, pull = np.zeros((len(rows), len(rows))), np.zeros((len(rows), settings.bits))
    for v in (0, 1):
        left = left + state.dictionaries[v] @ state.dictionaries[v].T
        right = right + problem.pairs[v] @ state.dictionaries[v].T
        weight += settings.alpha * (problem.relations[v].T @ problem.relations[v])
        pull += settings.alpha * (problem.relations[v].T @ state.own[v])
    shared: Array = np.linalg.solve(left, right.T).T
    shared[rows] = sylvester(weight, left, right[rows] + pull)
    return replace(state, shared=shared)


def sylvester(left: Array, right: Array, target: Array) -> Array:
    """The X with left X + X right = target, for symmetric matrices whose sums of eigenvalues are positive."""
    one, first = np.linalg.eigh(left)
    other, second = np.linalg.eigh(right)
    found: Array = first @ ((first.T @ target @ second) / (one[:, None] + other)) @ second.T
    return found


def _rotation(problem: Problem, state: State) -> State:
    """Procrustes: the rotation that brings latents nearest to codes."""
    latents = np.concatenate([state.shared, *state.own])
    left, _, right = np.linalg.svd(latents.T @ np.concatenate([state.codes, *state.own_codes]))
    return replace(state, rotation=left @ right)


def _functions(problem: Problem, state: State) -> State:
    return replace(
        state,
        functions=_both(lambda v: problem.solvers[v] @ np.concatenate([state.codes, state.own_codes[v]])),
    )


def _codes(problem: Problem, state: State) -> State:
    """Signs, without relaxing that codes are ±1: the norm of a code is the same whatever its bits."""
    beta, gamma, count = problem.settings.beta, problem.settings.gamma, len(state.codes)
    hashed = _both(lambda v: gamma * (problem.phi[v] @ state.functions[v]))
    codes = _sign(beta * (state.shared @ state.rotation) + hashed[0][:count] + hashed[1][:count])
    own = _both(lambda v: _sign(beta * (state.own[v] @ state.rotation) + hashed[v][count:]))
    return replace(state, codes=codes, own_codes=own)


STEPS: tuple[Callable[[Problem, State], State], ...] = (
    _dictionaries, _own_latents, _shared_latents, _rotation, _functions, _codes,
)  # fmt: skip


def _mu(phi: Array, settings: Settings) -> float:
    """Smoothing in proportion to how many items a kernel answers for."""
    return settings.smoothing * float(phi.shape[0]) / float(phi.shape[1])


def _both(make: Callable[[int], Array]) -> Both:
    return make(0), make(1)


def _sign(values: Array) -> Array:
    """±1, with +1 for 0."""
    return np.where(values >= 0, 1.0, -1.0)


def _unit(rows: Array) -> Array:
    found: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def _squares(items: Array, centres: Array) -> Array:
    """Squared distances, n × K."""
    found: Array = (items * items).sum(axis=1)[:, None] + (centres * centres).sum(axis=1) - 2 * items @ centres.T
    return np.maximum(found, 0)


def _norm(matrix: Array) -> float:
    return float((matrix * matrix).sum())

"""The network: it reads a query's vector and the digits so far, and says how likely every next digit is.

The query's encoder is frozen; what is learned is a decoder of two layers whose digits have a vector for every
position (the 2D identifiers of arXiv 2305.11841). It is trained with torch and runs with numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Floats
from bowerbird.errors import MissingExtra
from bowerbird.papers.generative_retrieval.identifiers import Digits, Identifiers

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Training:
    """hidden: the model's size. epochs: times that every example is seen."""

    hidden: int = 256
    epochs: int = 40
    batch: int = 128
    rate: float = 2e-3
    dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Decoder:
    """Weights by name. mean, scale: what query vectors are centred and divided by.

    query: dim × h. place: L × h. digit: L × symbols × h, digits already written. inner: h × h, bias: h.
    out: L × h × symbols.
    """

    weights: Mapping[str, Singles]

    def log_probs(self, queries: Floats, written: Digits) -> Floats:
        """r × dim query vectors, r × t digits → r × symbols log-probabilities of digit t."""
        step = written.shape[1]
        hidden = self.read(queries) + self.weights["place"][step]
        for place in range(step):
            hidden = hidden + self.weights["digit"][place][written[:, place]]
        hidden = np.maximum(hidden, 0)
        hidden = hidden + np.maximum(hidden @ self.weights["inner"] + self.weights["bias"], 0)
        logits = hidden @ self.weights["out"][step]
        top = logits.max(axis=1, keepdims=True)
        found: Floats = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        return found

    def read(self, queries: Floats) -> Floats:
        found: Floats = ((queries - self.weights["mean"]) / self.weights["scale"]) @ self.weights["query"]
        return found

    @property
    def parameters(self) -> int:
        return sum(weight.size for name, weight in self.weights.items() if name not in ("mean", "scale"))


def train(examples: Singles, documents: NDArray[np.int64], identifiers: Identifiers, how: Training) -> Decoder:
    """Cross-entropy of the identifiers' digits. examples: e × dim vectors of texts, documents: the row each names.

    Raises MissingExtra without torch.
    """
    try:
        import torch
        from torch.nn.functional import cross_entropy, dropout
    except ImportError as error:
        raise MissingExtra("train", "training a generative index") from error
    weights = _start(examples, identifiers, how)
    learned = {name: torch.tensor(weight) for name, weight in weights.items()}
    trained = [learned[name].requires_grad_() for name in learned if name not in ("mean", "scale")]
    optimiser = torch.optim.Adam(trained, how.rate)
    steps = how.epochs * -(-len(examples) // how.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.rate, total_steps=steps)
    read = (torch.tensor(examples) - learned["mean"]) / learned["scale"]
    wanted = torch.tensor(identifiers.digits[documents])
    places = torch.arange(identifiers.length)
    rng = torch.Generator().manual_seed(how.seed)
    torch.manual_seed(how.seed)
    for _ in range(how.epochs):
        for rows in torch.randperm(len(examples), generator=rng).split(how.batch):
            digits = wanted[rows]
            written = learned["digit"][places[:-1], digits[:, :-1]].cumsum(dim=1)
            before = torch.nn.functional.pad(written, (0, 0, 1, 0))
            hidden = torch.relu((read[rows] @ learned["query"])[:, None] + before + learned["place"])
            hidden = dropout(hidden, how.dropout)
            hidden = hidden + torch.relu(hidden @ learned["inner"] + learned["bias"])
            logits = torch.einsum("blh,lhv->blv", hidden, learned["out"])
            loss = cross_entropy(logits.flatten(0, 1), digits.flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return Decoder({name: weight.detach().numpy() for name, weight in learned.items()})


def _start(examples: Singles, identifiers: Identifiers, how: Training) -> dict[str, Singles]:
    rng, hidden, length = np.random.default_rng(how.seed), how.hidden, identifiers.length

    def drawn(*shape: int) -> Singles:
        found: Singles = (rng.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)
        return found

    mean = examples.mean(axis=0)
    return {
        "mean": mean.astype(np.float32),
        "scale": np.asarray((examples - mean).std() + 1e-9, np.float32),
        "query": drawn(examples.shape[1], hidden),
        "place": np.zeros((length, hidden), np.float32),
        "digit": 0.3 * rng.standard_normal((length, identifiers.symbols, hidden)).astype(np.float32),
        "inner": drawn(hidden, hidden),
        "bias": np.zeros(hidden, np.float32),
        "out": drawn(length, hidden, identifiers.symbols),
    }

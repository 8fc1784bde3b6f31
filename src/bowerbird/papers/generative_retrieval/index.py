"""An index that is a model: it writes the identifiers of the documents that answer a query.

It has the shape of every other index (index/base.py). Documents are known to it by their vectors and, which is what
matters, by the vectors of questions that they answer. Changing them means learning anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bowerbird.embeddings import Dense, Floats
from bowerbird.errors import CollectionError
from bowerbird.index.base import Found, IndexStats, Keys, Mask, check_keys, check_queries, check_request
from bowerbird.index.manifest import PACK
from bowerbird.papers.generative_retrieval.beam import NONE, LogProbs, Trie, Written, constrained
from bowerbird.papers.generative_retrieval.decoder import Decoder, Training, train
from bowerbird.papers.generative_retrieval.identifiers import SCHEMES, Digits, Identifiers
from bowerbird.storage.packs import Pack, write_pack

KIND = "generative"
BEAM = 40
"""Identifiers that are followed at a time (arXiv 2305.11841, 4.2)."""


@dataclass(frozen=True)
class Asked:
    """Vectors of questions, m × dim, and the key of the document that answers each."""

    keys: Keys
    vectors: Dense


@dataclass(frozen=True)
class Known:
    """What is learned from. read: whether the documents' own vectors are examples, too."""

    keys: Keys
    vectors: Dense
    asked: Asked
    scheme: str = "semantic"
    read: bool = True
    training: Training = field(default_factory=Training)


class GenerativeIndex:
    """Keys are whole numbers ≥ 0 that the caller gives; vectors are those of a text encoder, for inner products."""

    def __init__(self, known: Known, identifiers: Identifiers, decoder: Decoder, folder: Path | None = None) -> None:
        self._known, self._identifiers, self._decoder, self._folder = known, identifiers, decoder, folder
        self._pack: Path | None = None

    @classmethod
    def build(
        cls,
        keys: Keys,
        vectors: Dense,
        *,
        folder: str | Path | None = None,
        asked: Asked | None = None,
        scheme: str = "semantic",
        read: bool = True,
        training: Training | None = None,
    ) -> GenerativeIndex:
        """asked: synthetic or labelled queries. scheme: one of identifiers.SCHEMES. read: learn from documents, too.

        Raises ValueError for keys that do not fit or nothing to learn from, MissingExtra without torch.
        """
        check_keys(keys, len(vectors))
        if not len(keys):
            raise ValueError("an index is built from at least one document")
        none = Asked(np.zeros(0, np.int64), Dense(np.zeros((0, vectors.dim), np.float32)))
        known = Known(keys, vectors, asked or none, scheme, read, training or Training())
        return cls._learned(known, None if folder is None else Path(folder))

    @classmethod
    def _learned(cls, known: Known, folder: Path | None) -> GenerativeIndex:
        wide = known.vectors.vectors.astype(np.float32)
        identifiers = SCHEMES[known.scheme](wide, np.random.default_rng(known.training.seed))
        row = {int(key): number for number, key in enumerate(known.keys)}
        named = [number for number, key in enumerate(known.asked.keys) if int(key) in row]
        examples = [known.asked.vectors.vectors[named].astype(np.float32)]
        documents = [np.array([row[int(key)] for key in known.asked.keys[named]], np.int64)]
        if known.read:
            examples.append(wide)
            documents.append(np.arange(len(wide)))
        if not sum(map(len, documents)):
            raise ValueError("there is nothing to learn from: give questions, or let it read the documents")
        decoder = train(np.concatenate(examples), np.concatenate(documents), identifiers, known.training)
        index = cls(known, identifiers, decoder, folder)
        if folder is not None:
            index.save(folder)
        return index

    @classmethod
    def open(cls, folder: str | Path) -> GenerativeIndex:
        """Raises CollectionError if it is missing or damaged."""
        home = Path(folder)
        packs = _packs(home)
        if len(packs) != 1:
            raise CollectionError(f"{home} holds no generative index: it has {len(packs)} packs, not one")
        pack = Pack(packs[0])
        arrays = {name: pack.checked(name) for name in pack.names}
        head = json.loads(arrays["head"].tobytes())
        known = Known(
            arrays["keys"],
            Dense(arrays["vectors"]),
            Asked(arrays["asked keys"], Dense(arrays["asked"])),
            head["scheme"],
            head["read"],
            Training(**head["training"]),
        )
        weights = {name.removeprefix("weight "): arrays[name] for name in arrays if name.startswith("weight ")}
        index = cls(known, Identifiers(arrays["digits"], head["symbols"]), Decoder(weights), home)
        index._pack = packs[0]
        return index

    def save(self, folder: str | Path) -> None:
        """Write a copy to a folder, in place of what is there."""
        home, known = Path(folder), self._known
        home.mkdir(parents=True, exist_ok=True)
        head = {"scheme": known.scheme, "read": known.read, "training": asdict(known.training)}
        arrays: dict[str, NDArray[Any]] = {
            "head": np.frombuffer(json.dumps(head | {"symbols": self._identifiers.symbols}).encode(), np.uint8),
            "keys": known.keys,
            "vectors": known.vectors.vectors,
            "asked keys": known.asked.keys,
            "asked": known.asked.vectors.vectors,
            "digits": self._identifiers.digits,
            **{f"weight {name}": weight for name, weight in self._decoder.weights.items()},
        }
        self._pack = home / write_pack(home, arrays)
        for other in _packs(home):
            if other != self._pack:
                other.unlink()

    def __len__(self) -> int:
        return len(self._known.keys)

    @property
    def keys(self) -> Keys:
        return self._known.keys

    @property
    def identifiers(self) -> Identifiers:
        return self._identifiers

    def add(self, keys: Keys, vectors: Dense, asked: Asked | None = None) -> None:
        """Learns everything anew, so that nothing is forgotten; documents with the same keys are replaced."""
        check_keys(keys, len(vectors))
        old, more = self._without(keys), asked or Asked(keys[:0], Dense(vectors.vectors[:0]))
        self._become(
            replace(
                old,
                keys=np.concatenate([old.keys, keys]),
                vectors=Dense.concat([old.vectors, vectors]),
                asked=Asked(
                    np.concatenate([old.asked.keys, more.keys]), Dense.concat([old.asked.vectors, more.vectors])
                ),
            )
        )

    def remove(self, keys: Keys) -> int:
        """How many of the keys there were. Their identifiers can no longer be written; nothing is learned anew."""
        left = ~np.isin(self._known.keys, keys)
        gone = int((~left).sum())
        if gone:
            self._known = self._without(keys)
            self._identifiers = Identifiers(self._identifiers.digits[left], self._identifiers.symbols)
            if self._folder is not None:
                self.save(self._folder)
        return gone

    def _without(self, keys: Keys) -> Known:
        known = self._known
        left, asked = ~np.isin(known.keys, keys), ~np.isin(known.asked.keys, keys)
        return replace(
            known,
            keys=known.keys[left],
            vectors=Dense(known.vectors.vectors[left]),
            asked=Asked(known.asked.keys[asked], Dense(known.asked.vectors.vectors[asked])),
        )

    def _become(self, known: Known) -> None:
        fresh = self._learned(known, self._folder)
        self._known, self._identifiers, self._decoder = fresh._known, fresh._identifiers, fresh._decoder
        self._pack = fresh._pack

    def search(self, queries: Dense, k: int, *, allowed: Mask | None = None, recall: float = 0.95) -> Found:
        """q queries → q × k keys (-1 pads) and log-probabilities, best first.

        allowed: a mask over keys; keys beyond its end are not allowed. recall: not used, the beam's width is BEAM or k.
        """
        check_request(k, recall)
        check_queries(queries, self._known.vectors.dim)
        rows = np.arange(len(self)) if allowed is None else self._rows(allowed)
        found = Found.none(len(queries), k)
        if not len(rows) or not k or not len(queries):
            return found
        written = self.write(queries, Trie.of(self._identifiers, rows), max(k, BEAM))
        reached = min(k, written.documents.shape[1])
        documents = written.documents[:, :reached]
        found.keys[:, :reached] = np.where(documents == NONE, -1, self._known.keys[documents])
        found.scores[:, :reached] = written.scores[:, :reached]
        return found

    def write(self, queries: Dense, trie: Trie, beam: int) -> Written:
        """The likeliest identifiers of a trie."""
        return constrained(self.log_probs(queries), len(queries), trie, beam)

    def log_probs(self, queries: Dense) -> LogProbs:
        """What a beam search asks for; see beam.LogProbs."""
        asked = queries.vectors.astype(np.float32)

        def found(rows: NDArray[np.int64], written: Digits) -> Floats:
            return self._decoder.log_probs(asked[rows], written)

        return found

    def _rows(self, allowed: Mask) -> NDArray[np.int64]:
        keys = self._known.keys
        return np.flatnonzero((keys < len(allowed)) & allowed[np.minimum(keys, len(allowed) - 1)])

    def verify(self) -> list[str]:
        if self._pack is None:
            return []
        try:
            Pack(self._pack).verify()
        except CollectionError:
            return [self._pack.name]
        return []

    def stats(self) -> IndexStats:
        """bytes: of the model. The vectors that it learned from are kept, but no search touches them."""
        weights: Mapping[str, NDArray[np.float32]] = self._decoder.weights
        detail = {
            "scheme": self._known.scheme,
            "digits": self._identifiers.length,
            "parameters": self._decoder.parameters,
            "questions": len(self._known.asked.keys),
        }
        size = sum(weight.nbytes for weight in weights.values())
        return IndexStats(KIND, len(self), self._known.vectors.dim, size, detail)


def _packs(home: Path) -> list[Path]:
    """Those that an index wrote; others in a folder are the user's."""
    return sorted(path for path in home.glob("*.pack") if re.fullmatch(PACK, path.name))

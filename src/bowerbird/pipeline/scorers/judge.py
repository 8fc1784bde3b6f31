"""A language model as a judge of relevance: by the probability of "yes", or by a grade that it writes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.items import Image, Text
from bowerbird.pipeline.scorers.base import Pair
from bowerbird.ranking import Scores

if TYPE_CHECKING:
    from bowerbird.chat import Chat, Message
    from bowerbird.chat.base import ChatWithLogits

ITEM_CHARS = 3000
"""Of an item, at most."""
BEST_GRADE = 3
"""The scale of the prompt, that of TREC Deep Learning: 0 beside the point … 3 answers in full."""


@dataclass(frozen=True)
class YesNoJudge:
    """The probability of "yes" against "no" as the first word of the reply (monoT5, arXiv 2003.06713, section 3).

    A model that says neither tells nothing: 0.5. at_once: requests at the same time, for models behind a server.
    """

    chat: ChatWithLogits
    at_once: int = 1

    name = "judge"

    @property
    def needs(self) -> frozenset[str]:
        return frozenset() if hasattr(self.chat, "next_token") else frozenset({"logits"})

    def score(self, pairs: Sequence[Pair]) -> Scores:
        """Raises ChatError if the model's server gives no log-probabilities."""
        with ThreadPoolExecutor(self.at_once) as pool:
            return np.array(list(pool.map(self._probability, pairs)), np.float32)

    def _probability(self, pair: Pair) -> float:
        mass = {"yes": 0.0, "no": 0.0}
        for token, logarithm in self.chat.next_token(question("relevance_yes_no", pair)).items():
            word = re.sub(r"\W", "", token).casefold()
            if word in mass:
                mass[word] += exp(logarithm)
        total = mass["yes"] + mass["no"]
        return mass["yes"] / total if total else 0.5

    def __repr__(self) -> str:
        return f"YesNoJudge({self.chat.name!r})"


@dataclass(frozen=True)
class GradeJudge:
    """The grade from 0 to 3 that the model writes, over 3. Replies without a grade count 0, with one warning."""

    chat: Chat
    at_once: int = 1

    name = "judge"

    def score(self, pairs: Sequence[Pair]) -> Scores:
        with ThreadPoolExecutor(self.at_once) as pool:
            grades = list(pool.map(self._grade, pairs))
        failed = grades.count(None)
        if failed:
            warnings.warn(f"{self.chat.name!r} gave no grade for {failed} of {len(pairs)} pairs", stacklevel=2)
        return np.array([(grade or 0) / BEST_GRADE for grade in grades], np.float32)

    def _grade(self, pair: Pair) -> int | None:
        reply = "".join(self.chat.reply(question("relevance_grade", pair), max_tokens=16))
        found = re.search(rf"[0-{BEST_GRADE}]", reply)
        return int(found[0]) if found else None

    def __repr__(self) -> str:
        return f"GradeJudge({self.chat.name!r})"


def question(prompt_name: str, pair: Pair) -> list[Message]:
    """Query and item between the lines of a prompt, with their pictures."""
    from bowerbird.chat import Message
    from bowerbird.chat.prompts import prompt

    query, item = pair
    asked = [part for part in query.parts if isinstance(part, Text | Image)]
    pictures = [item.image] if item.image is not None else []
    words = f"{item.title}\n{item.text}".strip()[:ITEM_CHARS]
    return [
        Message.of("system", prompt(prompt_name)),
        Message.of("user", "Query:", *asked, "Document:", *pictures, words),
    ]

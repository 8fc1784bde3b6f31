"""What an answer is worth beside reference answers: its words, and the pictures in it."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """An answer: its text, and the ids of its pictures in the order in which they stand in it."""

    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reference:
    """What should have been answered: texts that are all right, and the pictures of the right answer in order."""

    texts: tuple[str, ...]
    images: tuple[str, ...] = ()


def normalised(text: str) -> str:
    """Lower case, no punctuation, no articles, single blanks (SQuAD, arXiv 1606.05250, its evaluation script)."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(text: str, reference: str) -> float:
    """1 if both are the same once normalised (SQuAD)."""
    return float(normalised(text) == normalised(reference))


def token_f1(text: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the words, each as often as it occurs (SQuAD).

    If either is empty once normalised: 1 if both are, else 0.
    """
    words, wanted = normalised(text).split(), normalised(reference).split()
    if not words or not wanted:
        return float(words == wanted)
    shared = sum((Counter(words) & Counter(wanted)).values())
    return 2 * shared / (len(words) + len(wanted))


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest common subsequence of words (Lin, ROUGE, 2004, section 3; beta 1, no stemming)."""
    words, wanted = _words(text), _words(reference)
    if not words or not wanted:
        return 0.0
    return 2 * _common(words, wanted) / (len(words) + len(wanted))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for column, other in enumerate(b, 1):
            before, row[column] = row[column], before + 1 if word == other else max(row[column], row[column - 1])
    return row[-1]


def image_precision(images: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the answer's pictures that the reference has; a picture shown twice is right once.

    MRAMG-Bench, arXiv 2502.04176. No pictures: 1 if the reference has none either, else 0.
    """
    if not images:
        return float(not gold)
    return len(set(images) & set(gold)) / len(images)


def image_recall(images: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the reference's pictures that the answer shows (MRAMG-Bench). Nothing to show: 1 if nothing is shown."""
    if not gold:
        return float(not images)
    return len(set(images) & set(gold)) / len(set(gold))


def image_f1(images: Sequence[str], gold: Sequence[str]) -> float:
    """Harmonic mean of `image_precision` and `image_recall`."""
    right, found = image_precision(images, gold), image_recall(images, gold)
    return 2 * right * found / (right + found) if right + found else 0.0


def image_order(
    images: Sequence[str], gold: Sequence[str], costs: tuple[float, float, float] = (3.0, 2.0, 1.0)
) -> float:
    """Image ordering score of MRAMG-Bench: recall × (1 - (1/p) min(distance / max(n, m), p)).

    The distance edits the answer's m pictures into the n of the reference; costs: of a missing picture, of one too
    many, of a wrong one, and p is the highest. The paper gives only their order; 3, 2, 1 is our choice.
    """
    if not images or not gold:
        return float(len(images) == len(gold))
    worst = max(costs)
    distance = _edits(images, gold, costs) / max(len(images), len(gold))
    return image_recall(images, gold) * (1 - min(distance, worst) / worst)


def _edits(images: Sequence[str], gold: Sequence[str], costs: tuple[float, float, float]) -> float:
    """Weighted edit distance that turns the answer's pictures into the reference's."""
    missing, extra, wrong = costs
    row = [column * missing for column in range(len(gold) + 1)]
    for number, image in enumerate(images, 1):
        before, row[0] = row[0], number * extra
        for column, other in enumerate(gold, 1):
            swap = before + (0.0 if image == other else wrong)
            before = row[column]
            row[column] = min(swap, row[column] + extra, row[column - 1] + missing)
    return row[-1]


def best(score: Callable[[str, str], float]) -> Callable[[Reply, Reference], float]:
    """A measure of two texts as one of a reply: the best over the reference texts, as SQuAD counts."""
    return lambda reply, reference: max((score(reply.text, text) for text in reference.texts), default=0.0)


def pictures(score: Callable[[Sequence[str], Sequence[str]], float]) -> Callable[[Reply, Reference], float]:
    """A measure of two picture sequences as one of a reply."""
    return lambda reply, reference: score(reply.images, reference.images)

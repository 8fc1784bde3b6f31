"""Moments in recordings: how well found spans cover the spans that answer (MomentSeeker, arXiv 2502.12558).

A span is (start, end) in seconds. Both of the definitions of mAP@5 that circulate are here; say which you report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from bowerbird.errors import EvaluationError
from bowerbird.evaluate.judged import Floats, Judged
from bowerbird.items import Locator

Span: TypeAlias = tuple[float, float]


def temporal_iou(a: Sequence[Span], b: Sequence[Span]) -> Floats:
    """Intersection over union of every span in a with every span in b: len(a) × len(b), 0 where they do not meet."""
    left = np.asarray(a, np.float64).reshape(-1, 1, 2)
    right = np.asarray(b, np.float64).reshape(1, -1, 2)
    shared = np.minimum(left[..., 1], right[..., 1]) - np.maximum(left[..., 0], right[..., 0])
    hull = np.maximum(left[..., 1], right[..., 1]) - np.minimum(left[..., 0], right[..., 0])
    overlap: Floats = np.divide(np.maximum(shared, 0), hull, out=np.zeros(shared.shape), where=hull > 0)
    return overlap


def moment_recall(found: Sequence[Span], gold: Sequence[Span], threshold: float = 0.3) -> float:
    """1 if any found span has a temporal IoU above the threshold with any gold span, else 0.

    R@1 of MomentSeeker with the one best span; strictly above, as the paper words it: a 3 s answer inside a 10 s
    chunk is no hit at 0.3.
    """
    return float(bool((temporal_iou(found, gold) > threshold).any()))


def matched_average_precision(found: Sequence[Span], gold: Sequence[Span], threshold: float = 0.3) -> float:
    """mAP as the paper words it: a hit takes the best gold span that is still free and at least at the threshold.

    The mean of the precisions at the true positives, over their number; 0 if there are none.
    """
    overlap = temporal_iou(found, gold)
    precisions: list[float] = []
    for rank in range(len(found)):
        if overlap.shape[1] and overlap[rank].max() >= threshold:
            overlap[:, overlap[rank].argmax()] = -1  # every gold span is matched once
            precisions.append((len(precisions) + 1) / (rank + 1))
    return float(np.mean(precisions)) if precisions else 0.0


def graded_average_precision(found: Sequence[Span], gold: Sequence[Span]) -> float:
    """mAP as the released code computes it: sum over ranks p of r_p * (r_1 + … + r_p) / p, no threshold, no divisor.

    r_p is the temporal IoU of the span at rank p with the one span from the earliest gold start to the latest gold
    end, which is too long where gold spans lie apart. May exceed 1.
    """
    if not found or not gold:
        return 0.0
    hull = (min(start for start, _ in gold), max(end for _, end in gold))
    overlap = temporal_iou(found, [hull])[:, 0]
    return float((np.cumsum(overlap) / np.arange(1, len(found) + 1) * overlap).sum())


def run_recall(judged: Judged, cutoff: int = 1, tiou: float = 0.3) -> Floats:
    """`moment_recall` of the first k hits of every query, in the recording of the gold span: q."""
    return _per_query(judged, cutoff, lambda found, gold: moment_recall(found, gold, tiou))


def run_matched(judged: Judged, cutoff: int = 5, tiou: float = 0.3) -> Floats:
    """`matched_average_precision` of the first k hits of every query: q."""
    return _per_query(judged, cutoff, lambda found, gold: matched_average_precision(found, gold, tiou))


def run_graded(judged: Judged, cutoff: int = 5) -> Floats:
    """`graded_average_precision` of the first k hits of every query: q."""
    return _per_query(judged, cutoff, graded_average_precision)


def _per_query(judged: Judged, cutoff: int, score: Callable[[list[Span], list[Span]], float]) -> Floats:
    return np.array([score(found, gold) for found, gold in _spans(judged, cutoff)])


def _spans(judged: Judged, cutoff: int) -> Iterator[tuple[list[Span], list[Span]]]:
    """Per query the spans found and the gold ones; a hit in another recording is an empty span, so it overlaps none."""
    _, catalogue = judged.asked()
    for name, hits in zip(judged.query_ids, judged.hits(cutoff), strict=True):
        gold = gold_places(judged, name)
        sources = {place.source for place in gold}
        if len(sources) > 1:
            raise EvaluationError(f"the moments of query {name!r} are in {len(sources)} recordings; split the query")
        found = [catalogue.of(hit)[1] for hit in hits]
        empty = (-1.0, -1.0)
        yield [_span(place) if place.source in sources else empty for place in found], [_span(p) for p in gold]


def gold_places(judged: Judged, query: str) -> tuple[Locator, ...]:
    """Where a query's answers are: what its benchmark says, else the places of its relevant items."""
    benchmark, catalogue = judged.asked()
    if query in benchmark.places:
        return benchmark.places[query]
    return tuple(catalogue.of_judged(name)[1] for name, gain in judged.qrels[query].items() if gain >= 1)


def _span(place: Locator) -> Span:
    if place.start is None or place.end is None:
        raise EvaluationError(f"{place.source} has no start and end in seconds; moments need both")
    return place.start, place.end

"""Hits of a ranking as people and language models see them: whole items, the best place inside, and evidence."""

from __future__ import annotations

import numpy as np

from bowerbird.collection.snapshot import Snapshot
from bowerbird.pipeline.evidence import find_evidence
from bowerbird.pipeline.results import Hit
from bowerbird.ranking import Ranking


def show_hits(snapshot: Snapshot, ranking: Ranking) -> list[tuple[Hit, ...]]:
    """Hits as people see them, a tuple per query."""
    rows = snapshot.rows_of(ranking.ids)
    places = rows if ranking.places is None else snapshot.rows_of(ranking.places)
    wanted, number_of = np.unique(np.concatenate([rows, places]), return_inverse=True)
    found = snapshot.items(wanted)
    items, best = [found[n] for n in number_of[: len(rows)]], [found[n] for n in number_of[len(rows) :]]
    evidence = find_evidence(snapshot, ranking, places, best)
    hits: list[tuple[Hit, ...]] = []
    for number in range(len(ranking)):
        span = range(ranking.offsets[number], ranking.offsets[number + 1])
        hits.append(
            tuple(
                Hit(
                    rank,
                    float(ranking.scores[row]),
                    items[row],
                    best[row],
                    {name: float(scores[row]) for name, scores in ranking.matched.items() if not np.isnan(scores[row])},
                    evidence[row],
                    snapshot.thumbnail(int(rows[row])),
                )
                for rank, row in enumerate(span, 1)
            )
        )
    return hits

"""Measures over ranks and gains, for all queries at once; definitions and edge cases are those of trec_eval.

Every function takes the joined ranking and gives one value per query (q). `rel` is the gain from which an item
counts as relevant; `cutoff` None is the whole ranking. A query without relevant items scores 0.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bowerbird.errors import MissingExtra
from bowerbird.evaluate.judged import Floats, Judged
from bowerbird.items import MODALITY_OF


def ndcg(judged: Judged, cutoff: int | None = None) -> Floats:
    """Discounted cumulative gain over the best possible one (Järvelin and Kekäläinen, TOIS 2002; trec_eval's form).

    sum of gain / log2(rank + 1) over the first `cutoff` hits; gains count as they are, not as 2**gain - 1.
    """
    found = judged.total(judged.gain / np.log2(judged.rank + 1), (judged.gain > 0) & _within(judged.rank, cutoff))
    owner = np.repeat(np.arange(len(judged)), np.diff(judged.bounds))
    rank = np.arange(len(judged.gains)) - judged.bounds[owner] + 1
    counts = (judged.gains > 0) & _within(rank, cutoff)
    discounted = (judged.gains / np.log2(rank + 1))[counts]
    return _over(found, np.bincount(owner[counts], weights=discounted, minlength=len(judged)).astype(np.float64))


def average_precision(
    judged: Judged, cutoff: int | None = None, rel: float = 1, divisor: Literal["R", "min(R,k)"] = "R"
) -> Floats:
    """Mean of the precisions at the relevant hits among the first k (trec_eval's map and map_cut).

    divisor "R" divides by all relevant items, so a perfect top k of a query with R > k scores below 1;
    "min(R,k)" gives it 1 (INQUIRE, arXiv 2411.02537, section 4; CIRCO, arXiv 2303.15247, section 5).
    """
    hits = (judged.gain >= rel) & _within(judged.rank, cutoff)
    seen = np.cumsum(hits)
    before = np.concatenate([[0], seen])[np.searchsorted(judged.query, judged.query)]
    relevant = judged.relevant(rel)
    if divisor == "min(R,k)" and cutoff is not None:
        relevant = np.minimum(relevant, cutoff)
    return _over(judged.total((seen - before) / judged.rank, hits), relevant)


def reciprocal_rank(judged: Judged, cutoff: int | None = None, rel: float = 1) -> Floats:
    """1 / rank of the first relevant hit, 0 if there is none (Voorhees, TREC-8 question answering track)."""
    hits = (judged.gain >= rel) & _within(judged.rank, cutoff)
    best = np.zeros(len(judged))
    np.maximum.at(best, judged.query[hits], 1 / judged.rank[hits])
    return best


def precision(judged: Judged, cutoff: int, rel: float = 1) -> Floats:
    """Relevant hits among the first k, over k, also where fewer than k were found."""
    return _count(judged, cutoff, rel) / cutoff


def recall(judged: Judged, cutoff: int | None = None, rel: float = 1) -> Floats:
    """Relevant hits among the first k, over all relevant items. What M-BEIR reports as recall is `hit_rate`."""
    return _over(_count(judged, cutoff, rel), judged.relevant(rel))


def hit_rate(judged: Judged, cutoff: int, rel: float = 1) -> Floats:
    """1 where any of the first k hits is relevant (Success@k).

    M-BEIR's "Recall@k" is this and not `recall`: one relevant candidate suffices (UniIR, arXiv 2311.17136;
    used by MM-Embed, arXiv 2411.02571). The two agree where every query has one relevant item.
    """
    return (_count(judged, cutoff, rel) > 0).astype(np.float64)


def rank_biased_precision(judged: Judged, cutoff: int | None = None, p: float = 0.8, rel: float = 1) -> Floats:
    """(1 - p) * sum of p ** (rank - 1) over the relevant hits (Moffat and Zobel, TOIS 2008, equation 7)."""
    hits = (judged.gain >= rel) & _within(judged.rank, cutoff)
    return judged.total(((1 - p) * p ** (judged.rank - 1.0)).astype(np.float64), hits)


def modality_accuracy(judged: Judged, cutoff: int = 1) -> Floats:
    """Share of the first k hits that have the wanted modality; with k = 1 M.A.@1 of MM-Embed (arXiv 2411.02571).

    Wanted are the query's `modalities`; where it names none, those of its relevant items. No hit scores 0.
    """
    _, catalogue = judged.asked()
    out = np.zeros(len(judged))
    for row, names in enumerate(judged.hits(cutoff)):
        relevant = [name for name, gain in judged.qrels[judged.query_ids[row]].items() if gain >= 1]
        asked = judged.ranking.queries[row].modalities
        wanted = asked or {MODALITY_OF[catalogue.of_judged(name)[0]] for name in relevant}
        out[row] = sum(MODALITY_OF[catalogue.of(name)[0]] in wanted for name in names) / cutoff
    return out


def kendall_tau(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Agreement of two orders of the same n things, from -1 to 1, ties accounted for (tau-b, Kendall 1945).

    a, b: n values each, such as the scores of n systems on two benchmarks. NaN if one of them is constant.
    Raises MissingExtra without scipy.
    """
    try:
        from scipy.stats import kendalltau
    except ImportError:
        raise MissingExtra("evaluate", "Kendall's tau") from None
    return float(kendalltau(a, b).statistic)


def gain_order(judged: Judged, cutoff: int | None = None) -> Floats:
    """Kendall's tau between the order of the judged hits and the order of their gains; NaN where either is constant."""
    out = np.full(len(judged), np.nan)
    for row in range(len(judged)):
        hits = (judged.query == row) & _within(judged.rank, cutoff)
        if hits.sum() > 1:
            out[row] = kendall_tau(-judged.rank[hits], judged.gain[hits])
    return out


def _within(rank: NDArray[np.int64], cutoff: int | None) -> NDArray[np.bool_]:
    return np.ones(len(rank), bool) if cutoff is None else rank <= cutoff


def _count(judged: Judged, cutoff: int | None, rel: float) -> Floats:
    return judged.total(np.ones(len(judged.rank)), (judged.gain >= rel) & _within(judged.rank, cutoff))


def _over(value: Floats, whole: Floats) -> Floats:
    return np.divide(value, whole, out=np.zeros(len(value)), where=whole > 0)

"""Every measure by the name that tables show: `nDCG@10`, `AP(rel=2)@50[min]`, `hub_rate@10`, `EM`.

NAME(parameters)@cutoff[variant]; names that are not ours are those of ir-measures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeAlias

from bowerbird.errors import EvaluationError, MissingExtra
from bowerbird.evaluate.judged import Floats, Judged
from bowerbird.evaluate.measures import answers, composed, hubness, languages, layout, moments, needle, ranking

WRITTEN = re.compile(r"(?P<name>\w+)(\((?P<params>[^()]*)\))?(@(?P<cutoff>\d+))?(\[(?P<variant>[^\[\]]+)\])?")


@dataclass(frozen=True)
class Measure:
    """A measure of rankings, ready to compute: one value per query, or one for the whole run."""

    name: str
    compute: Callable[[Judged], Floats | float]
    lower_is_better: bool = False
    needs_qrels: bool = True


AnswerMeasure: TypeAlias = Callable[[answers.Reply, answers.Reference], float]


@dataclass(frozen=True)
class Family:
    """A function of a joined ranking, and how a name turns into its arguments."""

    compute: Callable[..., Floats | float]
    cutoff: bool | None = None
    """True: must be given; False: must not; None: may."""
    params: tuple[str, ...] = ()
    """Numbers that may stand in parentheses."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What may stand in brackets, and what it stands for."""
    lower_is_better: bool = False
    needs_qrels: bool = True
    """False: places suffice, or no judgement counts at all."""


RANKINGS: Mapping[str, Family] = {
    "nDCG": Family(ranking.ndcg),
    "AP": Family(ranking.average_precision, params=("rel",), variants={"min": {"divisor": "min(R,k)"}}),
    "RR": Family(ranking.reciprocal_rank, params=("rel",)),
    "P": Family(ranking.precision, cutoff=True, params=("rel",)),
    "R": Family(ranking.recall, params=("rel",)),
    "Success": Family(ranking.hit_rate, cutoff=True, params=("rel",)),
    "hit": Family(ranking.hit_rate, cutoff=True, params=("rel",)),
    "RBP": Family(ranking.rank_biased_precision, params=("p", "rel")),
    "modality_accuracy": Family(ranking.modality_accuracy),
    "kendall_tau": Family(ranking.gain_order),
    "R_subset": Family(composed.subset_recall, cutoff=True),
    "page_recall": Family(layout.run_page_recall, cutoff=True, needs_qrels=False),
    "layout_recall": Family(
        layout.run_layout_recall, cutoff=True, variants={"clip": {"clip": True}}, needs_qrels=False
    ),
    "moment_R": Family(moments.run_recall, params=("tiou",), needs_qrels=False),
    "moment_mAP_matched": Family(moments.run_matched, params=("tiou",), needs_qrels=False),
    "moment_mAP_graded": Family(moments.run_graded, needs_qrels=False),
    "skewness": Family(hubness.run_skewness, lower_is_better=True, needs_qrels=False),
    "hub_rate": Family(hubness.run_hub_rate, lower_is_better=True, needs_qrels=False),
    "MRV": Family(
        languages.run_rank_variance,
        cutoff=False,
        variants={"var": {"form": "variance"}, "std": {"form": "deviation"}},
        lower_is_better=True,
    ),
}
"""Measures of rankings that are computed here."""

ANSWERS: Mapping[str, AnswerMeasure] = {
    "EM": answers.best(answers.exact_match),
    "F1": answers.best(answers.token_f1),
    "ROUGE-L": answers.best(answers.rouge_l),
    "image_precision": answers.pictures(answers.image_precision),
    "image_recall": answers.pictures(answers.image_recall),
    "image_F1": answers.pictures(answers.image_f1),
    "image_order": answers.pictures(answers.image_order),
    "needle_existence": needle.existence_accuracy,
    "needle_index": needle.index_accuracy,
    "needle_exact": needle.exact_accuracy,
    "needle_share": needle.needle_share,
}
"""Measures of answers, for `evaluate_answers`."""


def measure(name: str) -> Measure:
    """The measure of rankings with this name. Raises EvaluationError for an unknown one, with what is near."""
    parts = WRITTEN.fullmatch(name.strip())
    family = RANKINGS.get(parts["name"]) if parts else None
    if parts and family and _ours(family, parts["params"]):
        options = _params(name, family, parts["params"]) | _variant(name, family, parts["variant"])
        if parts["cutoff"]:
            options["cutoff"] = _cutoff(name, family, int(parts["cutoff"]))
        elif family.cutoff:
            raise EvaluationError(f"{name} needs a cutoff, such as {name}@10")
        return Measure(
            name, lambda judged: family.compute(judged, **options), family.lower_is_better, family.needs_qrels
        )
    if (parts and parts["name"] in ANSWERS) or name in ANSWERS:
        raise EvaluationError(f"{name} measures answers, not rankings; use evaluate_answers")
    return _of_library(name)


def answer_measure(name: str) -> AnswerMeasure:
    """The measure of answers with this name. Raises EvaluationError for an unknown one, with what is near."""
    if name not in ANSWERS:
        raise _unknown(name, ANSWERS, "measure of answers")
    return ANSWERS[name]


def _ours(family: Family, params: str | None) -> bool:
    """Whether all parameters are ours; nDCG(dcg='exp-log2')@10 is for the library."""
    return all(pair.split("=")[0].strip() in family.params for pair in (params or "").split(",") if pair.strip())


def _params(name: str, family: Family, text: str | None) -> dict[str, Any]:
    try:
        pairs = (pair.split("=") for pair in (text or "").split(",") if pair.strip())
        return {key.strip(): float(value) for key, value in pairs}
    except ValueError:
        raise EvaluationError(f"{name}: parameters are written as ({family.params[0]}=number)") from None


def _variant(name: str, family: Family, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if text not in family.variants:
        known = " or ".join(f"[{variant}]" for variant in family.variants) or "none"
        raise EvaluationError(f"{name}: there is no variant [{text}]; known: {known}")
    return dict(family.variants[text])


def _cutoff(name: str, family: Family, cutoff: int) -> int:
    if family.cutoff is False:
        raise EvaluationError(f"{name}: this measure has no cutoff; leave @{cutoff} out")
    if cutoff < 1:
        raise EvaluationError(f"{name}: a cutoff is at least 1")
    return cutoff


def _of_library(name: str) -> Measure:
    """A measure that ir-measures knows, such as Bpref or nDCG(dcg='exp-log2')@10."""
    try:
        import ir_measures
    except ImportError:
        if _near(name, RANKINGS):
            raise _unknown(name, RANKINGS) from None
        raise MissingExtra("evaluate", f"measure {name}") from None
    from bowerbird.evaluate.measures.library import compute

    try:
        parsed = ir_measures.parse_measure(name)
    except (NameError, ValueError, SyntaxError):
        known = {**RANKINGS, **ANSWERS, **ir_measures.measures.registry}
        raise _unknown(name, known) from None
    return Measure(name, lambda judged: compute(judged, parsed))


def _unknown(name: str, known: Mapping[str, Any], what: str = "measure") -> EvaluationError:
    """An error that says what is near, keeping the cutoff behind a misspelt name."""
    near = _near(name, known)
    hint = f"did you mean {near}?" if near else "docs/evaluation.md lists them"
    return EvaluationError(f"no {what} is called {name!r}; {hint}")


def _near(name: str, known: Mapping[str, Any]) -> str | None:
    stem = re.split(r"[@(\[]", name)[0]
    lower = {other.lower(): other for other in reversed(list(known))}
    close = get_close_matches(stem.lower(), lower, n=1, cutoff=0.6)
    return f"{lower[close[0]]}{name[len(stem) :]}" if close else None

"""Measures by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bowerbird.errors import EvaluationError
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.measures.registry import RANKINGS, measure
from tests.evaluate.made import ranking


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nDGC@10", "did you mean nDCG@10"),
        ("ndcg@10", "did you mean nDCG@10"),
        ("recal@5", "did you mean Recall@5"),
        ("hubrate@10", "did you mean hub_rate@10"),
        ("P", "P needs a cutoff, such as P@10"),
        ("P@0", "at least 1"),
        ("MRV@3", "has no cutoff; leave @3 out"),
        ("AP@5[max]", r"no variant \[max\]; known: \[min\]"),
        ("RR[min]", r"no variant \[min\]; known: none"),
        ("RBP(p=high)", r"parameters are written as \(p=number\)"),
        ("EM", "measures answers, not rankings; use evaluate_answers"),
        ("ROUGE-L", "measures answers"),
        ("?", "no measure is called"),
        ("", "no measure is called"),
    ],
)
def test_wrong_names_say_what_is_near(name: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        measure(name)


def test_every_measure_of_rankings_has_a_definition() -> None:
    assert all(family.compute.__doc__ for family in RANKINGS.values())


def test_others_come_from_ir_measures() -> None:
    """Bpref and exponential gains by hand: 'x' is judged and not relevant, above 'b'."""
    run, qrels = ranking({"q": ["a", "x", "b"]}), {"q": {"a": 1, "b": 3, "x": 0}}
    found = evaluate(run, qrels, ["Bpref", "nDCG(dcg='exp-log2')@10", "IPrec@0.1", "Judged@3"])
    assert found["Bpref"] == pytest.approx((1 + 0) / 2)
    assert found["nDCG(dcg='exp-log2')@10"] == pytest.approx((1 + 7 / 2) / (7 + 1 / 1.58496), abs=1e-5)
    assert (found["IPrec@0.1"], found["Judged@3"]) == (1, 1)


def test_fractional_gains_are_ours_alone() -> None:
    run, qrels = ranking({"q": ["a"]}), {"q": {"a": 0.5}}
    assert evaluate(run, qrels, ["nDCG@1"])["nDCG@1"] == 1
    with pytest.raises(EvaluationError, match="whole gains"):
        evaluate(run, qrels, ["Bpref"])


def test_without_the_extra_ours_work_and_others_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules['ir_measures'] = None\n"
        "from bowerbird.errors import EvaluationError, MissingExtra\n"
        "from bowerbird.evaluate.measures.registry import measure\n"
        "measure('nDCG@10')\n"
        "for name in ('Bpref', 'nDGC@10'):\n"
        "    try: measure(name)\n"
        "    except (MissingExtra, EvaluationError) as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == "MissingExtra measure Bpref needs an extra: pip install 'bowerbird[evaluate]'"
    assert second == "EvaluationError no measure is called 'nDGC@10'; did you mean nDCG@10?"

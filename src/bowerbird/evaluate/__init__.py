"""Measures, benchmarks and experiments over rankings."""

from bowerbird.evaluate.benchmark import Benchmark, Qrels
from bowerbird.evaluate.experiment import experiment
from bowerbird.evaluate.fill import Filled, fill
from bowerbird.evaluate.measures.answers import Reference, Reply
from bowerbird.evaluate.plots import plot_gains, plot_latency
from bowerbird.evaluate.results import Results
from bowerbird.evaluate.scoring import Evaluation, evaluate, evaluate_answers

__all__ = [
    "Benchmark",
    "Evaluation",
    "Filled",
    "Qrels",
    "Reference",
    "Reply",
    "Results",
    "evaluate",
    "evaluate_answers",
    "experiment",
    "fill",
    "plot_gains",
    "plot_latency",
]

"""MTEB's own retrieval task over XQuAD gives the same nDCG@10 as our evaluation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from datasets import Dataset
from mteb.abstasks import AbsTaskRetrieval
from mteb.models import EncoderProtocol, SearchProtocol

import bowerbird as bb
from bowerbird.encoders import load
from bowerbird.errors import BowerbirdError
from bowerbird.evaluate import evaluate
from bowerbird.integrations.mteb import EncoderModel, SearchModel
from bowerbird.ranking import Ranking
from tests.shared import shared

PASSAGES, QUERIES = 30, 36


def rows(path: Path, count: int) -> list[dict[str, str]]:
    entries = [json.loads(line) for line in path.read_text("utf8").splitlines()[:count]]
    return [{"id": entry["_id"], "title": entry.get("title", ""), "text": entry["text"]} for entry in entries]


@cache
def data() -> tuple[list[dict[str, str]], list[dict[str, str]], dict[str, dict[str, int]]]:
    """German questions over English passages, of which each answers several."""
    folder = shared("text/xquad-crosslingual")
    corpus, queries = rows(folder / "corpus/en.jsonl", PASSAGES), rows(folder / "queries/de.jsonl", 4 * QUERIES)[::4]
    lines = (folder / "qrels/test.tsv").read_text("utf8").splitlines()[1:]
    wanted = {query["id"] for query in queries}
    qrels = {query: {item: int(gain)} for query, item, gain in (line.split("\t") for line in lines) if query in wanted}
    assert all(item in {row["id"] for row in corpus} for gains in qrels.values() for item in gains)
    return corpus, queries, qrels


class XQuAD(AbsTaskRetrieval):
    """A real task of MTEB's, on files that lie here."""

    metadata = mteb.TaskMetadata(
        name="LocalXQuAD",
        description="Questions in German to passages in English.",
        dataset={"path": "local/xquad", "revision": "1"},
        type="Retrieval",
        category="t2t",
        eval_langs=["deu-Latn", "eng-Latn"],
        main_score="ndcg_at_10",
    )

    def load_data(self, *args: Any, **options: Any) -> None:
        corpus, queries, qrels = data()
        asked = Dataset.from_list([{"id": row["id"], "text": row["text"]} for row in queries])
        split = {
            "corpus": Dataset.from_list(corpus),
            "queries": asked,
            "relevant_docs": {query: dict(gains) for query, gains in qrels.items()},
            "top_ranked": None,
        }
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


def score_of_mteb(model: Any) -> dict[str, float]:
    result = mteb.evaluate(model, XQuAD(), cache=None, show_progress_bar=False)
    return result.task_results[0].scores["test"][0]


def test_a_pipeline_scores_as_in_our_evaluation() -> None:
    made: list[bb.Stage] = []

    def pipeline(library: bb.Library) -> bb.Stage:
        made.append(bb.Lexical(library) + bb.Dense(library, "text"))
        return made[-1]

    model = SearchModel(pipeline, name="words + meaning", fields={"text": "e5"})
    assert isinstance(model, SearchProtocol)
    theirs = score_of_mteb(model)
    _, queries, qrels = data()
    ranking = made[0]([query["text"] for query in queries])
    model.close()
    ours = evaluate(ranking, qrels, ["nDCG@10", "AP@100"], query_ids=[query["id"] for query in queries])
    assert theirs["ndcg_at_10"] == pytest.approx(ours["nDCG@10"], abs=1e-5)
    assert theirs["map_at_100"] == pytest.approx(ours["AP@100"], abs=1e-5)
    assert 0.7 < ours["nDCG@10"] < 1, "neither trivial nor broken"


def test_an_encoder_scores_as_exact_search_over_its_vectors() -> None:
    encoder = load("e5")
    model = EncoderModel(encoder)
    assert isinstance(model, EncoderProtocol)
    theirs = score_of_mteb(model)
    corpus, queries, qrels = data()
    items = encoder.encode_items([(bb.Text(f"{row['title']} {row['text']}"),) for row in corpus]).dense
    asked = encoder.encode_queries([(bb.Text(row["text"]),) for row in queries]).dense
    assert items is not None
    assert asked is not None
    scores = asked.vectors @ items.vectors.T
    names = np.array([row["id"] for row in corpus], object)
    number = np.repeat(np.arange(len(queries)), len(corpus))
    ranking = Ranking.from_hits(
        [bb.Query.of(row["text"]) for row in queries], number, np.tile(names, len(queries)), scores.ravel()
    )
    ours = evaluate(ranking, qrels, ["nDCG@10"], query_ids=[row["id"] for row in queries])
    assert theirs["ndcg_at_10"] == pytest.approx(ours["nDCG@10"], abs=1e-5)


def test_candidates_limit_what_is_found() -> None:
    corpus, queries, _ = data()
    model = SearchModel(lambda library: bb.Lexical(library), name="words", fields={"text": "e5"})
    with pytest.raises(BowerbirdError, match="search comes after index"):
        model.search(queries, top_k=10)
    model.index(corpus[:5])
    first = queries[0]["id"]
    allowed = [corpus[0]["id"], corpus[3]["id"]]
    found = model.search([{"id": first, "text": corpus[0]["text"]}], top_k=10, top_ranked={first: allowed})
    model.close()
    assert next(iter(found[first])) == corpus[0]["id"]
    assert set(found[first]) <= set(allowed)

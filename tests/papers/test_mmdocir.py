"""MMDocIR's page: pages and regions of a real PDF, ranked inside their document and measured by covered area."""

from __future__ import annotations

import numpy as np
import pytest

from bowerbird.evaluate.benchmarks.cards import load
from bowerbird.evaluate.plain import bm25
from bowerbird.papers import mmdocir
from bowerbird.papers.mmdocir import Question, Unit, Views, page_methods, questions, region_methods, unit
from bowerbird.readers import read, source_file
from bowerbird.readers.base import ReadOptions
from tests.shared import shared

PDF = "a4f3ced0696009fec3179f493e4f28c4.pdf"


def views(units: list[Unit], asked: list[Question]) -> Views:
    """By words alone; the other views know less."""
    words = bm25([unit.text for unit in units], [question.text for question in asked])
    own = np.array([[unit.source == question.source for unit in units] for question in asked])
    return Views(units, own, words, np.sign(words), words, np.full_like(words, -np.inf))


@pytest.fixture(scope="module")
def made() -> tuple[Views, Views, list[Question]]:
    folder = shared(mmdocir.SET)
    asked = questions(load("mmdocir", folder, "pages"), [PDF])
    items = list(read(source_file(str(folder / "pdfs" / PDF), PDF), ReadOptions(ocr=False)))
    pages = [unit(item, PDF) for item in items if item.kind == "page"]
    regions = [unit(item, PDF) for item in items if item.kind not in {"page", "document"}]
    stranger = Unit("other.pdf", 1, mmdocir.WHOLE, " ".join(question.text for question in asked), None, False)
    return views([*pages, stranger], asked), views([*regions, stranger], asked), asked


def test_pages_and_regions_of_the_own_document_are_found(made: tuple[Views, Views, list[Question]]) -> None:
    pages, regions, asked = made
    assert len(asked) == 3
    ranked = page_methods(pages, regions, np.random.default_rng(0))
    assert all(unit.source == PDF for _, found in ranked.values() for row in found for unit in row)
    recall = {name: mmdocir._page_recalls(found, asked, 3).mean() for name, (_, found) in ranked.items()}
    assert recall["BM25 of text and OCR"] >= 2 / 3
    assert mmdocir._page_recalls(pages.order(-pages.words), asked, 1).mean() < 0.5
    covered = region_methods(pages, regions, np.random.default_rng(0))
    cover = {name: mmdocir._layout_recalls(found, asked, 5).mean() for name, (_, found) in covered.items()}
    assert cover["BM25"] > cover["any order"]
    assert all(unit.box == mmdocir.WHOLE for row in covered["whole pages, tokens"][1] for unit in row)


def test_a_page_has_the_score_of_its_best_region(made: tuple[Views, Views, list[Question]]) -> None:
    pages, regions, _ = made
    best = regions.best_of_page(regions.words, pages)
    for number, page in enumerate(pages.units):
        mine = [n for n, region in enumerate(regions.units) if region.place == page.place]
        expected = regions.words[:, mine].max(axis=1) if mine else -np.inf
        np.testing.assert_array_equal(best[:, number], np.broadcast_to(expected, len(best)))


def test_words_that_were_recognised_can_be_left_out(made: tuple[Views, Views, list[Question]]) -> None:
    pages, _, asked = made
    units = [Unit(each.source, each.page, each.box, each.text, None, each.page == 1) for each in pages.units]
    seen = views(units, asked)
    assert np.isneginf(seen.readable(seen.words)[:, [unit.recognised for unit in units]]).all()
    scaled = seen.standard(seen.readable(seen.words))
    assert np.abs(scaled[seen.own].reshape(len(asked), -1).mean(axis=1)).max() < 1e-4

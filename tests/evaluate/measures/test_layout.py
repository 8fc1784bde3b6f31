"""Pages and covered area by hand."""

from __future__ import annotations

import pytest

import bowerbird as bb
from bowerbird.evaluate import evaluate
from bowerbird.evaluate.measures.layout import layout_recall, page_recall
from tests.evaluate.made import benchmark, ranking

PAGE = ("paper.pdf", 3)
GOLD = [(PAGE, (0.0, 0.0, 0.4, 0.2))]


def test_page_recall_counts_pages_once() -> None:
    found = [("d", 1), ("d", 1), ("d", 2), ("d", 3)]
    assert page_recall(found, [("d", 2), ("d", 9)], 2) == 0.5
    assert page_recall(found, [("d", 3)], 2) == 0


@pytest.mark.parametrize(
    ("boxes", "value"),
    [
        ([(0.0, 0.0, 0.4, 0.2)], 1.0),
        ([(0.0, 0.0, 0.2, 0.2)], 0.5),
        ([(0.0, 0.0, 1.0, 1.0)], 1.0),
        ([(0.5, 0.5, 0.9, 0.9)], 0.0),
        ([(0.0, 0.0, 0.2, 0.2), (0.2, 0.0, 0.4, 0.2)], 1.0),
    ],
)
def test_covered_area_is_neither_identity_nor_iou(boxes: list[bb.items.Box], value: float) -> None:
    for clip in (False, True):
        assert layout_recall([(PAGE, box) for box in boxes], GOLD, clip) == pytest.approx(value)


def test_area_found_twice_counts_twice_unless_clipped() -> None:
    twice = [(PAGE, (0.0, 0.0, 0.3, 0.2)), (PAGE, (0.1, 0.0, 0.4, 0.2))]
    assert layout_recall(twice, GOLD) == pytest.approx(1.5)
    assert layout_recall(twice, GOLD, clip=True) == pytest.approx(1.0)
    assert layout_recall([(("paper.pdf", 4), GOLD[0][1])], GOLD) == 0, "another page"
    assert layout_recall(twice, [(PAGE, (0.1, 0.1, 0.1, 0.1))]) == 0, "no gold area"


def test_of_a_run_by_the_places_of_items() -> None:
    def region(name: str, page: int, box: bb.items.Box) -> bb.Item:
        return bb.Item(name, "figure", (), bb.Locator("paper.pdf", page=page, box=box))

    items = [
        region("left", 3, (0.0, 0.0, 0.2, 0.2)),
        region("right", 3, (0.2, 0.0, 0.4, 0.2)),
        region("far", 4, GOLD[0][1]),
    ]
    place = bb.Locator("paper.pdf", page=3, box=GOLD[0][1])
    made = benchmark({"q": {"left": 1}}, items, places={"q": (place,)})
    run = ranking({"q": ["far", "left", "right"]})
    found = evaluate(
        run, made, ["layout_recall@1", "layout_recall@2", "layout_recall@3[clip]", "page_recall@1", "page_recall@2"]
    )
    assert list(found.values.values()) == pytest.approx([0, 0.5, 1, 0, 1])

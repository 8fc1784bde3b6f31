"""What is shown of a pipeline: its drawing and its profile."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from PIL import Image
from rich.console import Console

import bowerbird as bb
from bowerbird.errors import PipelineError
from bowerbird.ranking import Ranking
from tests.pipeline.found import Found

HITS = Found(Ranking.from_scores(["q"], [{"a": 2.0, "b": 1.0}]), "words < 'all' & more")
OTHER = Found(Ranking.from_scores(["q"], [{"b": 2.0}]), "vectors")
PIPELINE = bb.rrf(HITS, 0.5 * OTHER, HITS | OTHER) % 5 >> bb.Normalise("z")


def test_a_drawing_holds_every_stage_and_is_well_formed(tmp_path: Path) -> None:
    diagram = PIPELINE.diagram()
    words = [text.text for text in etree.fromstring(str(diagram).encode()).iter("{*}text")]
    assert words.count("words < 'all' & more") == 2
    assert [words.count(label) for label in ("queries", "hits", "rrf", "|", "× 0.5", "first 5")] == [1] * 6
    assert diagram._repr_svg_() == str(diagram)
    diagram.save(tmp_path / "pipeline.svg")
    assert (tmp_path / "pipeline.svg").read_text("utf8") == str(diagram)


def test_boxes_of_a_drawing_do_not_overlap() -> None:
    import resvg_py

    boxes = []
    root = etree.fromstring(str(PIPELINE.diagram()).encode())
    for group in root.iter("{*}g"):
        rectangle = group.find("{*}rect")
        if rectangle is not None:
            x, y = map(float, group.get("transform")[len("translate(") : -1].split())
            boxes.append((x, y, x + float(rectangle.get("width")), y + float(rectangle.get("height"))))
    width, height = map(float, root.get("viewBox").split()[2:])
    assert len(boxes) == 11
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 <= top
        assert right <= width
        assert bottom <= height
        for x0, y0, x1, y1 in boxes[:number]:
            assert right <= x0 or x1 <= left or bottom <= y0 or y1 <= top
    picture = Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=str(PIPELINE.diagram())))))
    assert np.asarray(picture.convert("RGBA"))[..., 3].any()


def test_a_profile_has_a_row_per_stage_and_adds_up() -> None:
    profile = PIPELINE.profile(["q"], runs=2)
    labels = [(timing.label, timing.depth, timing.hits) for timing in profile.timings]
    assert labels == [
        ("first 5", 0, 2), ("rrf", 1, 2), ("words < 'all' & more", 2, 2), ("× 0.5", 2, 1), ("vectors", 3, 1),
        ("|", 2, 2), ("words < 'all' & more", 3, 2), ("vectors", 3, 1), ("Normalise('z')", 0, 2),
    ]  # fmt: skip
    assert all(timing.seconds >= 0 for timing in profile.timings)
    assert profile.seconds == sum(timing.seconds for timing in profile.timings)
    console = Console(file=io.StringIO(), width=120)
    console.print(profile)
    for shown in (str(profile), console.file.getvalue()):  # type: ignore[attr-defined]
        rows = [line for line in shown.splitlines() if "%" in line]
        for row, timing in zip(rows[-len(labels) :], profile.timings, strict=True):
            assert timing.label in row
            assert f"{timing.seconds * 1000:.1f}" in row


def test_a_profile_of_no_runs_is_refused() -> None:
    with pytest.raises(PipelineError, match="one or more runs, got 0"):
        PIPELINE.profile(["q"], runs=0)


def test_a_profile_knows_what_was_remembered(tmp_path: Path) -> None:
    remembered = bb.cached(HITS, tmp_path / "results.db").profile(["q"])
    assert [timing.seconds > 0 for timing in remembered.timings] == [True, False]

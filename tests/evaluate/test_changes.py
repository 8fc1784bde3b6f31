"""Composed queries mined from captions."""

from __future__ import annotations

from bowerbird.evaluate.changes import Change, changes


def test_a_change_is_mined_from_captions_that_differ_in_one_place() -> None:
    captions = [["A black dog runs on sand .", "Sea ."], ["A white cat runs on sand ."], ["A black dog ran on sand ."]]
    found = {(change.reference, change.target): change for change in changes(captions)}
    assert found[0, 1] == Change(0, 1, frozenset({1}), "black dog", "white cat", frozenset({(0, 0), (1, 0)}))
    assert found[0, 1].text == "white cat instead of black dog"
    assert set(found) == {(0, 1), (1, 0), (0, 2), (2, 0)}


def test_places_that_too_many_texts_fill_are_left_out() -> None:
    captions = [[f"{word} face"] for word in ("happy", "sad", "angry")]
    assert len(changes(captions, shared=1)) == 6
    assert not changes(captions, shared=1, variants=2)
    assert not changes(captions)
    assert not changes([["the face"], ["a face"]], shared=1)  # function words say nothing

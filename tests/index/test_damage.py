"""Damaged files of an index: named when it is opened, searched or verified; never a crash, never another answer."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bowerbird.errors import CollectionError
from bowerbird.index.base import Found
from bowerbird.index.binary import BinaryIndex
from bowerbird.index.bit_means import BitMeans
from bowerbird.index.manifest import MANIFEST, Manifest
from tests.index.test_indexes import ASKED, KINDS, Kind, filled

PLACES = 40
"""Of every file where a bit is turned."""


def outcome(kind: Kind, folder: Path, queries: Any) -> tuple[set[str], Found | None]:
    """The files that are named as damaged, and what a search found unless it was refused."""
    named: set[str] = set()
    found = None
    try:
        index = kind.index.open(folder)
        named |= set(index.verify())
        found = index.search(queries, 20)
    except CollectionError as error:
        named |= set(re.findall(rf"\w+\.pack|{MANIFEST}", str(error))) or {str(error)}
    return named, found


@pytest.mark.parametrize("name", KINDS)
def test_a_bit_of_any_file_is_noticed(name: str, tmp_path: Path) -> None:
    kind, chance = KINDS[name], random.Random(name)
    index, _ = filled(kind, tmp_path)
    queries = kind.draw(ASKED, 5)
    right = index.search(queries, 20)
    files = [path for path in sorted(tmp_path.iterdir()) if path.name != "writer.lock"]
    assert len(files) >= 5
    for path in files:
        content, noticed = path.read_bytes(), 0
        for at in chance.sample(range(len(content)), PLACES):
            changed = bytearray(content)
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            named, found = outcome(kind, tmp_path, queries)
            assert named <= {path.name}
            noticed += bool(named)
            if not named:  # between two arrays
                assert found is not None
                np.testing.assert_array_equal(found.keys, right.keys)
                np.testing.assert_array_equal(found.scores, right.scores)
        path.write_bytes(content)
        assert noticed > PLACES // 3
    assert outcome(kind, tmp_path, queries)[0] == set()


def emptied(path: Path, others: list[Path]) -> None:
    path.write_bytes(b"")


def cut(path: Path, others: list[Path]) -> None:
    path.write_bytes(path.read_bytes()[:-70])


def zeroed(path: Path, others: list[Path]) -> None:
    """As a file is after a loss of power: of the right length, but never written."""
    path.write_bytes(bytes(path.stat().st_size))


def gone(path: Path, others: list[Path]) -> None:
    path.unlink()


def mistaken(path: Path, others: list[Path]) -> None:
    """In its place another whole file of the index, of the same kind if there is one."""
    others.sort(key=lambda other: abs(other.stat().st_size - path.stat().st_size))
    path.write_bytes(others[0].read_bytes())


@pytest.mark.parametrize("name", ["dense", "multi-vector"])
@pytest.mark.parametrize("damage", [emptied, cut, zeroed, gone, mistaken])
def test_a_file_that_is_not_what_it_was_is_named(
    name: str, damage: Callable[[Path, list[Path]], None], tmp_path: Path
) -> None:
    kind = KINDS[name]
    filled(kind, tmp_path)
    files = [path for path in sorted(tmp_path.iterdir()) if path.name != "writer.lock"]
    for path in files:
        content = path.read_bytes()
        damage(path, [other for other in files if other != path])
        named, _ = outcome(kind, tmp_path, kind.draw(ASKED, 5))
        assert path.name in named
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["5", '"digest"', "[]", "{}", "null", "[" * 100_000, "\ud800"])
def test_a_manifest_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    kind = KINDS["dense"]
    filled(kind, tmp_path)
    (tmp_path / MANIFEST).write_bytes(content.encode("utf8", "surrogatepass"))
    with pytest.raises(CollectionError, match=r"manifest\.json cannot be read .*; build the index again"):
        kind.index.open(tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_a_manifest_that_lacks_something_is_refused(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    filled(kind, tmp_path)
    found = json.loads((tmp_path / MANIFEST).read_text())
    for part in found["head"]:
        for head in ({key: value for key, value in found["head"].items() if key != part}, found["head"] | {part: None}):
            Manifest(found["kind"], head, tuple(map(tuple, found["segments"]))).write(tmp_path)
            assert outcome(kind, tmp_path, kind.draw(ASKED, 5))[0] <= {MANIFEST}


def test_a_manifest_names_no_files_outside_of_its_folder(tmp_path: Path) -> None:
    kind = KINDS["dense"]
    index, _ = filled(kind, tmp_path / "one")
    (outside,) = {path.name for path in (tmp_path / "one").glob("*.pack")} & {index._segments.held[0].name}
    Manifest("dense", index._segments.head, ((f"../one/{outside}", ""),)).write(tmp_path / "one")
    with pytest.raises(CollectionError, match=r"manifest\.json is damaged"):
        kind.index.open(tmp_path / "one")


@pytest.mark.parametrize("part", ["means", "model"])
def test_a_head_names_no_files_outside_of_its_folder(part: str, tmp_path: Path) -> None:
    if part == "means":
        means = BitMeans(np.zeros((64, 2), np.float32))
        BinaryIndex.build(np.arange(5), KINDS["binary"].draw(5, 0), folder=tmp_path / "one", means=means)
    else:
        filled(KINDS["multi-vector"], tmp_path / "one")
    index = BinaryIndex if part == "means" else KINDS["multi-vector"].index
    known = Manifest.read(tmp_path / "one", "binary" if part == "means" else "multi-vector")
    assert len(index.open(tmp_path / "one"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / known.head[part]).write_bytes((tmp_path / "one" / known.head[part]).read_bytes())
    for name in (f"../other/{known.head[part]}", str(tmp_path / "other" / known.head[part])):
        replace(known, head={**known.head, part: name}).write(tmp_path / "one")
        with pytest.raises(CollectionError, match=rf"manifest\.json .*{part} names no pack of the index"):
            index.open(tmp_path / "one")

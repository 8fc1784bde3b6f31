"""kill -9 at every step of every change: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bowerbird.index.manifest import named_in
from tests.index.test_indexes import ASKED, KINDS, Kind, Model, filled

if not hasattr(os, "fork"):
    pytest.skip("kills processes as POSIX does", allow_module_level=True)

STEPS = 100
"""More than any change takes."""
SIZES = (16, 300, 500, 900, 3000)
"""Of files that are cut off: a note, a mask, a manifest, a segment."""


@dataclass(frozen=True)
class Change:
    """run: given the folder of an index, `acknowledged` is called when it is done. place: the folder that changes.

    rows_of: what is there afterwards, given what was there before.
    """

    run: Callable[[Kind, Model, Path, Callable[[], None]], None]
    rows_of: Callable[[dict[int, int]], dict[int, int]]
    place: str = "index"


def build(kind: Kind, model: Model, home: Path, acknowledged: Callable[[], None]) -> None:
    kind.index.build(np.arange(40), kind.rows(model.vectors, np.arange(50, 90)), folder=home / "index")
    acknowledged()


def add(kind: Kind, model: Model, home: Path, acknowledged: Callable[[], None]) -> None:
    """With the merge that follows."""
    index = kind.index.open(home / "index")
    index.add(np.arange(5, 65), kind.rows(model.vectors, np.arange(200, 260)))
    acknowledged()
    index.wait()


def remove(kind: Kind, model: Model, home: Path, acknowledged: Callable[[], None]) -> None:
    """So much that a segment is merged that is mostly gone."""
    index = kind.index.open(home / "index")
    index.remove(np.arange(0, 28))
    acknowledged()
    index.wait()


def save(kind: Kind, model: Model, home: Path, acknowledged: Callable[[], None]) -> None:
    """In place of what was saved before."""
    kind.index.open(home / "index").save(home / "copy")
    acknowledged()


CHANGES = {
    "build": Change(build, lambda before: {key: 50 + key for key in range(40)}),
    "add": Change(add, lambda before: before | {key: 195 + key for key in range(5, 65)}),
    "remove": Change(remove, lambda before: {key: row for key, row in before.items() if key >= 28}),
    "save": Change(save, lambda before: before, "copy"),
}


def steps_until_killed(folder: Path, last: int) -> None:
    """Kills this process before it takes step `last` of those that change the files of a folder."""
    taken, inside, writing = 0, str(folder), os.O_WRONLY | os.O_RDWR

    def count(event: str, given: tuple[Any, ...]) -> None:
        nonlocal taken
        if event in ("os.rename", "os.remove", "open") and str(given[0]).startswith(inside):
            if event == "open" and not (given[2] & writing or str(given[0]) == inside):  # a folder that is synced
                return
            taken += 1
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def size_until_killed(most: int) -> None:
    """Kills this process while it writes a file, as soon as it has so many bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def killed(work: Callable[[Callable[[], None]], None], armed: Callable[[], None]) -> tuple[bool, bool]:
    """Whether a process that does some work was killed, and whether it acknowledged the work before."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            armed()
            work(lambda: os.write(write, b"done") and None)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        acknowledged = pipe.read() == b"done"
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the change failed"
    return os.WIFSIGNALED(status), acknowledged


def crashes(change: Change, kind: Kind, model: Model, start: Path, home: Path) -> Iterator[bool]:
    """A kill while files are written, then at the first step, at the second, …: whether it was acknowledged before."""
    for size in SIZES:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        dead, acknowledged = killed(partial(change.run, kind, model, home), partial(size_until_killed, size))
        if dead:
            yield acknowledged
    for step in range(1, STEPS):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(start, home)
        armed = partial(steps_until_killed, home / change.place, step)
        dead, acknowledged = killed(partial(change.run, kind, model, home), armed)
        if not dead:
            assert step > 5, "there is more to a change"
            return
        yield acknowledged
    raise AssertionError("a change has an end")


@pytest.mark.filterwarnings("ignore:lance is not fork-safe")  # which other tests may have imported
@pytest.mark.parametrize("name", ["dense", "multi-vector"])  # without and with files that segments share
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_kill_at_any_step_leaves_all_of_a_change_or_nothing(name: str, change: Change, tmp_path: Path) -> None:
    kind = KINDS[name]
    _, model = filled(kind, tmp_path / "start" / "index")
    kind.index.build(np.arange(9), kind.rows(model.vectors, np.arange(9)), folder=tmp_path / "start" / "copy")
    queries, before = kind.draw(ASKED, 5), model.row_of
    after = change.rows_of(before)
    if change.place == "copy":
        before = {key: key for key in range(9)}
    home, found = tmp_path / "home", False
    for acknowledged in crashes(change, kind, model, tmp_path / "start", home):
        again = kind.index.open(home / change.place)
        assert again.verify() == []
        found = sorted(again.keys.tolist()) == sorted(after)
        assert found or not acknowledged, "what was acknowledged is gone"
        model.row_of = after if found else before
        model.check(again, queries, 20)
        change.run(kind, model, home, lambda: None)
        model.row_of = after
        model.check(kind.index.open(home / change.place), queries, 20)
        if change.run in (build, save):  # others leave it to the next merge
            packs = {path.name for path in (home / change.place).glob("*.pack*")}
            assert packs == named_in(home / change.place), "what the crash left stays"
    assert found, "the last steps come after the change"

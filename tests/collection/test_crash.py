"""kill -9 at random moments of `add`: nothing acknowledged is lost, nothing is there twice, a re-run adds the rest."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bowerbird.collection import Collection

ROUNDS = 20
FILES = 260
TEMPLATE = """
import os, sys
import bowerbird.collection.ingest as ingest
from bowerbird.collection import Collection
from bowerbird.collection.progress import Silent
from bowerbird.encoders import e5, load
from bowerbird.items import Text

ingest.COMMIT_SECONDS = 0.0  # a commit per file, so that there is much to interrupt
e5.load = lambda argument: e5.E5(threads=1)  # without threads that a fork would lose
load("e5").encode_items([(Text("a note"),)])
assert "lance" not in sys.modules, "lance does not stand a fork"

class Loud(Silent):
    def done(self, source):
        print(source, flush=True)

for _ in sys.stdin:  # a line is a round
    child = os.fork()
    if not child:
        Collection.open(sys.argv[1], fields={"text": "e5"}).add([sys.argv[2]], jobs=1, progress=Loud())
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print(flush=True)
"""


class Rounds:
    """Processes that run `add`, forked from one that has read its models: reading them takes longer than a round."""

    def __init__(self, library: Path, folder: Path) -> None:
        command = [sys.executable, "-c", TEMPLATE, str(library), str(folder)]
        self._template = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def killed_after(self, seconds: float) -> set[str]:
        """The files that a process acknowledged before it was killed, so long after the first of them."""
        assert self._template.stdin is not None
        assert self._template.stdout is not None
        self._template.stdin.write("\n")
        self._template.stdin.flush()
        child, said = int(self._template.stdout.readline()), [self._template.stdout.readline()]
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it may have added everything
            os.kill(child, signal.SIGKILL)
        while said[-1].strip():
            said.append(self._template.stdout.readline())
        return {line.strip() for line in said[:-1]}

    def __enter__(self) -> Rounds:
        return self

    def __exit__(self, *_: object) -> None:
        self._template.kill()
        self._template.wait()


def test_kill_at_random_moments(tmp_path: Path) -> None:
    folder, library = tmp_path / "files", tmp_path / "library"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:03}.txt").write_text(f"note {number} about thing{number}")
    Collection.open(library, fields={"text": "e5"})
    acknowledged: set[str] = set()
    chance = random.Random(0)
    with Rounds(library, folder) as rounds:
        for _ in range(ROUNDS):
            acknowledged |= rounds.killed_after(chance.uniform(0.0, 0.6))
            stored = Counter(file.source for file in Collection.open(library).files())
            assert acknowledged <= set(stored)
            assert max(stored.values(), default=1) == 1
    assert acknowledged
    collection = Collection.open(library)
    before = {file.source for file in collection.files()}
    report = collection.add([folder])
    assert not report.failed
    assert len(report.added) == FILES - len(before)
    assert report.unchanged == len(before)
    snapshot = collection.snapshot()
    assert len(snapshot) == 2 * FILES
    assert len(set(snapshot.ids)) == len(snapshot)
    rows, _ = snapshot.lexical([f"thing{number}" for number in range(FILES)], 2)
    assert (rows[:, 0] >= 0).all()
    assert (rows[:, 1] < 0).all()
    assert not collection.verify().problems

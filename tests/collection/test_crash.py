"""kill -9 at random moments of `add`: nothing acknowledged is lost, nothing is there twice, a re-run adds the rest."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from bowerbird.collection import Collection

ROUNDS = 20
FILES = 260
CHILD = """
import sys
import bowerbird.collection.ingest as ingest
from bowerbird.collection import Collection
from bowerbird.collection.progress import Silent

ingest.COMMIT_SECONDS = 0.0  # a commit per file, so that there is much to interrupt

class Loud(Silent):
    def done(self, source):
        print(source, flush=True)

Collection.open(sys.argv[1], fields={"text": "e5"}).add([sys.argv[2]], jobs=1, progress=Loud())
"""


def test_kill_at_random_moments(tmp_path: Path) -> None:
    folder, library = tmp_path / "files", tmp_path / "library"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number:03}.txt").write_text(f"note {number} about thing{number}")
    Collection.open(library, fields={"text": "e5"})
    acknowledged: set[str] = set()
    chance = random.Random(0)
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(library), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.6))
        child.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in [first, *child.stdout.readlines()] if line.endswith("\n")}
        child.wait()
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

"""kill -9 at random moments of `add`, and a full disk: nothing acknowledged is lost, nothing is there twice, a re-run
adds the rest."""

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
import os, resource, sys
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

for line in sys.stdin:  # a round; how large files may be, if they may not be of any size
    child = os.fork()
    if not child:
        if line.strip():
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(line), int(line)))
        try:
            Collection.open(sys.argv[1], fields={"text": "e5"}).add([sys.argv[2]], jobs=1, progress=Loud())
        except OSError:
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print("", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sep="\\n", flush=True)
"""


class Rounds:
    """Processes that run `add`, forked from one that has read its models: reading them takes longer than a round."""

    def __init__(self, library: Path, folder: Path) -> None:
        command = [sys.executable, "-c", TEMPLATE, str(library), str(folder)]
        self._template = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def killed_after(self, seconds: float) -> set[str]:
        """The files that a process acknowledged before it was killed, so long after the first of them."""
        child, said = self._begun(""), [self._line()]
        time.sleep(seconds)
        with suppress(ProcessLookupError):  # it may have added everything
            os.kill(child, signal.SIGKILL)
        while said[-1]:
            said.append(self._line())
        self._line()
        return set(said[:-1])

    def with_files_up_to(self, size: int) -> tuple[set[str], int]:
        """The files that a process acknowledged whose files end after `size` bytes, as on a full disk; its status."""
        self._begun(str(size))
        said = list(iter(self._line, ""))
        return set(said), int(self._line())

    def _begun(self, size: str) -> int:
        """The number of a new process."""
        assert self._template.stdin is not None
        self._template.stdin.write(f"{size}\n")
        self._template.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._template.stdout is not None
        return self._template.stdout.readline().strip()

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
    all_there_after_a_re_run(library, folder, FILES)


CREATOR = """
import os, signal, sys
from bowerbird.collection import Collection

def kill(event, given):
    if event == "os.rename" and str(given[1]).endswith("library.json"):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
Collection.open(sys.argv[1], fields={"text": "e5"})
"""


def test_a_library_whose_maker_was_killed_is_made(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", CREATOR, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "library.json").exists()
    assert list(tmp_path.iterdir())
    Collection.open(tmp_path, fields={"text": "e5"})
    assert not list(tmp_path.glob("*.partial"))


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    folder, library, acknowledged, failed = tmp_path / "files", tmp_path / "library", set[str](), 0
    folder.mkdir()
    Collection.open(library, fields={"text": "e5"})
    count = 0
    with Rounds(library, folder) as rounds:
        for size, fresh in ((1 << 30, 3), (500, 3), (9500, 30)):  # then packs fail, then the log, which grows
            for _ in range(fresh):
                (folder / f"{count:03}.txt").write_text(f"note {count} about thing{count}")
                count += 1
            said, status = rounds.with_files_up_to(size)
            assert status in (0, 1), "ended by a signal"
            failed += status
            acknowledged |= said
            collection = Collection.open(library)
            stored = [file.source for file in collection.files()]
            assert acknowledged <= set(stored)
            assert len(stored) == len(set(stored))
            assert not collection.verify().problems
            assert len(collection.snapshot()) == 2 * len(stored)
    assert acknowledged
    assert failed >= 2, "the disk was hardly ever full"
    all_there_after_a_re_run(library, folder, count)


def all_there_after_a_re_run(library: Path, folder: Path, count: int) -> None:
    collection = Collection.open(library)
    before = {file.source for file in collection.files()}
    report = collection.add([folder])
    assert not report.failed
    assert len(report.added) == count - len(before)
    assert report.unchanged == len(before)
    snapshot = collection.snapshot()
    assert len(snapshot) == 2 * count
    assert len(set(snapshot.ids)) == len(snapshot)
    rows, _ = snapshot.lexical([f"thing{number}" for number in range(count)], 2)
    assert (rows[:, 0] >= 0).all()
    assert (rows[:, 1] < 0).all()
    assert not collection.verify().problems

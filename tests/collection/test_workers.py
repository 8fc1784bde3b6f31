"""Real processes, a real reader that crashes, hangs, grows, exits and raises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bowerbird.collection.collection import Collection
from bowerbird.collection.workers import Chunk, Job, ReadPool, Settings
from bowerbird.errors import ReadError
from bowerbird.items import Image, Item, Locator
from tests.collection.misbehaving import install, write_order

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings(stall_seconds=8, memory_bytes=600 << 20)


@pytest.fixture(autouse=True)
def _plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("plugin")
    install(folder)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), str(ROOT), before or ""]).rstrip(os.pathsep)
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def read_all(paths: list[str], jobs: int = 1, settings: Settings = SETTINGS) -> dict[str, list[Chunk]]:
    found: dict[str, list[Chunk]] = {path: [] for path in paths}
    with ReadPool(jobs, settings) as pool:
        for chunk in pool.read(Job(path, Path(path).name) for path in paths):
            found[chunk.job.path].append(chunk)
    return found


def worker_of(chunk: Chunk) -> int:
    return int(chunk.items[0].text.split()[-1])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


FATES = {
    "crash": "crashed on it (signal 11)",
    "exit": "crashed on it (exit code 3)",
    "leave": "crashed on it (exit code 1)",
    "raise": "cannot be parsed (ValueError: line one line two xx",
    "refuse": "no thank you",
    "mute": "ReadError",
    "recurse": "nested too deeply",
    "huge": "more memory than there is",
    "grow": "600 MiB",
    "hang": "took longer than 8 seconds",
}


def test_each_misfortune_costs_one_file_and_one_line(tmp_path: Path) -> None:
    orders = [order for fate in FATES for order in (fate, "good")]
    paths = [write_order(tmp_path / f"{number}-{order}.wav", order) for number, order in enumerate(orders)]
    found = read_all(paths, jobs=2)
    for order, path in zip(orders, paths, strict=True):
        chunks = found[path]
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
        if order == "good":
            texts = [item.text for chunk in chunks for item in chunk.items]
            assert not chunks[-1].error
            assert texts[0].startswith("before good")
            assert texts[1:] == ["after"]
        else:
            assert FATES[order] in chunks[-1].error
            assert "\n" not in chunks[-1].error
            assert len(chunks[-1].error) < 400


def test_what_libraries_print_does_not_reach_the_answers(tmp_path: Path) -> None:
    path = write_order(tmp_path / "a.wav", "chatter")
    chunks = read_all([path])[path]
    assert not chunks[-1].error
    assert [item.text for chunk in chunks for item in chunk.items][-1] == "after"


def test_a_long_file_streams_and_waits_for_its_consumer(tmp_path: Path) -> None:
    """The worker may not run ahead: it stays idle while nobody takes its items, and that is no stall."""
    path = write_order(tmp_path / "a.wav", "many 30000")
    numbers = []
    with ReadPool(1, Settings(stall_seconds=4)) as pool:
        for count, chunk in enumerate(pool.read([Job(path, "a")])):
            assert not chunk.error
            assert len(chunk.items) <= 32
            numbers += [item.text.rstrip("x") for item in chunk.items if item.kind == "passage"]
            if count == 1:
                (worker,) = children()
                time.sleep(5)
                spent = cpu_seconds(worker)
                time.sleep(0.3)
                assert cpu_seconds(worker) == spent
    assert numbers == [*map(str, range(30000)), "after"]


def children() -> dict[int, bytes]:
    """Process ids and command lines of the workers that this process has now."""
    pids = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in read(task / "children").split()]
    commands = {pid: read(Path(f"/proc/{pid}/cmdline")) for pid in pids}
    return {pid: command for pid, command in commands.items() if b"worker_process" in command}


def read(path: Path) -> bytes:
    """The file of a thread or process, empty if it has ended since it was listed."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def cpu_seconds(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    paths = [write_order(tmp_path / f"{number}.wav", "many 20000") for number in range(4)]
    with ReadPool(2, SETTINGS) as pool:
        chunks = pool.read(Job(path, path) for path in paths)
        pids = {worker_of(next(chunk for chunk in chunks if chunk.items and "before" in chunk.items[0].text))}
        chunks.close()
        assert all(gone(pid, 5) for pid in pids)
    assert not children()


PARENT = """
import sys
from bowerbird.collection.workers import Job, ReadPool, Settings
with ReadPool(1, Settings(stall_seconds={stall})) as pool:
    for chunk in pool.read([Job(sys.argv[1], "a")]):
        print(chunk.items[0].text if chunk.items else chunk.error, flush=True)
"""


@pytest.mark.parametrize(("ending", "stall"), [(signal.SIGINT, 60), (signal.SIGKILL, 2)])
def test_no_worker_outlives_its_parent(tmp_path: Path, ending: signal.Signals, stall: float) -> None:
    """After Ctrl-C at once; after kill -9 even a parser that never returns is ended by its own timer."""
    path = write_order(tmp_path / "a.wav", "hang later")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(stall=stall), path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline().split()[-1])
        assert is_running(worker)
        parent.send_signal(ending)
        parent.wait(5)
        assert gone(worker, 1 if ending == signal.SIGINT else 2 * stall + 2)


def test_a_bloated_worker_is_replaced_before_the_next_file(tmp_path: Path) -> None:
    paths = [write_order(tmp_path / f"{number}.wav", "good") for number in range(3)]
    pids, sizes = [], []
    with ReadPool(1, Settings()) as pool:
        for chunk in pool.read(Job(path, path) for path in paths):
            (worker,) = children()
            pids += [worker_of(chunk)] if chunk.items else []
            sizes.append(resident(worker))
    assert len(pids) == 3
    assert len(set(pids)) == 1
    tight = Settings(memory_bytes=int(1.5 * max(sizes)))  # each file leaves more than half of this behind
    found = read_all(paths, settings=tight)
    assert not any(chunks[-1].error for chunks in found.values())
    assert len({worker_of(chunks[0]) for chunks in found.values()}) == 3


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_picture_that_no_encoder_can_decode_costs_its_file(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for order in ("good", "blot", "many 3"):
        write_order(tmp_path / "files" / f"{order}.wav", order)
    collection = Collection.open(tmp_path / "library", fields={"image": "lite"})
    report = collection.add([tmp_path / "files"], settings=SETTINGS)
    assert sorted(Path(name).name for name in report.added) == ["good.wav", "many 3.wav"]
    (failure,) = report.failed
    assert Path(failure.source).name == "blot.wav"
    assert "not a readable picture" in failure.reason
    blot = Item("blot", "image", (Image(b"no picture"),), Locator("blot"))
    with pytest.raises(ReadError, match="blot: not a readable picture"):
        collection.add_items([blot])
    assert collection.verify().problems == ()


def test_a_reader_that_works_long_gives_signs_of_life(tmp_path: Path) -> None:
    paths = [write_order(tmp_path / f"{order}.wav", order) for order in ("busy", "tired")]
    busy, tired = read_all(paths, settings=Settings(stall_seconds=3)).values()
    assert not busy[-1].error
    assert [item.text for chunk in busy for item in chunk.items][-1] == "after"
    assert "took longer than 3 seconds" in tired[-1].error

"""Builds one index in a process of its own, on two threads, and notes what that took.

python -m benchmarks.engine.build SET NAME FOLDER
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.engine import roster, threads

THREADS = 2
NOTE = "built.json"
SLOW = "slow.json"
"""How many minutes were not enough: the next run does not wait for them again."""


@dataclass(frozen=True)
class Built:
    wall_s: float
    cpu_s: float
    disk_bytes: int


@dataclass(frozen=True)
class Failed:
    reason: str


def index_folder(set_name: str, name: str, folder: Path) -> Path:
    return folder / "index" / set_name / name.replace(" ", "-")


def ensure_built(set_name: str, name: str, folder: Path, minutes: float) -> Built | Failed:
    """The note of an earlier build, or that of a new one, which may take so long."""
    home = index_folder(set_name, name, folder)
    note, slow = home / NOTE, home / SLOW
    if not note.exists():
        tried = json.loads(slow.read_text()) if slow.exists() else 0
        if tried >= minutes:
            return _too_slow(set_name, tried)
        command = [sys.executable, "-m", "benchmarks.engine.build", set_name, name, str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60 * minutes)
        except subprocess.TimeoutExpired:
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True, exist_ok=True)
            slow.write_text(json.dumps(minutes))
            return _too_slow(set_name, minutes)
        if done.returncode:
            return Failed(f"not built: {_last_line(done.stderr) or f'ended with status {done.returncode}'}")
    return Built(**json.loads(note.read_text()))


def _too_slow(set_name: str, minutes: float) -> Failed:
    return Failed(f"{set_name} was not built in {minutes:g} minutes")


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:200] if text.strip() else ""


def main(set_name: str, name: str, folder: Path) -> None:
    threads.limit(THREADS)
    from benchmarks.engine import sets

    entry = next(entry for entry in roster.ENTRIES if entry.name == name)
    adapter = roster.load(entry)
    if isinstance(adapter, roster.Absent):
        raise SystemExit(adapter.reason)
    given = sets.load(set_name, folder)
    target = index_folder(set_name, name, folder)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    wall, cpu = time.perf_counter(), time.process_time()
    adapter.build(given.vectors, given.offsets, target)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    (target / NOTE).write_text(json.dumps(asdict(Built(wall, cpu, size))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

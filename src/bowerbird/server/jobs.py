"""Indexing what was uploaded: one writer, a journal that survives it, and progress to be asked for."""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal
from uuid import uuid4

from bowerbird.collection.progress import Silent
from bowerbird.errors import BowerbirdError, LockedError
from bowerbird.server.problems import Refused
from bowerbird.server.served import Served
from bowerbird.server.uploads import Stored, Uploads
from bowerbird.storage.files import write_atomically

KEPT = 1000
"""Finished jobs that are remembered."""
LOCKED_PAUSE = 2.0
"""Before another try where another process is writing."""
MAX_BATCH = 2000
"""Files that are indexed in one run."""
log = logging.getLogger("bowerbird.server")


@dataclass(frozen=True)
class UploadedFile:
    """path: below the library's folder."""

    name: str
    path: str
    size: int
    state: Literal["waiting", "reading", "stored", "failed"] = "waiting"
    items: int = 0
    item: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Job:
    id: str
    files: tuple[UploadedFile, ...]
    created: str
    state: Literal["queued", "running", "done"] = "queued"
    items: int = 0
    finished: str | None = None

    def to_json(self) -> dict[str, Any]:
        """schemas.Job"""
        files = [{**asdict(file), "source": file.path} for file in self.files]
        return {**asdict(self), "files": files}


class _Stop(Exception):
    """The server ends: the run is left between two commits, and the journal says what is still to do."""


@dataclass
class _Watch(Silent):
    """What a run tells: items per source, what is stored, reasons of failures."""

    stopping: threading.Event
    items: dict[str, int] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)

    def read(self, source: str, items: int) -> None:
        self.items[source] = self.items.get(source, 0) + items
        self._check()

    def done(self, source: str) -> None:
        self.stored.add(source)
        self._check()

    def failed(self, source: str, reason: str) -> None:
        self.reasons[source] = reason

    def _check(self) -> None:
        if self.stopping.is_set():
            raise _Stop


class Jobs:
    """LIBRARY/jobs/ID.json says what was acknowledged. Start once per process; `stop` when the server ends."""

    def __init__(self, served: Served, uploads: Uploads) -> None:
        self._served, self._uploads = served, uploads
        self._folder = served.folder / "jobs"
        self._folder.mkdir(exist_ok=True)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._stopping = threading.Event()
        self._watch = _Watch(self._stopping)
        self._running: tuple[str, ...] = ()
        self.writing = threading.Lock()
        """Held by whoever changes the collection."""
        self._load()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        """The journal of earlier servers; what they did not finish is done now."""
        jobs = [_from_json(path) for path in self._folder.glob("*.json")]
        for job in sorted((job for job in jobs if job), key=lambda job: job.created):
            unfinished = job.state != "done"
            self._jobs[job.id] = replace(job, state="queued") if unfinished else job
            if unfinished:
                self._queue.put(job.id)

    @property
    def waiting(self) -> int:
        return sum(1 for job in list(self._jobs.values()) if job.state == "queued")

    def require_room(self) -> None:
        """Raises Refused (429) while too many jobs wait."""
        if self.waiting >= self._served.limits.jobs:
            raise Refused(429, "too many uploads wait to be indexed; try again later", retry=10)

    def create(self, files: Iterable[Stored]) -> Job:
        """Acknowledge uploaded files: from now on they will be indexed, whatever happens to this process."""
        root = self._served.folder
        listed = [UploadedFile(file.name, file.path.relative_to(root).as_posix(), file.size) for file in files]
        job = Job(uuid4().hex[:12], tuple(listed), _now())
        self._write(job)
        self._queue.put(job.id)
        return job

    def get(self, name: str) -> Job:
        """A job, as far as it has come. Raises Refused (404)."""
        job = self._jobs.get(name)
        if job is None:
            raise Refused(404, f"no job {name!r}: ids come from POST /v1/items")
        if job.state != "running":
            return job
        files = tuple(self._under_way(file) for file in job.files)
        return replace(job, files=files, items=sum(file.items for file in files))

    def _under_way(self, file: UploadedFile) -> UploadedFile:
        """A file while its job runs. Stored ones can be found when the whole job is done."""
        path, watch = self._path(file), self._watch
        file = replace(file, items=watch.items.get(path, 0))
        if path in watch.reasons:
            return replace(file, state="failed", reason=self._served.names.clean(watch.reasons[path]))
        return replace(file, state="stored" if path in watch.stored else "reading" if file.items else "waiting")

    def remove(self, name: str) -> None:
        """Take out the file that an item is in. Raises Refused (404, or 503 while uploads are indexed), LockedError."""
        found = self._served.find(name)
        path = found.snapshot.files(found.snapshot.rows_of([name]))[0].path
        if not self.writing.acquire(timeout=self._served.limits.answer_seconds / 2):
            raise Refused(503, "uploads are being indexed; try again later", retry=10)
        try:
            self._served.library.collection.remove([name])
        finally:
            self.writing.release()
        self._uploads.forget(Path(path))
        self._served.reader.refresh()

    def stop(self) -> bool:
        """End between two commits; whether the writer has ended. What is left is in the journal."""
        self._stopping.set()
        self._queue.put("")
        self._thread.join(self._served.limits.shutdown_seconds)
        return not self._thread.is_alive()

    def _write(self, job: Job) -> None:
        write_atomically(self._folder / f"{job.id}.json", json.dumps(asdict(job), ensure_ascii=True).encode())
        self._jobs[job.id] = job
        finished = [one.id for one in list(self._jobs.values()) if one.state == "done"]
        for name in finished[:-KEPT]:
            (self._folder / f"{name}.json").unlink(missing_ok=True)
            del self._jobs[name]

    def _work(self) -> None:
        while not self._stopping.is_set():
            names = self._take()
            try:
                if names:
                    self._run([self._jobs[name] for name in names])
            except _Stop:
                return
            except LockedError:
                self._again(names)
            except Exception as error:
                log.exception("indexing uploads failed; it is tried again when the server starts anew")
                self._fail(names, error)

    def _take(self) -> list[str]:
        """Everything that waits, so that it is read and embedded together."""
        names = [self._queue.get()]
        while sum(len(self._jobs[name].files) for name in names if name) < MAX_BATCH:
            try:
                names.append(self._queue.get_nowait())
            except Empty:
                break
        return [name for name in names if name]

    def _run(self, jobs: Sequence[Job]) -> None:
        self._watch = watch = _Watch(self._stopping)
        for job in jobs:
            self._jobs[job.id] = replace(job, state="running")
        paths = [self._path(file) for job in jobs for file in job.files]
        with self.writing:
            self._served.library.add(*paths, progress=watch)
        self._served.reader.refresh()
        roots = {record.path: record.id for record in self._served.files()}
        for job in jobs:
            files = tuple(self._ended(file, roots, watch) for file in job.files)
            items = sum(file.items for file in files)
            self._write(replace(job, state="done", files=files, items=items, finished=_now()))

    def _ended(self, file: UploadedFile, roots: dict[str, str], watch: _Watch) -> UploadedFile:
        """A file after the run; one that failed is deleted."""
        path = self._path(file)
        if path in roots:
            return replace(file, state="stored", item=roots[path], items=watch.items.get(path, 0))
        self._uploads.forget(Path(path))
        reason = self._served.names.clean(watch.reasons.get(path, "was taken out again"))
        return replace(file, state="failed", reason=reason)

    def _again(self, names: Sequence[str]) -> None:
        """Another process is writing: later."""
        for name in names:
            self._jobs[name] = replace(self._jobs[name], state="queued")
            self._queue.put(name)
        self._stopping.wait(LOCKED_PAUSE)

    def _fail(self, names: Sequence[str], error: Exception) -> None:
        """What neither a file nor a lock explains fails the jobs; their files stay for the next start of a server."""
        known = self._served.names.clean(str(error)) if isinstance(error, BowerbirdError) else type(error).__name__
        for name in names:
            job = self._jobs[name]
            files = tuple(replace(file, state="failed", reason=f"indexing failed: {known}") for file in job.files)
            self._jobs[name] = replace(job, state="done", files=files, finished=_now())

    def _path(self, file: UploadedFile) -> str:
        return str(self._served.folder / file.path)


def _from_json(path: Path) -> Job | None:
    try:
        known = json.loads(path.read_text("utf8"))
        return Job(**{**known, "files": tuple(UploadedFile(**file) for file in known["files"])})
    except (OSError, ValueError, TypeError, KeyError):
        log.warning("the journal %s cannot be read and is left out", path.name)
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

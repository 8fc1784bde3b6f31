"""Storage: a folder with items, their vectors, and what is derived from them."""

from bowerbird.collection.collection import Collection, FileRecord, Stats
from bowerbird.collection.derived import FieldIndex
from bowerbird.collection.ingest import AddReport, Failure
from bowerbird.collection.reembed import ReembedReport
from bowerbird.collection.snapshot import Snapshot

__all__ = ["AddReport", "Collection", "Failure", "FieldIndex", "FileRecord", "ReembedReport", "Snapshot", "Stats"]

"""Errors that a user can act on: every message says what happened, where, and what to do."""

from __future__ import annotations


class BowerbirdError(Exception):
    """Base of all errors raised on purpose."""


class ReadError(BowerbirdError):
    """A file could not be read; the rest of the run goes on."""


class UnsupportedFile(ReadError):
    """No reader takes files of this kind."""


class MissingExtra(BowerbirdError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs an extra: pip install 'bowerbird[{extra}]'")
        self.extra = extra


class EncoderMismatch(BowerbirdError):
    """Vectors of different encoders were about to be mixed."""


class CollectionError(BowerbirdError):
    """A collection cannot be opened, written or trusted."""


class LockedError(CollectionError):
    """Another process is writing to the collection."""


class FilterError(BowerbirdError):
    """A filter expression is malformed or names an unknown field."""


class ChatError(BowerbirdError):
    """A language model endpoint did not answer as its protocol says."""


class EvaluationError(BowerbirdError):
    """A ranking, its judgements or the name of a measure cannot be evaluated as they are."""


class RankingError(BowerbirdError, ValueError):
    """Queries, hits and scores do not make a ranking."""


class PipelineError(BowerbirdError):
    """A pipeline cannot run as it is composed, or on what it was given."""


class BenchmarkError(BowerbirdError):
    """The files of a benchmark are not as published, or something that they name is not there."""

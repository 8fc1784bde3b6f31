"""Checking every byte of a collection against its checksum."""

from __future__ import annotations

from dataclasses import dataclass

from bowerbird.collection.store import Store
from bowerbird.errors import CollectionError
from bowerbird.storage.packs import Pack


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """problems: one line each. paths: the source files that lost something. repaired: those that were added again."""

    problems: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()


def damaged_sources(store: Store) -> VerifyReport:
    """What is damaged, and whose items it held."""
    damaged = store.damaged_files()
    problems = [f"{path.relative_to(store.folder)} is damaged" for path in damaged]
    if any(path.suffix == ".lance" for path in damaged):
        # the rows themselves cannot be trusted, so everything is read again
        return VerifyReport(tuple(problems), tuple(sorted({row["path"] for row in _readable_rows(store)})))
    paths: set[str] = set()
    rows = store.dataset().to_table(columns=["path", "pack"]).to_pylist()
    for name in sorted({row["pack"] for row in rows}):
        try:
            Pack(store.folder / "packs" / name).verify()
        except CollectionError as error:
            problems.append(str(error).split(";")[0])
            paths |= {row["path"] for row in rows if row["pack"] == name}
    return VerifyReport(tuple(problems), tuple(sorted(paths)))


def _readable_rows(store: Store) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for fragment in store.dataset().get_fragments():
        try:
            found += fragment.to_table(columns=["path"]).to_pylist()
        except (OSError, ValueError):
            continue
    return found

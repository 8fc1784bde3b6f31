"""Sources as clients see them: relative, so that no path of the server's disk leaves it, not even through a filter."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from bowerbird.collection.filters import Compare, Condition, Join, Not, Value, parse
from bowerbird.errors import FilterError


@dataclass(frozen=True)
class Names:
    """Stored sources begin with one of `roots` (absolute, with a slash at the end) or are relative already.

    library: the root whose files were uploaded. others: the folder that all other absolute sources lie in.
    """

    library: str
    others: str

    @classmethod
    def of(cls, folder: Path, sources: Iterable[str]) -> Names:
        """The names of a collection in `folder` that holds these sources."""
        library = f"{folder.resolve().as_posix()}/"
        absolute = [source for source in sources if os.path.isabs(source) and not source.startswith(library)]
        common = os.path.commonpath([os.path.dirname(source) for source in absolute]) if absolute else ""
        return cls(library, f"{common.rstrip('/')}/" if common else "")

    @property
    def roots(self) -> list[str]:
        return [root for root in (self.library, self.others) if root]

    def shown(self, source: str) -> str:
        """A stored source as a client sees it."""
        root = next((root for root in self.roots if source.startswith(root)), "")
        below = source[len(root) :]
        return os.path.basename(below) if os.path.isabs(below) else below  # added since the roots were looked up

    def clean(self, message: str) -> str:
        """A message without the roots."""
        for root in self.roots:
            if len(root) > 1:
                message = message.replace(root, "")
        return message

    def stored(self, expression: str) -> str:
        """A filter over shown sources as one over stored sources.

        A comparison of `source` is tried below every root, and without one for sources that lie in none, so that no
        filter can tell what the roots are. Raises FilterError.
        """
        return _written(self._stored(parse(expression))) if expression else ""

    def _stored(self, condition: Condition) -> Condition:
        match condition:
            case Compare("source", operator, values):
                inside = [Compare("source", "~", (f"{root}*",)) for root in self.roots]
                texts = [str(value) for value in values]
                below: list[Condition] = [
                    Join("and", (mine, Compare("source", operator, tuple(root + text for text in texts))))
                    for root, mine in zip(self.roots, inside, strict=True)
                ]
                apart = Join("and", (*(Not(mine) for mine in inside), condition))
                return Join("or", (*below, apart))
            case Not(inner):
                return Not(self._stored(inner))
            case Join(operator, parts):
                return Join(operator, tuple(self._stored(part) for part in parts))
            case _:
                return condition


def encoder_name(spec: str) -> str:
    """An encoder as clients see it: without the folder that its weights lie in, or the address that it is asked at."""
    family, colon, argument = spec.partition(":")
    if "://" in argument:
        return f"{family}{colon}{argument.rpartition('#')[2]}"
    return f"{family}{colon}{os.path.basename(argument.rstrip('/'))}" if os.path.exists(argument) else spec


def _written(condition: Condition) -> str:
    """A condition as an expression."""
    match condition:
        case Compare(field, "in", values):
            return f"{field} in ({', '.join(_literal(value) for value in values)})"
        case Compare(field, operator, values):
            return f"{field} {operator} {_literal(values[0])}"
        case Not(inner):
            return f"not ({_written(inner)})"
        case Join(operator, parts):
            return f" {operator} ".join(f"({_written(part)})" for part in parts)
    raise FilterError(f"cannot write {condition!r} as a filter")


def _literal(value: Value) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"{Decimal(value):f}"

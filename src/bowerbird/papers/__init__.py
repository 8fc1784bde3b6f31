"""One page per paper: what it adds, where the mechanism lives, and an experiment that shows its claim or does not.

Every module or package here is a page, with one `PAGE`, except those of OTHERS, which pages are made and shown with.
"""

from __future__ import annotations

import pkgutil
from difflib import get_close_matches
from importlib import import_module

from bowerbird.errors import BowerbirdError
from bowerbird.papers.page import Page

OTHERS = frozenset({"page", "table", "measured", "taxonomy"})


def names() -> list[str]:
    """The names of all pages, in alphabetical order."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in modules if name not in OTHERS and not name.startswith("_"))


def load(name: str) -> Page:
    """The page of a name such as 'muvera'. Raises BowerbirdError, with the nearest name, for one that is not there."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else "see 'bowerbird papers'"
        raise BowerbirdError(f"no page for a paper named {name!r}; {hint}")
    page: Page = import_module(f"{__name__}.{name.replace('-', '_')}").PAGE
    return page

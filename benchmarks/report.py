"""Sections of guides that scripts write: everything between two marks is replaced, the rest stays as people wrote it.

<!-- NAME:begin -->
…
<!-- NAME:end -->
"""

from __future__ import annotations

import os
import platform
from pathlib import Path


def write_section(path: Path, name: str, text: str) -> None:
    """Replace the section of that name in a guide.

    Raises ValueError if the guide does not have both marks, once each and in order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = path.read_text("utf8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or begin in after or end in after:
        raise ValueError(f"{path} needs the lines {begin!r} and {end!r}, once each")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", "utf8")


def machine() -> str:
    """What the numbers of a table were measured on, in one line."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

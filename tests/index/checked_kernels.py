"""Compares all functions of a library with the numpy form; run in a process of its own by test_kernels."""

from __future__ import annotations

import sys
from pathlib import Path

from bowerbird.index.kernels import compiled, reference
from tests.index.kernel_cases import ask, cases, same


def compare(seeds: int) -> int:
    """All levels of compiled.py's library with the numpy form. How many of them there are."""
    levels = [level for level in range(len(compiled.LEVELS)) if compiled.set_level(level) == level]
    for seed in range(seeds):
        for case in cases(seed):
            expected = ask(reference, case)
            for level in levels:
                compiled.set_level(level)
                same(compiled, case, expected)
    return len(levels)


if __name__ == "__main__":
    compiled.LIBRARY = Path(sys.argv[1])
    print(f"compared {compare(seeds=25)} levels")
